//! How work on a SQLite database is stopped: it is numbered, and looks now and then whether its number has been called
//! off. `sqlite3_interrupt` is not used, as it hits whatever runs when it comes, which may be the next user's statement.

use std::{
    cell::RefCell,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::place::{self, Spot};
use crate::transaction::impact::CancelScope;

/// How long a write that was dropped in a savepoint may compute on, for the sake of the transaction around it.
const SPARED: Duration = Duration::from_secs(3);
/// The most of it that can pass between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_micros(500);

/// How many instructions of SQLite's machine run between two looks.
const INSTRUCTIONS_PER_LOOK: i32 = 1_000;

/// The numbers of the work on one connection.
#[derive(Debug, Default)]
pub(super) struct Stop {
    issued: AtomicU64,
    running: AtomicU64,
    called_off: AtomicU64,
    /// As `called_off`, where the transaction around must stay whole.
    called_off_alone: AtomicU64,
    /// Stopped now, the work that runs would take the transaction along: SQLite rolls all of it back when it interrupts
    /// a statement that writes.
    taking_along: AtomicBool,
    /// Wakes those who await a lock when something was called off.
    calls: Notify,
    /// How many await a lock, and the highest number among those who ever did.
    waiters: AtomicUsize,
    last_waiter: AtomicU64,
    spared: Mutex<Spared>,
}

/// How long a write has run on that was dropped.
#[derive(Debug, Default)]
struct Spared {
    number: u64,
    last_look: Option<Instant>,
    spent: Duration,
}

impl Spared {
    /// Looks at the write of a number. Between two looks it computes for a fraction of what counts at most. In the time above
    /// that the thread had no processor: how long a write may run on must not depend on how busy the machine is.
    fn look(&mut self, number: u64, now: Instant) {
        if self.number != number {
            *self = Self { number, ..Self::default() };
        }
        let since = self.last_look.replace(now).map_or(Duration::ZERO, |last| now.duration_since(last));
        self.spent += since.min(BETWEEN_LOOKS);
    }
}

/// Work of a number awaits a lock, until this is dropped.
struct Awaits<'s>(&'s Stop);

impl Drop for Awaits<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stop {
    /// Gives the next piece of work its number. Only whoever has the turn asks for one.
    pub(super) fn issue(&self) -> u64 {
        self.issued.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Calls off all work that has a number by now.
    pub(super) fn call_off(&self, sparing: CancelScope) {
        let calls = match sparing {
            CancelScope::Nothing | CancelScope::Session => &self.called_off,
            CancelScope::Transaction => &self.called_off_alone,
        };
        calls.fetch_max(self.issued.load(Ordering::SeqCst), Ordering::SeqCst);
        self.calls.notify_waiters();
    }

    /// Whether work that was not called off awaits a lock.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiters.load(Ordering::SeqCst) > 0 && !self.is_called_off(self.last_waiter.load(Ordering::SeqCst))
    }

    /// Waits until the work of a number is called off; it is awaited meanwhile.
    pub(super) async fn until_called_off(&self, number: u64) {
        self.last_waiter.fetch_max(number, Ordering::SeqCst);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let _awaits = Awaits(self);
        loop {
            let mut called = pin!(self.calls.notified());
            // From here on no call is missed.
            called.as_mut().enable();
            if self.is_called_off(number) {
                return;
            }
            called.await;
        }
    }

    /// Calls off the work of a number, which has had the turn: nothing that is still to come.
    pub(super) fn call_off_one(&self, number: u64) {
        self.called_off.fetch_max(number, Ordering::SeqCst);
    }

    pub(super) fn is_called_off(&self, number: u64) -> bool {
        [&self.called_off, &self.called_off_alone].iter().any(|calls| calls.load(Ordering::SeqCst) >= number)
    }

    /// Whether the work that runs is to end.
    pub(super) fn stops(&self) -> bool {
        let number = self.running.load(Ordering::SeqCst);
        self.called_off.load(Ordering::SeqCst) >= number
            || !self.taking_along.load(Ordering::SeqCst) && self.is_called_off(number)
    }

    /// Whether a write that was dropped, and runs on for the sake of the transaction around it, has had its time. Called
    /// while it computes.
    fn has_run_on(&self) -> bool {
        let number = self.running.load(Ordering::SeqCst);
        if !self.is_called_off(number) {
            return false;
        }
        let mut spared = self.spared.lock().unwrap_or_else(PoisonError::into_inner);
        spared.look(number, Instant::now());
        spared.spent >= SPARED
    }

