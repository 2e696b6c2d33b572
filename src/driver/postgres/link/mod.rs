//! One socket for two clients: tokio-postgres, which has connected and logged in, and the requests of this crate, which
//! are written and read by the tasks that wait for them. The link stands above TLS and below both, cuts what passes into
//! messages, and gives each answer to the client that asked for it. Used by the wire; it knows no statements.
//!
//! Who reads: every task that is polled and waits for an answer reads the socket itself, and puts what belongs to others
//! where they find it. So the usual answer wakes the one task that waits for it, and a future that is kept and not polled
//! holds up nobody. What nobody waits for is read by the task of tokio-postgres, which always reads.

mod bell;
mod deal;
mod facade;
mod frontend;
mod key;
mod message;
mod state;
mod ticket;

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio_postgres::tls::TlsStream;

use self::{
    bell::{Bell, Ringer},
    state::State,
};
pub(super) use self::{
    facade::Facade,
    key::Key,
    message::messages,
    ticket::{Gone, Ticket},
};
use super::told::Told;

/// What carries the bytes of a session: a socket, or TLS over one.
pub(super) type Transport = Box<dyn TlsStream + Send + Unpin>;

/// Whether a transaction is open, as the server has said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    Transaction,
    Aborted,
}

impl Status {
    fn of(byte: u8) -> Self {
        match byte {
            b'I' => Self::Idle,
            b'T' => Self::Transaction,
            _ => Self::Aborted,
        }
    }
}

/// What is known of a connection at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) is_ended: bool,
    /// An answer is outstanding.
    pub(super) is_busy: bool,
    /// What is outstanding first has failed already: the server sends that ahead of its ReadyForQuery.
    pub(super) has_failed: bool,
    /// What the server has said last of its transaction.
    pub(super) status: Status,
    /// How often the server was seen to forget all prepared statements.
    pub(super) forgotten: u64,
    /// How many requests were sent, and how many of them were answered.
    pub(super) sent: u64,
    pub(super) answered: u64,
}

/// The state, locked. Who is to be woken meanwhile is woken behind the unlock.
struct Guard<'l> {
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
pub(super) struct Link {
    state: Mutex<State>,
    bell: Arc<Bell>,
    /// Registered with the socket, whoever reads or writes.
    waker: Waker,
}

impl Link {
    pub(super) fn new(transport: Transport) -> Arc<Self> {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::new(Ringer(Arc::clone(&bell))));
        Arc::new(Self { state: Mutex::new(State::new(transport)), bell, waker })
    }

    /// The end of the link that tokio-postgres has for its stream; there is one.
    pub(super) fn facade(self: &Arc<Self>) -> Facade {
        Facade::new(Arc::clone(self))
    }

    /// The session has logged in: from here on there are requests and answers.
    pub(super) fn log_in(&self) {
        self.quiet().log_in();
    }

    /// Which process the server has said it is.
    pub(super) fn key(&self) -> Option<Key> {
        self.quiet().key()
    }

    /// Sends a request, which `write` adds to what is to be sent, and which MUST be answered by one ReadyForQuery. It leaves
    /// the client with the first poll of the ticket, behind all that was sent before.
    pub(super) fn send(self: &Arc<Self>, write: impl FnOnce(&mut BytesMut, Sight)) -> Ticket {
        let slot = self.quiet().send(write);
        Ticket::new(Arc::clone(self), slot)
    }

    /// What is known of the connection now.
    pub(super) fn sight(&self) -> Sight {
        self.quiet().sight()
    }

    /// What the server has said when it ended the session.
    pub(super) fn last_words(&self) -> Option<Told> {
        self.quiet().last_words()
    }

    /// What the socket has failed with.
    pub(super) fn failure(&self) -> Option<Arc<io::Error>> {
        self.quiet().failure()
    }

    /// Takes all requests from those who wait for them. Their answers are read and thrown away.
    pub(super) fn revoke(&self) {
        self.state().revoke(&self.bell);
        self.bell.ring_all();
    }

    /// Sends and reads what can be sent and read.
    fn pump(&self, state: &mut State) {
        state.pump(&mut Context::from_waker(&self.waker), &self.bell);
    }

    /// The state, for what wakes nobody and drops no waker.
    fn quiet(&self) -> MutexGuard<'_, State> {
        // A panic in here can only come of a transport that panics, and is its end.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Guard<'_> {
        self.hushed(self.quiet())
    }

    fn hushed<'l>(&'l self, state: MutexGuard<'l, State>) -> Guard<'l> {
        self.bell.hush();
        Guard { state: Some(state), bell: &self.bell }
    }

    /// Waits for something to be there for one of the clients, which `take` takes.
    fn poll_for<T>(&self, cx: &Context<'_>, who: bell::Who, mut take: impl FnMut(&mut State) -> Option<T>) -> Poll<T> {
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

#[cfg(test)]
mod tests;
#[cfg(test)]
mod waker_tests;
