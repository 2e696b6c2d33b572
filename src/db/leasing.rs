//! How a session comes by its connection: with its first flight, once for all the statements that need it. Whichever of them
//! is polled takes the wait on, so that one which is kept, neither polled nor dropped, holds up nobody (rule 6).

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::{runtime::Handle, task::yield_now};

use super::{lease::Lease, local, pool::closed, registry::Registration, session::DbSession, trace};
use crate::{
    error::{Error, ErrorKind},
    runtime::Frame,
    transaction::impact::DriverError,
};

/// Where the connection of a session is.
pub(super) enum LeaseState {
    /// Not leased yet.
    Empty,
    /// It is being leased: looked for just now by some thread, or else waited for, unless all who did so are gone.
    Leasing(Option<WeakShared<Work>>),
    Taken(Arc<Lease>, Registration),
    /// Given back: the block that owned the session has ended.
    Left,
}

/// The wait for a connection, which leaves its outcome in the state of the lease.
type Work = BoxFuture<'static, Result<(), Error>>;

/// What a statement without a connection has to do.
enum Task<'s> {
    /// To lease one.
    Lease(Looking<'s>),
    /// To wait with the others.
    Join(Shared<Work>),
    /// To look again: another thread is at it.
    LookAgain,
    /// Nothing: it is late.
    Leave,
}

/// A thread looks for a connection, until this is dropped.
struct Looking<'s>(&'s DbSession);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let mut lease_state = self.0.lease_state();
        // It panicked.
        if matches!(*lease_state, LeaseState::Leasing(None)) {
            *lease_state = LeaseState::Empty;
        }
    }
}

impl Looking<'_> {
    /// Leases a connection at once, or else waits for one together with those who come later.
    async fn lease(self, frame: &Arc<Frame<DbSession>>) -> Result<(), Error> {
        let held = local::held(self.0.database_id(), Some(self.0));
        let mut work = acquire(Arc::clone(frame), held).boxed();
        if let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(work.poll_unpin(cx))).await {
            return outcome;
        }
        let work = work.shared();
        {
            let mut lease_state = self.0.lease_state();
            if matches!(*lease_state, LeaseState::Leasing(None)) {
                *lease_state = LeaseState::Leasing(work.downgrade());
            }
        }
        drop(self);
        work.await
    }
}

impl DbSession {
    /// The connection of the session, leased now if this is its first flight, and not before what was cancelled on it
    /// has ended.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the leasing to the next statement.
    pub(super) async fn lease(&self, frame: &Arc<Frame<Self>>) -> Result<Arc<Lease>, DriverError> {
        if !self.is_cancelling.load(Ordering::Acquire)
            && let Some(lease) = self.taken()
        {
            return Ok(lease);
        }
        match self.lease_at_hand(frame) {
            Some(lease) => Ok(lease),
            // Boxed, as it is done once for a transaction, and all its statements would carry it.
            None => Box::pin(self.take_lease(frame)).await,
        }
    }

    /// A connection for which nobody need wait, if no other statement is at leasing one.
    fn lease_at_hand(&self, frame: &Arc<Frame<Self>>) -> Option<Arc<Lease>> {
        if self.is_cancelling.load(Ordering::Acquire) || trace::is_on() {
            return None;
        }
        let looking = self.look()?;
        let held = local::held(self.database_id(), Some(self));
        let lease = self.inner().pool.lease_at_hand(held)?;
        let outcome = settle_lease(frame, Ok(Lease::from(lease)));
        drop(looking);
        outcome.ok().and_then(|()| self.taken())
    }

