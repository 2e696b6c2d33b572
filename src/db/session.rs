//! The session that the runtime's frames share: a connection that is leased with the first flight, and given back with
//! the end of the block that owns it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::timeout;

use super::{
    database::Inner,
    lease::Lease,
    local,
    pool::closed,
    registry::Membership,
    trace::{self, Observed},
};
use crate::{
    control::{Control, Steps, Tally},
    driver::State,
    error::{Error, ErrorKind},
    fault::{Fault, NoDebt, Sparing, Verdict},
    runtime::{Frame, Last, Session, Slot, Trunk},
};

/// How long what a block has left behind may take to end before its connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the connection of a session is.
#[derive(Debug)]
enum Seat {
    /// Not leased yet.
    Empty,
    Taken(Arc<Lease>, Membership),
    /// Given back: the block that owned the session has ended.
    Left,
}

/// A session at the server of one database.
pub(super) struct DbSession {
    inner: Arc<Inner>,
    seat: Mutex<Seat>,
    /// Held while a connection is leased, so that joined statements lease one together.
    leasing: tokio::sync::Mutex<()>,
    /// The cancellation of a dropped statement, while it is under way: nothing is sent meanwhile.
    cancelling: Mutex<Option<Shared<BoxFuture<'static, ()>>>>,
    is_cancelling: AtomicBool,
    /// Whether the server has a transaction open, for the statistics.
    counted: AtomicBool,
    /// What that transaction is called, for the traces.
    name: Mutex<Option<Arc<str>>>,
}

impl DbSession {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        Self {
            inner: Arc::clone(inner),
            seat: Mutex::new(Seat::Empty),
            leasing: tokio::sync::Mutex::default(),
            cancelling: Mutex::default(),
            is_cancelling: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            name: Mutex::default(),
        }
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a connection already.
    pub(super) fn is_taken(&self) -> bool {
        matches!(&*self.seat(), Seat::Taken(..))
    }

    /// The connection, if there is one already.
    pub(super) fn taken(&self) -> Option<Arc<Lease>> {
        match &*self.seat() {
            Seat::Taken(lease, _) => Some(Arc::clone(lease)),
            Seat::Empty | Seat::Left => None,
        }
    }

    /// The connection of the session, leased now if this is its first flight, and not before what was cancelled on it
    /// has ended.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the leasing to the next statement.
    pub(super) async fn lease(&self, frame: &Frame<Self>) -> Result<Arc<Lease>, Fault> {
        if !self.is_cancelling.load(Ordering::Acquire)
            && let Some(lease) = self.taken()
        {
            return Ok(lease);
        }
        // Boxed, as it is done once for a transaction, and all its statements would carry it.
        Box::pin(self.take_lease(frame)).await
    }

    async fn take_lease(&self, frame: &Frame<Self>) -> Result<Arc<Lease>, Fault> {
        if let Some(lease) = self.taken() {
            self.cancelled(&lease).await?;
            return Ok(lease);
        }
        let _leasing = self.leasing.lock().await;
        if let Some(lease) = self.taken() {
            self.cancelled(&lease).await?;
            return Ok(lease);
        }
        let held = local::held(self.inner.id, Some(self));
        let lease = trace::acquire(&self.inner, Some(frame), self.inner.pool.lease(held)).await;
        let mut seat = self.seat();
        if let Seat::Left = &*seat {
            // Whatever came of the wait, nobody is there for it any more (rule 6).
            return Err(Fault::kept(Error::new(ErrorKind::FrameClosed, "the block that this belongs to has ended")));
        }
        let lease = Arc::new(lease.map_err(Fault::kept)?);
        let membership = self.inner.registry.enter(frame.trunk());
        // Whoever closes the database closes its queue first, and calls the roll then: a session that is not on it, and
        // would be neither waited for nor ended, sees here that it came too late.
        if lease.is_late() {
            return Err(Fault::kept(closed()));
        }
        *seat = Seat::Taken(Arc::clone(&lease), membership);
        Ok(lease)
    }

    /// Whether a statement that was lost with `lease` may be sent again on another connection: nothing can be committed
    /// if no answer ever came over it. The steps that it had paid are then owed again.
    pub(super) fn replaces(&self, lease: &Arc<Lease>, trunk: &Trunk<Self>) -> bool {
        if lease.has_answers() {
            return false;
        }
        let mut seat = self.seat();
        match &*seat {
            Seat::Taken(current, _) if Arc::ptr_eq(current, lease) => {
                *seat = Seat::Empty;
                drop(seat);
                lease.condemn();
                self.ended();
                trunk.with_ledger(crate::control::Ledger::reset);
                self.inner.pool.distrust();
                true
            }
            // Another statement of the same flight was faster.
            Seat::Taken(..) | Seat::Empty => true,
            Seat::Left => false,
        }
    }

