//! [`Link`]: the socket of one session, and who waits for what on it.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{
    bell::{Bell, Ringer, Who},
    key::Key,
    state::State,
    status::{Sight, Transport},
};
use crate::driver::postgres::told::Told;

/// The state, locked. Who is to be woken meanwhile is woken behind the unlock.
pub(super) struct Guard<'l> {
    /// There until the drop.
    state: Option<MutexGuard<'l, State>>,
    bell: &'l Bell,
}

const LOCKED: &str = "only the drop unlocks the state";

impl Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect(LOCKED)
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect(LOCKED)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        drop(self.state.take());
        self.bell.speak();
    }
}

/// The socket of one session, and who waits for what on it.
pub(crate) struct Link {
    state: Mutex<State>,
    pub(super) bell: Arc<Bell>,
    /// Registered with the socket, whoever reads or writes.
    pub(super) waker: Waker,
}

impl Link {
    pub(crate) fn new(transport: Transport) -> Arc<Self> {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::new(Ringer(Arc::clone(&bell))));
        Arc::new(Self { state: Mutex::new(State::new(transport)), bell, waker })
    }

    /// The session has logged in: from here on there are requests and answers.
    pub(crate) fn log_in(&self) {
        self.quiet().log_in();
    }

    /// Which process the server has said it is.
    pub(crate) fn key(&self) -> Option<Key> {
        self.quiet().key()
    }

    /// What is known of the connection now.
    pub(crate) fn sight(&self) -> Sight {
        self.quiet().sight()
    }

    /// What the server has said when it ended the session.
    pub(crate) fn last_words(&self) -> Option<Told> {
        self.quiet().last_words()
    }

    /// What the socket has failed with.
    pub(crate) fn failure(&self) -> Option<Arc<io::Error>> {
        self.quiet().failure()
    }

    /// Takes all requests from those who wait for them. Their answers are read and thrown away.
    pub(crate) fn revoke(&self) {
        self.state().revoke(&self.bell);
        self.bell.ring_all();
    }

    /// Sends and reads what can be sent and read.
    fn pump(&self, state: &mut State) {
        state.pump(&mut Context::from_waker(&self.waker), &self.bell);
    }

    /// The state, for what wakes nobody and drops no waker.
    pub(super) fn quiet(&self) -> MutexGuard<'_, State> {
        // A panic in here can only come of a transport that panics, and is its end.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> Guard<'_> {
        self.hushed(self.quiet())
    }

    fn hushed<'l>(&'l self, state: MutexGuard<'l, State>) -> Guard<'l> {
        self.bell.hush();
        Guard { state: Some(state), bell: &self.bell }
    }

    /// Waits for something to be there for one of the clients, which `take` takes.
    pub(super) fn poll_for<T>(
        &self,
        cx: &Context<'_>,
        who: Who,
        mut take: impl FnMut(&mut State) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.quiet();
        if let Some(taken) = take(&mut state) {
            return Poll::Ready(taken);
        }
        let mut state = self.hushed(state);
        let since = self.bell.rung();
        self.pump(&mut state);
        if let Some(taken) = take(&mut state) {
            return Poll::Ready(taken);
        }
        self.bell.store(who, cx.waker(), since);
        Poll::Pending
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
