//! [`Revocable`]: a future or a stream that its holder polls, and that others can take away even while the holder keeps it
//! unpolled. The end of a block takes what is in flight in it (rule 6).

use std::{
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// Work that can be taken away from its holder.
pub(crate) struct Revocable<W>(Mutex<State<W>>);

enum State<W> {
    /// Between two polls. The waker is that of the last poll, if it was pending.
    Kept {
        work: W,
        waker: Option<Waker>,
    },
    /// It is polled just now; or its poll panicked, and it is not polled again.
    Lent,
    Over,
    Revoked,
}

/// Why there is nothing to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It has come to its end.
    Over,
    /// It was taken away.
    Revoked,
}

/// Takes work away, of whatever type it is.
pub(crate) trait Revoke: Send + Sync {
    /// Drops the work, and wakes its holder, who finds it gone. What is over stays so. No lock is held meanwhile.
    fn revoke(&self);
}

impl<W> Revocable<W> {
    pub(crate) fn new(work: W) -> Self {
        Self(Mutex::new(State::Kept { work, waker: None }))
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        // Each change under this lock is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The work, to be polled once, with the waker of its last poll. It MUST be put back unless it has ended.
    pub(crate) fn lend(&self) -> Result<(W, Option<Waker>), Gone> {
        let mut state = self.state();
        let (next, lent) = match mem::replace(&mut *state, State::Lent) {
            State::Kept { work, waker } => return Ok((work, waker)),
            State::Revoked => (State::Revoked, Gone::Revoked),
            State::Lent | State::Over => (State::Over, Gone::Over),
        };
        *state = next;
        Err(lent)
    }

    /// The work comes back after a poll, with a waker if that was pending. False if it was revoked meanwhile: it is
    /// dropped then.
    pub(crate) fn put_back(&self, work: W, waker: Option<Waker>) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Lent) {
            *state = State::Kept { work, waker };
            return true;
        }
        drop(state);
        drop((work, waker));
        false
    }

    /// The holder has done with it. False if it was revoked.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Revoked) {
            return false;
        }
        let before = mem::replace(&mut *state, State::Over);
        drop(state);
        drop(before);
        true
    }
}

impl<W: Send> Revoke for Revocable<W> {
    fn revoke(&self) {
        let mut state = self.state();
        if matches!(*state, State::Over | State::Revoked) {
            return;
        }
        let before = mem::replace(&mut *state, State::Revoked);
        drop(state);
        if let State::Kept { work, waker } = before {
            drop(work);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<W> fmt::Debug for Revocable<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocable").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_revoked_is_dropped_at_once_and_never_lent_again() {
        let work = Arc::new(());
        let held = Revocable::new(Arc::clone(&work));
        let (lent, waker) = held.lend().unwrap();
        assert!(waker.is_none() && held.put_back(lent, Some(Waker::noop().clone())));
        held.revoke();
        assert_eq!(Arc::strong_count(&work), 1);
        assert_eq!(held.lend().err(), Some(Gone::Revoked));
        assert!(!held.end(), "it stays revoked");
    }

    #[test]
    fn what_is_revoked_while_it_is_polled_is_dropped_when_it_comes_back() {
        let work = Arc::new(());
        let held = Revocable::new(Arc::clone(&work));
        let (lent, _) = held.lend().unwrap();
        held.revoke();
        assert!(!held.put_back(lent, None));
        assert_eq!(Arc::strong_count(&work), 1);
    }

    #[test]
    fn what_is_over_stays_over() {
        let held = Revocable::new(1);
        held.lend().unwrap();
        assert_eq!(held.lend().err(), Some(Gone::Over), "a poll that panicked is not repeated");
        held.revoke();
        assert_eq!(held.lend().err(), Some(Gone::Over));
    }
}