    /// An answer came over `lease`, good or bad: from now on a loss of the connection loses work. False if that
    /// connection was replaced meanwhile, as another statement of the same flight saw it die first: then nothing of
    /// what was answered stands, and the statement is to be sent again as well.
    pub(super) fn answered(&self, lease: &Arc<Lease>) -> bool {
        let seat = self.seat();
        match &*seat {
            Seat::Taken(current, _) if !Arc::ptr_eq(current, lease) => false,
            Seat::Empty => false,
            Seat::Taken(..) | Seat::Left => {
                lease.answered();
                true
            }
        }
    }

    /// Waits until the server has stopped what was dropped.
    async fn cancelled(&self, lease: &Lease) -> Result<(), Fault> {
        while self.is_cancelling.load(Ordering::Acquire) {
            let Some(under_way) = self.cancelling().clone() else { break };
            if timeout(lease.connection().patience(), under_way.clone()).await.is_err() {
                lease.condemn();
                let error = Error::new(ErrorKind::ConnectionLost, "a cancelled statement did not end in time");
                return Err(Fault::new(Verdict::Lost, error));
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

    fn cancelling(&self) -> MutexGuard<'_, Option<Shared<BoxFuture<'static, ()>>>> {
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

    /// Ends whatever is open on the connection, which is thrown away then. The trunk is lost already: nothing is sent
    /// by its frames any more.
    pub(super) fn end_now(&self) -> BoxFuture<'static, ()> {
        let (lease, inner, name) = (self.taken(), Arc::clone(&self.inner), self.name());
        Box::pin(async move {
            let Some(lease) = lease else { return };
            lease.condemn();
            let connection = lease.connection();
            if connection.state() == State::Busy {
                connection.cancel(Sparing::Nothing).await;
            }
            let steps = [Control::Rollback];
            let observed = Observed::new(&NoDebt, &inner, None);
            // Should it fail, the connection goes all the same.
            let _ = trace::ending(&inner, name.as_deref(), &steps, connection.control(&observed, &steps)).await;
        })
    }
}

/// Ends what is open on a connection that a statement still has, but not the connection itself.
async fn end_with(lease: Arc<Lease>) {
    let connection = lease.connection();
    let ended = timeout(PATIENCE, async {
        if connection.state() == State::Busy {
            connection.cancel(Sparing::Nothing).await;
        }
        connection.control(&NoDebt, &[Control::Rollback]).await
    });
    if !matches!(ended.await, Ok(Ok(()))) {
        lease.condemn();
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

    async fn finish(trunk: Arc<Trunk<Self>>, steps: Steps) -> Result<(), Fault> {
        let session = trunk.session();
        let Some(lease) = session.taken() else {
            // It was taken away: the transaction ended with it.
            return Err(Fault::kept(Error::new(ErrorKind::ConnectionLost, "the connection is gone")));
        };
        session.cancelled(&lease).await?;
        let last = Last(&trunk);
        let observed = Observed::new(&last, &session.inner, None);
        let name = session.name();
        let work = lease.connection().control(&observed, &steps);
        let result = trace::ending(&session.inner, name.as_deref(), &steps, work).await;
        session.ended();
        result
    }

    fn interrupt(&self, sparing: Sparing) {
        let Some(lease) = self.taken() else { return };
        if lease.connection().state() != State::Busy {
            // Nothing is outstanding, or it is lost.
            return;
        }
        let handle = lease.handle().clone();
        let mut newest = self.cancelling();
        // One after the other: whoever waits for this one waits for all of them.
        let before = newest.take();
        let cancelled = handle.spawn(async move {
            if let Some(before) = before {
                before.await;
            }
            lease.connection().cancel(sparing).await;
        });
        *newest = Some(cancelled.map(|_ended| ()).boxed().shared());
        self.is_cancelling.store(true, Ordering::Release);
    }

    fn release(&self) {
        let seat = std::mem::replace(&mut *self.seat(), Seat::Left);
        self.ended();
        if let Seat::Taken(lease, _) = &seat {
            lease.left_by(&self.inner, self.name());
        }
        if let Seat::Taken(lease, _membership) = seat
            && Arc::strong_count(&lease) > 1
            && lease.connection().state() != State::Idle
        {
            let handle = lease.handle().clone();
            // A statement of another task is still there, or one that nobody polls any more: it ends now, as its block
            // has, and holds nothing open at the server. Its drop gives the connection back.
            handle.spawn(end_with(lease));
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
        f.debug_struct("DbSession").field("database", &self.inner.id).field("seat", &*self.seat()).finish()
    }
}
