//! The session that the runtime's frames share: a connection that is leased with the first flight, and given back with
//! the end of the block that owns it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{sync::oneshot, time::timeout};

use super::{
    database::Inner,
    flight::DbFlight,
    health::examine,
    lease::{Cancellation, Lease, User},
    leasing::LeaseState,
    local,
    row_stream::Source,
    trace,
};
use crate::{
    driver::State,
    error::{Error, ErrorKind},
    revocable::Revoke as _,
    runtime::{Frame, Session, SessionState, Slot, within},
    transaction::{
        control::{Control, Steps, Tally},
        impact::{CancelScope, DriverError, Impact},
    },
};

/// How long what a block has left behind may take to end before its connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session at the server of one database.
pub(super) struct DbSession {
    inner: Arc<Inner>,
    lease_state: Mutex<LeaseState>,
    /// Where the rows of the stream come from that has the session, if one has: there is one at a time.
    stream: Mutex<Option<Weak<Source>>>,
    /// The cancellation of a dropped statement, while it is under way: nothing is sent meanwhile.
    cancelling: Mutex<Option<Cancellation>>,
    pub(super) is_cancelling: AtomicBool,
    /// Whether the server has a transaction open, for the statistics.
    counted: AtomicBool,
    /// What that transaction is called, for the traces.
    name: Mutex<Option<Arc<str>>>,
}

impl DbSession {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        Self {
            inner: Arc::clone(inner),
            lease_state: Mutex::new(LeaseState::Empty),
            stream: Mutex::default(),
            cancelling: Mutex::default(),
            is_cancelling: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            name: Mutex::default(),
        }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(super) fn database_id(&self) -> usize {
        self.inner.id
    }

    pub(super) fn lease_state(&self) -> MutexGuard<'_, LeaseState> {
        self.lease_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a connection already.
    pub(super) fn is_taken(&self) -> bool {
        matches!(&*self.lease_state(), LeaseState::Taken(..))
    }

    /// The connection, if there is one already.
    pub(super) fn taken(&self) -> Option<Arc<Lease>> {
        match &*self.lease_state() {
            LeaseState::Taken(lease, _) => Some(Arc::clone(lease)),
            LeaseState::Empty | LeaseState::Leasing(_) | LeaseState::Left => None,
        }
    }

    /// Whether a statement that was lost with `lease`, and may run again, can do so on another connection: the body has seen
    /// nothing if no answer ever came over this one. The steps that it had paid are then owed again.
    pub(super) fn replaces(&self, lease: &Arc<Lease>, session_state: &SessionState<Self>) -> bool {
        let mut lease_state = self.lease_state();
        match &*lease_state {
            _ if lease.has_answers() => false,
            LeaseState::Taken(current, _) if Arc::ptr_eq(current, lease) => {
                let old = std::mem::replace(&mut *lease_state, LeaseState::Empty);
                // Before anybody can lease anew: a flight over the next connection would find nothing owed, and a
                // flight over the old one would take what is owed to the next.
                session_state.replace();
                drop(lease_state);
                drop(old);
                lease.condemn();
                self.ended();
                self.inner.pool.distrust();
                true
            }
            // Another statement of the same flight was faster.
            LeaseState::Taken(..) | LeaseState::Empty | LeaseState::Leasing(_) => true,
            LeaseState::Left => false,
        }
    }

    /// An answer came over `lease`, good or bad: from now on a loss of the connection loses work. False if that
    /// connection was replaced meanwhile, as another statement of the same flight saw it die first: then nothing of
    /// what was answered stands, and the statement is to be sent again as well.
    #[inline]
    pub(super) fn answered(&self, lease: &Arc<Lease>) -> bool {
        // After its first answer a connection is not replaced.
        lease.has_answers() || self.answered_first(lease)
    }

    fn answered_first(&self, lease: &Arc<Lease>) -> bool {
        let lease_state = self.lease_state();
        match &*lease_state {
            LeaseState::Taken(current, _) if !Arc::ptr_eq(current, lease) => false,
            LeaseState::Empty | LeaseState::Leasing(_) => false,
            LeaseState::Taken(..) | LeaseState::Left => {
                lease.answered();
                true
            }
        }
    }

    /// A stream of rows has the session from here on, until another one has.
    pub(super) fn keep_stream(&self, source: &Arc<Source>) {
        let before = self.stream().replace(Arc::downgrade(source));
        drop(before);
    }

    fn stream(&self) -> MutexGuard<'_, Option<Weak<Source>>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes its rows from the stream that has the session, which is maybe kept and not polled any more.
    pub(super) fn take_stream(&self) {
        let stream = self.stream().take();
        if let Some(source) = stream.and_then(|source| source.upgrade()) {
            source.revoke();
        }
    }