    /// Tells whether what runs from now on would take the transaction along if it were stopped.
    pub(super) fn takes_along(&self, yes: bool) {
        // Nearly always it is so already, and looking costs less.
        if self.taking_along.load(Ordering::SeqCst) != yes {
            self.taking_along.store(yes, Ordering::SeqCst);
        }
    }

    /// Makes the connection look: while it computes, and while it waits for another's lock.
    pub(super) fn install(self: &Arc<Self>, db: &mut Connection) -> rusqlite::Result<()> {
        let look = Arc::clone(self);
        let looks = move || {
            place::linger();
            look.stops() || look.has_run_on()
        };
        db.progress_handler(INSTRUCTIONS_PER_LOOK, Some(looks))?;
        db.busy_handler(Some(wait))
    }

    /// Does `work` under its number. While another connection has the lock it waits for a slice of time, or for all the
    /// time there is if it cannot be done again.
    pub(super) fn during<T>(
        self: &Arc<Self>,
        number: u64,
        (slice, patience): (Duration, Duration),
        spot: Spot,
        work: impl FnOnce() -> T,
    ) -> T {
        self.running.store(number, Ordering::SeqCst);
        self.takes_along(false);
        let waiting = Waiting { stop: Arc::clone(self), slice, patience, since: None, spot };
        let outer = WAITING.with(|cell| cell.replace(Some(waiting)));
        let out = work();
        WAITING.with(|cell| *cell.borrow_mut() = outer);
        out
    }
}

/// What the busy handler, which SQLite gives no state, must know of the work of its thread.
struct Waiting {
    stop: Arc<Stop>,
    /// How long it may wait at a time.
    slice: Duration,
    /// How long it may wait at all.
    patience: Duration,
    since: Option<Instant>,
    spot: Spot,
}

thread_local! {
    static WAITING: RefCell<Option<Waiting>> = const { RefCell::new(None) };
}

/// The work of this thread has begun to have effects, and cannot be done again: it waits on for all the time that it has.
pub(super) fn wait_on() {
    WAITING.with(|cell| {
        if let Some(waiting) = cell.borrow_mut().as_mut() {
            waiting.slice = waiting.patience;
        }
    });
}

/// Called by SQLite when another connection has the lock; tells whether to try again.
fn wait(attempt: i32) -> bool {
    let pause = WAITING.with(|cell| {
        let mut waiting = cell.borrow_mut();
        let Waiting { stop, slice, patience: _, since, spot } = waiting.as_mut()?;
        let start = match (attempt, *since) {
            (1.., Some(start)) => start,
            _ => *since.insert(Instant::now()),
        };
        if stop.stops() || start.elapsed() >= *slice {
            return None;
        }
        // Short at first: the lock of a small transaction is gone in well below a millisecond.
        let micros = 50_u64 << attempt.clamp(0, 7);
        Some((*spot, Duration::from_micros(micros)))
    });
    pause.map(|(spot, pause)| spot.run(|| thread::sleep(pause))).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a write runs on if it is looked at so often, in the time of the clock.
    fn runs_on(between_looks: Duration) -> Duration {
        let (start, mut spared) = (Instant::now(), Spared::default());
        let mut now = start;
        while spared.spent < SPARED {
            spared.look(7, now);
            now += between_looks;
        }
        now - start
    }

    #[test]
    fn a_write_that_was_dropped_is_given_time_to_compute_and_not_of_the_clock() {
        let (alone, crowded) = (runs_on(Duration::from_micros(50)), runs_on(Duration::from_millis(5)));
        assert!((alone.as_secs_f64() - SPARED.as_secs_f64()).abs() < 0.01, "{alone:?}");
        assert!(crowded > 9 * SPARED, "with a tenth of a processor it has ten times as long: {crowded:?}");
        // The next write has all its time again.
        let mut spared = Spared { number: 7, last_look: None, spent: SPARED };
        spared.look(8, Instant::now());
        assert_eq!(spared.spent, Duration::ZERO);
    }

    #[tokio::test]
    async fn work_that_awaits_a_lock_is_seen_until_it_is_called_off() {
        use futures_util::poll;
        let stop = Stop::default();
        let number = stop.issue();
        let mut waiting = pin!(stop.until_called_off(number));
        assert!(!stop.is_awaited());
        assert!(poll!(&mut waiting).is_pending() && stop.is_awaited());
        stop.call_off(CancelScope::Transaction);
        // A future that nobody polls any more is not waited for.
        assert!(!stop.is_awaited());
        assert!(poll!(&mut waiting).is_ready());
    }
}
