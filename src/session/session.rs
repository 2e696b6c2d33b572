//! The session that the frames of a block share: its connection, its stream of rows, and the cancellation under way.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    future::{BoxFuture, WeakShared},
    stream::BoxStream,
};
use tokio::time::timeout;

use super::{
    counters::{Counters, Stats},
    lease::{Cancellation, Lease},
    open_watch::OpenWatch,
    registry::{Registration, Registry},
};
use crate::{
    data::row::Row,
    driver::{Dialect, Driver},
    error::{Error, ErrorKind},
    instruments::Instruments,
    pool::{Pool, PoolOptions},
    revocable::{Revocable, Revoke as _},
    runtime::{Frame, SessionState},
    traces::{Labels, OpenTransaction, TraceOptions},
    transaction::{
        control::Settings,
        impact::{DriverError, Impact},
        limits::RequestedLimits,
        outcome::TransactionEnd,
    },
};

/// The rows of a stream as they come. The session can take them away: a stream that is kept beyond its block must not hold up
/// the connection (rule 6).
pub(crate) type RowSource = Revocable<BoxStream<'static, Result<Row, DriverError>>>;

/// What all sessions of one database share. All handles of the database share it too.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The number by which frames of this database are found.
    pub(crate) id: usize,
    pub(crate) dialect: Dialect,
    pub(crate) turn_timeout: Duration,
    pub(crate) close_timeout: Duration,
    /// What a transaction is that asks for nothing else.
    pub(crate) defaults: Settings,
    /// The time limits that blocks and statements have by default; nearly always none.
    pub(crate) limits: Option<Arc<RequestedLimits>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) counters: Arc<Counters>,
    /// What logs and spans tell of the database.
    pub(crate) labels: Arc<Labels>,
    pub(super) registry: Arc<Registry<DbSession>>,
    /// The watch over what is open for too long, if that was asked for.
    pub(super) open_watch: Option<Arc<OpenWatch>>,
    /// Pools of their own to the same database, for its blocking handles. They are closed along with this one.
    pub(crate) blocking_pools: Mutex<Vec<Weak<Self>>>,
    /// The transaction of the sandbox that all users of this handle work in, if it is one.
    pub(crate) sandbox: OnceLock<Weak<Frame<DbSession>>>,
}

impl Shared {
    pub(crate) fn new(
        driver: Arc<dyn Driver>,
        options: PoolOptions,
        turn_timeout: Duration,
        close_timeout: Duration,
        defaults: Settings,
        instruments: Option<Instruments>,
    ) -> Self {
        let (id, dialect) = (next_id(), driver.dialect());
        let labels = Labels::new(options.name.clone(), Arc::clone(&driver), TraceOptions::default());
        let pool_name = || options.name.as_deref().map_or_else(|| id.to_string(), str::to_owned);
        let instruments = instruments.unwrap_or_else(|| {
            Instruments::new(driver.system_name(), &pool_name(), driver.namespace(), labels.server())
        });
        let pool = Arc::new(Pool::new(driver, options, instruments));
        let (counters, registry) = <(Arc<Counters>, Arc<Registry<DbSession>>)>::default();
        Self {
            id,
            dialect,
            turn_timeout,
            close_timeout,
            defaults,
            limits: None,
            pool,
            counters,
            labels: Arc::new(labels),
            registry,
            open_watch: None,
            blocking_pools: Mutex::default(),
            sandbox: OnceLock::new(),
        }
    }

    #[must_use]
    pub(crate) fn with_limits(self, limits: Option<Arc<RequestedLimits>>) -> Self {
        Self { limits, ..self }
    }

    /// What logs and spans tell of the database.
    #[must_use]
    pub(crate) fn traced(self, options: TraceOptions) -> Self {
        let labels = Labels::new(self.pool.options().name.clone(), Arc::clone(self.pool.driver()), options);
        Self { labels: Arc::new(labels), ..self }
    }

    /// The same pool and sessions for frames that are found by a number of their own.
    pub(crate) fn with_new_id(&self) -> Self {
        Self {
            id: next_id(),
            dialect: self.dialect,
            turn_timeout: self.turn_timeout,
            close_timeout: self.close_timeout,
            defaults: self.defaults.clone(),
            limits: self.limits.clone(),
            pool: Arc::clone(&self.pool),
            counters: Arc::clone(&self.counters),
            labels: Arc::clone(&self.labels),
            registry: Arc::clone(&self.registry),
            open_watch: self.open_watch.clone(),
            blocking_pools: Mutex::default(),
            sandbox: OnceLock::new(),
        }
    }
}

impl Shared {
    /// What the database has done, and does now.
    pub(crate) fn stats(&self) -> Stats {
        let open = self.registry.look();
        let ages = open.iter().filter_map(|open| open.outermost.session_state().session().age_since(open.since));
        self.counters.stats(&self.pool, ages.max())
    }