    /// Waits until the server has stopped what was dropped.
    pub(super) async fn cancelled(&self, lease: &Lease) -> Result<(), DriverError> {
        if lease.is_lent() {
            lease.condemn();
            let text = "the native client was kept beyond the end of the block that it was lent in";
            return Err(DriverError::new(Impact::Connection, Error::new(ErrorKind::ConnectionLost, text)));
        }
        while self.is_cancelling.load(Ordering::Acquire) {
            let Some(under_way) = self.cancelling().clone() else { break };
            if timeout(lease.connection().cancel_timeout(), under_way.clone()).await.is_err() {
                lease.condemn();
                let error = Error::new(ErrorKind::ConnectionLost, "a cancelled statement did not end in time");
                return Err(DriverError::new(Impact::Connection, error));
            }
            // Another may have begun meanwhile, and it could hit what is sent next.
            let mut newest = self.cancelling();
            if newest.as_ref().is_some_and(|newest| newest.ptr_eq(&under_way)) {
                *newest = None;
                self.is_cancelling.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    fn cancelling(&self) -> MutexGuard<'_, Option<Cancellation>> {
        self.cancelling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at steps that are sent with a statement of `frame`, to count open transactions, and to know their names.
    pub(super) fn note(&self, frame: &Frame<Self>, steps: &[Control]) {
        for step in steps {
            match step {
                Control::Begin(_) => {
                    *self.name.lock().unwrap_or_else(PoisonError::into_inner) = trace::root_name(frame);
                    if !self.counted.swap(true, Ordering::AcqRel) {
                        self.inner.counters.transactions.add(1);
                    }
                }
                Control::Rollback => self.ended(),
                _ => {}
            }
        }
    }

    /// What the transaction is called that was begun last.
    fn name(&self) -> Option<Arc<str>> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ended(&self) {
        if self.counted.swap(false, Ordering::AcqRel) {
            self.inner.counters.transactions.sub(1);
        }
    }

    /// Ends whatever is open on the connection, and takes it away: it is thrown away as soon as no statement has it. The
    /// session is lost already: nothing is sent by its frames any more.
    pub(super) fn end_now(&self) -> BoxFuture<'static, ()> {
        let (inner, name) = (Arc::clone(&self.inner), self.name());
        let left = self.leave();
        self.take_stream();
        Box::pin(async move {
            // It counts as open until it has ended.
            let Some((lease, _membership)) = left else { return };
            lease.condemn();
            let connection = lease.connection();
            if connection.state() == State::Busy {
                connection.cancel(CancelScope::Nothing).await;
            }
            let steps = [Control::Rollback];
            let flight = DbFlight::alone(&inner);
            // Should it fail, the connection goes all the same.
            let _ = trace::ending(&inner, name.as_deref(), &steps, || connection.control(&flight, &steps)).await;
            drop(lease.give_back(None, None));
        })
    }
}

impl Session for DbSession {
    fn database(&self) -> usize {
        self.inner.id
    }

    #[inline]
    fn with_slot<T>(lend: impl FnOnce(&Slot<Self>) -> T) -> Option<T> {
        local::with_slot(lend)
    }

    fn turn_timeout(&self) -> Duration {
        self.inner.options.turn_timeout
    }

    async fn finish(session_state: Arc<SessionState<Self>>, steps: Steps) -> Result<(), DriverError> {
        let session = session_state.session();
        let Some(lease) = session.taken() else {
            // It was taken away: the transaction ended with it.
            return Err(DriverError::harmless(Error::new(ErrorKind::ConnectionLost, "the connection is gone")));
        };
        session.cancelled(&lease).await?;
        let flight = DbFlight::ending(&session.inner, &session_state);
        let name = session.name();
        let work = || lease.connection().control(&flight, &steps);
        let work = trace::ending(&session.inner, name.as_deref(), &steps, work);
        let result = if let Some(Control::Rollback) = steps.last() {
            // As a block that is dropped: what is not rolled back in time goes with its connection.
            match Box::pin(within(PATIENCE, work)).await {
                Ok(Some(result)) => result,
                late => {
                    lease.condemn();
                    let text = "the transaction was not rolled back in time; its connection is thrown away";
                    let error = late.err().unwrap_or_else(|| Error::new(ErrorKind::ConnectionLost, text));
                    Err(DriverError::new(Impact::Connection, error))
                }
            }
        } else {
            work.await
        };
        session.ended();
        result.map_err(|fault| examine(&session.inner, lease.made(), None, fault))
    }

    fn pipelines(&self) -> bool {
        self.inner.dialect.pipelines()
    }

    fn undoes_settings(&self) -> bool {
        self.inner.dialect.undoes_settings()
    }

    fn interrupt(&self, sparing: CancelScope) {
        self.take_stream();
        let Some(lease) = self.taken() else { return };
        if lease.is_lent() {
            // The caller's own code has the client, and may use it at any time: nothing else is sent any more.
            lease.condemn();
            self.is_cancelling.store(true, Ordering::Release);
            return;
        }
        if lease.connection().state() != State::Busy {
            // Nothing is outstanding, or it is lost.
            return;
        }
        let Some(handle) = lease.handle() else { return };
        let (over, ended) = oneshot::channel::<()>();
        let ended: Cancellation = ended.map(|_over| ()).boxed().shared();
        // One after the other: whoever waits for this one waits for all of them.
        let before = self.cancelling().replace(ended);
        self.is_cancelling.store(true, Ordering::Release);
        // Outside the lock: at the end of a runtime the task is dropped on the spot, and wakes whoever waits.
        drop(handle.spawn(async move {
            if let Some(before) = before {
                before.await;
            }
            lease.connection().cancel(sparing).await;
            drop(over);
        }));
    }

    fn release(&self) {
        let left = self.leave();
        self.ended();
        if let Some((lease, registration)) = left {
            self.take_stream();
            // Statements of other tasks may still hold the lease, or futures that nobody polls any more: they have
            // nothing from here on, as their block has ended.
            let user = User { inner: Arc::clone(&self.inner), name: self.name() };
            let cancellation = self.cancelling().take();
            drop(lease.give_back(Some(user), cancellation));
            drop(registration);
        }
    }

    fn count(&self, tally: Tally) {
        self.inner.counters.count(tally);
    }
}

impl Drop for DbSession {
    fn drop(&mut self) {
        // At the end of a runtime a transaction may go without its end having been awaited.
        self.ended();
    }
}

impl fmt::Debug for DbSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbSession")
            .field("database", &self.inner.id)
            .field("lease_state", &*self.lease_state())
            .finish()
    }
}