    /// The one that looks for a connection, if nobody else does or has one.
    fn look(&self) -> Option<Looking<'_>> {
        let mut lease_state = self.lease_state();
        if !matches!(*lease_state, LeaseState::Empty) {
            return None;
        }
        *lease_state = LeaseState::Leasing(None);
        Some(Looking(self))
    }

    async fn take_lease(&self, frame: &Arc<Frame<Self>>) -> Result<Arc<Lease>, DriverError> {
        loop {
            if let Some(lease) = self.taken() {
                self.cancelled(&lease).await?;
                return Ok(lease);
            }
            match self.task() {
                Task::Lease(looking) => looking.lease(frame).await.map_err(DriverError::harmless)?,
                // Who began it may have waited for long: what that came to is no answer to this one.
                Task::Join(work) => drop(work.await),
                Task::LookAgain => yield_now().await,
                Task::Leave => return Err(DriverError::harmless(has_ended())),
            }
        }
    }

    fn task(&self) -> Task<'_> {
        let mut lease_state = self.lease_state();
        match &*lease_state {
            LeaseState::Leasing(None) | LeaseState::Taken(..) => return Task::LookAgain,
            LeaseState::Leasing(Some(work)) => {
                if let Some(work) = work.upgrade() {
                    return Task::Join(work);
                }
            }
            LeaseState::Left => return Task::Leave,
            LeaseState::Empty => {}
        }
        *lease_state = LeaseState::Leasing(None);
        Task::Lease(Looking(self))
    }

    /// Takes the connection away from the session, for good. A wait for one goes on by itself, as it may be a kept
    /// future's, and passes on what it comes by.
    pub(super) fn leave(&self) -> Option<(Arc<Lease>, Registration)> {
        let lease_state = std::mem::replace(&mut *self.lease_state(), LeaseState::Left);
        match lease_state {
            LeaseState::Taken(lease, registration) => Some((lease, registration)),
            LeaseState::Leasing(Some(work)) => {
                if let (Some(work), Ok(handle)) = (work.upgrade(), Handle::try_current()) {
                    drop(handle.spawn(work));
                }
                None
            }
            LeaseState::Empty | LeaseState::Leasing(None) | LeaseState::Left => None,
        }
    }
}

/// Leases a connection for the session of a block, which then has it.
async fn acquire(frame: Arc<Frame<DbSession>>, held: usize) -> Result<(), Error> {
    let inner = frame.session_state().session().inner();
    let lease = trace::acquire(inner, Some(&frame), inner.pool.lease(held)).await;
    settle_lease(&frame, lease.map(Lease::from))
}

/// Gives the session of a block what has come of its wait for a connection.
fn settle_lease(frame: &Frame<DbSession>, lease: Result<Lease, Error>) -> Result<(), Error> {
    let session_state = frame.session_state();
    let session = session_state.session();
    let registration = session.inner().registry.enter(session_state);
    let (outcome, unused) = {
        let mut lease_state = session.lease_state();
        match lease {
            // Whatever came of the wait, nobody is there for it any more (rule 6).
            lease if matches!(*lease_state, LeaseState::Left) => (Err(has_ended()), Some((lease.ok(), registration))),
            // Whoever closes the database closes its queue first, and takes its snapshot then: a session that is not in it, and
            // would be neither waited for nor ended, sees here that it came too late.
            Ok(lease) if lease.is_late() => {
                *lease_state = LeaseState::Empty;
                (Err(closed()), Some((Some(lease), registration)))
            }
            Ok(lease) => {
                *lease_state = LeaseState::Taken(Arc::new(lease.with_epoch(session_state.epoch())), registration);
                (Ok(()), None)
            }
            Err(error) => {
                *lease_state = LeaseState::Empty;
                (Err(error), Some((None, registration)))
            }
        }
    };
    // Outside the lock: it wakes whoever waits for the connection, or for the session to leave.
    drop(unused);
    outcome
}

fn has_ended() -> Error {
    Error::new(ErrorKind::FrameClosed, "the block that this belongs to has ended")
}

impl fmt::Debug for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Leasing(_) => f.write_str("Leasing"),
            Self::Taken(lease, _) => f.debug_tuple("Taken").field(lease).finish(),
            Self::Left => f.write_str("Left"),
        }
    }
}