    /// The error of a statement outside any transaction, told as the limit that it comes from.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match &self.limits {
            Some(limits) => limits.explain(error),
            None => error,
        }
    }

    /// Counts an error on its way to the caller, once.
    #[cold]
    pub(crate) fn count_error(&self, error: Error) -> Error {
        error.counted(|kind| {
            self.counters.errors.add(1);
            self.pool.instruments().failed(kind);
        })
    }

    /// As [`count_error`](Self::count_error), of what may have failed.
    #[inline]
    pub(crate) fn counted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| self.count_error(error))
    }
}

fn next_id() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Where the connection of a session is.
pub(super) enum LeaseState {
    /// Not leased yet.
    Empty,
    /// Being leased: looked for just now by some thread, or else waited for, unless all who did so are dropped.
    Leasing(Option<WeakShared<Leasing>>),
    Taken(Arc<Lease>, Registration<DbSession>),
    /// Given back: the block that owned the session has ended.
    Left,
}

/// The wait for a connection, which leaves its outcome in the [`LeaseState`].
pub(super) type Leasing = BoxFuture<'static, Result<(), Error>>;

/// A session at the server of one database.
pub(crate) struct DbSession {
    shared: Arc<Shared>,
    lease_state: Mutex<LeaseState>,
    /// The rows of the stream that has the session, if one has: there is one at a time.
    stream: Mutex<Option<Weak<RowSource>>>,
    /// The cancellation of a dropped statement, while it is under way: nothing is sent meanwhile.
    cancelling: Mutex<Option<Cancellation>>,
    pub(super) is_cancelling: AtomicBool,
    /// Whether the server has a transaction open, for the statistics.
    pub(super) counted: AtomicBool,
    /// That transaction, if somebody listens to its end.
    pub(super) transaction: Mutex<Option<Box<OpenTransaction>>>,
    /// When it was begun, on a pinned connection: elsewhere it is as old as the lease.
    pub(super) begun: Mutex<Option<Instant>>,
}

impl DbSession {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            lease_state: Mutex::new(LeaseState::Empty),
            stream: Mutex::default(),
            cancelling: Mutex::default(),
            is_cancelling: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            transaction: Mutex::default(),
            begun: Mutex::default(),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn labels(&self) -> &Arc<Labels> {
        &self.shared.labels
    }

    pub(super) fn lease_state(&self) -> MutexGuard<'_, LeaseState> {
        self.lease_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a connection already.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(&*self.lease_state(), LeaseState::Taken(..))
    }

    /// The connection, if there is one already.
    pub(crate) fn taken(&self) -> Option<Arc<Lease>> {
        match &*self.lease_state() {
            LeaseState::Taken(lease, _) => Some(Arc::clone(lease)),
            LeaseState::Empty | LeaseState::Leasing(_) | LeaseState::Left => None,
        }
    }

    /// Whether a statement that was lost with `lease`, and may run again, can do so on another connection: the body has seen
    /// nothing if no answer ever came over this one. The steps that went with it are then owed again.
    pub(crate) fn replaces(&self, lease: &Arc<Lease>, session_state: &SessionState<Self>) -> bool {
        let mut lease_state = self.lease_state();
        match &*lease_state {
            _ if lease.has_answers() => false,
            LeaseState::Taken(current, _) if Arc::ptr_eq(current, lease) => {
                let old = std::mem::replace(&mut *lease_state, LeaseState::Empty);
                // Before another statement can lease anew: a flight over the next connection would find nothing owed, and a
                // flight over the old one would take what is owed to the next.
                session_state.replace();
                drop(lease_state);
                drop(old);
                lease.condemn();
                self.uncount();
                if let Some(mut transaction) = self.take_transaction() {
                    transaction.forget();
                }
                true
            }
            // Another statement of the same flight was faster.
            LeaseState::Taken(..) | LeaseState::Empty | LeaseState::Leasing(_) => true,
            LeaseState::Left => false,
        }
    }

    /// An answer came over `lease`, good or bad: from now on a loss of the connection loses work. False if that connection was
    /// replaced meanwhile, as another statement of the same flight saw it die first: then the answer is void, and the
    /// statement is to be sent again as well.
    #[inline]
    pub(crate) fn answered(&self, lease: &Arc<Lease>) -> bool {
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
    pub(crate) fn keep_stream(&self, source: &Arc<RowSource>) {
        let before = self.stream().replace(Arc::downgrade(source));
        drop(before);
    }

    fn stream(&self) -> MutexGuard<'_, Option<Weak<RowSource>>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes its rows from the stream that has the session, which may be kept unpolled.
    pub(crate) fn take_stream(&self) {
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

    pub(super) fn cancelling(&self) -> MutexGuard<'_, Option<Cancellation>> {
        self.cancelling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DbSession {
    fn drop(&mut self) {
        // At the end of a runtime a transaction may be dropped without its end having been awaited: it ends with its connection.
        self.ended(TransactionEnd::RolledBack);
    }
}

impl fmt::Debug for DbSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbSession")
            .field("database", &self.shared.id)
            .field("lease_state", &*self.lease_state())
            .finish()
    }
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
