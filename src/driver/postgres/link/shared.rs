//! [`Link`]: the socket of one session, shared by the two clients.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{
    key::Key,
    state::State,
    status::{LinkStatus, Transport},
    waker_set::{SocketWaker, Waiter, WakerSet},
};
use crate::driver::postgres::error_response::ErrorResponse;

/// The locked state. Wakers that are woken meanwhile are deferred until it is unlocked.
pub(super) struct Guard<'l> {
    /// `Some` until the drop.
    state: Option<MutexGuard<'l, State>>,
    wakers: &'l WakerSet,
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
        self.wakers.release_wakes();
    }
}

/// The socket of one session, and its two clients.
pub(crate) struct Link {
    state: Mutex<State>,
    pub(super) wakers: Arc<WakerSet>,
    /// The waker that is registered with the socket; it wakes the [`WakerSet`].
    pub(super) waker: Waker,
}

impl Link {
    pub(crate) fn new(transport: Transport) -> Arc<Self> {
        let wakers = Arc::new(WakerSet::default());
        let waker = Waker::from(Arc::new(SocketWaker(Arc::clone(&wakers))));
        Arc::new(Self { state: Mutex::new(State::new(transport)), wakers, waker })
    }

    /// The session has logged in: from here on there are requests and answers.
    pub(crate) fn log_in(&self) {
        self.lock().log_in();
    }

    /// The process id of the server.
    pub(crate) fn key(&self) -> Option<Key> {
        self.lock().key()
    }

    /// Whether the connection has ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.lock().is_ended
    }

    /// The status of the connection.
    pub(crate) fn status(&self) -> LinkStatus {
        self.lock().status()
    }

    /// The error with which the server has ended the session.
    pub(crate) fn fatal_error(&self) -> Option<ErrorResponse> {
        self.lock().fatal_error()
    }

    /// The error of the socket.
    pub(crate) fn failure(&self) -> Option<Arc<io::Error>> {
        self.lock().failure()
    }

    /// Revokes all requests. Their answers are read and discarded.
    pub(crate) fn revoke(&self) {
        self.lock_deferring().revoke(&self.wakers);
        self.wakers.wake_all();
    }

    /// Writes and reads what is possible now.
    fn pump(&self, state: &mut State) {
        state.pump(&mut Context::from_waker(&self.waker), &self.wakers);
    }

    /// The state, for what wakes no one and drops no waker.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Only a transport can panic in here, and that ends the connection.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_deferring(&self) -> Guard<'_> {
        self.deferring(self.lock())
    }

    fn deferring<'l>(&'l self, state: MutexGuard<'l, State>) -> Guard<'l> {
        self.wakers.defer_wakes();
        Guard { state: Some(state), wakers: &self.wakers }
    }

    /// Waits for data for one of the clients, which `take` takes.
    pub(super) fn poll_for<T>(
        &self,
        cx: &Context<'_>,
        who: Waiter,
        mut take: impl FnMut(&mut State) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.lock();
        if let Some(taken) = take(&mut state) {
            return Poll::Ready(taken);
        }
        let mut state = self.deferring(state);
        let since = self.wakers.wake_count();
        self.pump(&mut state);
        if let Some(taken) = take(&mut state) {
            return Poll::Ready(taken);
        }
        self.wakers.register(who, cx.waker(), since);
        Poll::Pending
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
