//! How a session leases its connection: with its first flight, once for all statements that need it. Any of them that is polled
//! drives the wait, so that one which is kept unpolled does not hold up the others (rule 6).

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use futures_util::{FutureExt as _, future::Shared as SharedFuture};
use tokio::{runtime::Handle, task::yield_now};

use super::{
    current::held,
    lease::{Lease, StatementLease},
    registry::Registration,
    session::{DbSession, LeaseState, Leasing, Shared},
};
use crate::{
    error::{Error, ErrorKind},
    pool::closed,
    runtime::Frame,
    traces,
    transaction::impact::DriverError,
};

/// What a statement without a connection has to do.
enum Task<'s> {
    /// To lease one.
    Lease(Looking<'s>),
    /// To wait with the others.
    Join(SharedFuture<Leasing>),
    /// To look again: another thread looks for one just now.
    LookAgain,
    /// Nothing: the block has ended.
    Leave,
}

/// The right to look for the connection of a session, held by one thread until this is dropped.
struct Looking<'s>(&'s DbSession);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let mut lease_state = self.0.lease_state();
        // It found none, or panicked.
        if matches!(*lease_state, LeaseState::Leasing(None)) {
            *lease_state = LeaseState::Empty;
        }
    }
}

impl Looking<'_> {
    /// Leases a connection at once, or else waits for one together with later statements.
    async fn lease(self, frame: &Arc<Frame<DbSession>>) -> Result<(), Error> {
        let held = held(self.0.shared().id, Some(self.0));
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

impl Shared {
    /// A fresh idle connection for one statement, if there is one that needs no wait. The task holds `held` connections.
    pub(crate) fn try_lease(&self, held: usize) -> Option<StatementLease> {
        // A wait that is traced has its span, however short it is.
        if traces::is_on() { None } else { self.pool.try_lease(held).map(StatementLease::from) }
    }

    /// Waits for a connection outside any block. The task holds `held` connections.
    pub(crate) async fn lease(&self, held: usize) -> Result<StatementLease, Error> {
        traces::acquire(&self.labels, None::<&Frame<DbSession>>, self.pool.lease(held)).await.map(StatementLease::from)
    }
}

impl DbSession {
    /// The connection of the session, leased now if this is its first flight, and not before what was cancelled on it
    /// has ended.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the leasing to the next statement.
    pub(crate) async fn lease(&self, frame: &Arc<Frame<Self>>) -> Result<Arc<Lease>, DriverError> {
        if !self.is_cancelling.load(Ordering::Acquire)
            && let Some(lease) = self.taken()
        {
            return Ok(lease);
        }
        match self.try_lease(frame) {
            Some(lease) => Ok(lease),
            // Boxed, as it is done once for a transaction, and all its statements would carry it.
            None => Box::pin(self.take_lease(frame)).await,
        }
    }

    /// A fresh idle connection, if there is one and no other statement is leasing.
    fn try_lease(&self, frame: &Arc<Frame<Self>>) -> Option<Arc<Lease>> {
        if self.is_cancelling.load(Ordering::Acquire) {
            return None;
        }
        let looking = self.look()?;
        let held = held(self.shared().id, Some(self));
        let lease = self.shared().try_lease(held)?;
        let outcome = settle_lease(frame, Ok(lease.into()));
        drop(looking);
        outcome.ok().and_then(|()| self.taken())
    }

    /// Begins to look for a connection, unless the session has one or another statement looks for one.
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
                // Its outcome may be the timeout of an earlier caller, so it is not the outcome for this one.
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

    /// Takes the connection away from the session, for good. A wait for one goes on in a task, as its future may be kept
    /// unpolled, and passes on what it is granted.
    pub(super) fn leave(&self) -> Option<(Arc<Lease>, Registration<Self>)> {
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

/// Leases a connection for the session of a block.
async fn acquire(frame: Arc<Frame<DbSession>>, held: usize) -> Result<(), Error> {
    let shared = frame.session_state().session().shared();
    let waiting = shared.registry.enter_waiting(&frame);
    let slot = traces::acquire(&shared.labels, Some(&*frame), shared.pool.lease(held)).await;
    drop(waiting);
    settle_lease(&frame, slot.map(|slot| StatementLease::from(slot).into()))
}

/// Hands the outcome of the wait for a connection to the session of a block.
fn settle_lease(frame: &Arc<Frame<DbSession>>, lease: Result<Lease, Error>) -> Result<(), Error> {
    let session_state = frame.session_state();
    let session = session_state.session();
    let registration = session.shared().registry.enter(frame);
    session.shared().watch_open();
    let (outcome, unused) = {
        let mut lease_state = session.lease_state();
        match lease {
            // The block has ended, whatever came of the wait (rule 6).
            lease if matches!(*lease_state, LeaseState::Left) => (Err(has_ended()), Some((lease.ok(), registration))),
            // A close first closes the queue and then takes its snapshot: a session that is not in the snapshot, and would be
            // neither waited for nor ended, sees here that it came too late.
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
    // Outside the lock: its drop wakes those that wait for the connection, or for the session to leave.
    drop(unused);
    outcome
}

fn has_ended() -> Error {
    Error::new(ErrorKind::FrameClosed, "the block that this belongs to has ended")
}
