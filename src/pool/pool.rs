//! The pool of one database: its state, open or closed, and the transitions between the two.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use super::{
    connection::{Connector, ServerEpoch},
    generation::{Generation, PoolOptions},
    outside::Outside,
    usage::{Holders, PoolFigures, Usage},
    wait_queue::{Slot, closed},
};
use crate::{
    driver::{Driver, SessionTracker},
    error::{Error, ErrorKind},
    instruments::Instruments,
    runtime::{StreamUse, require_runtime},
};

enum PoolState {
    /// Never connected, and never closed.
    New,
    Open(Arc<Generation>),
    /// With the sessions that may not have ended yet, if it ever was open.
    Closed(Option<SessionTracker>),
}

/// The state of the pool with its epoch.
struct Current {
    state: PoolState,
    /// How often the pool was closed: an attempt to connect that began in an earlier epoch does not open it again.
    epoch: u64,
}

type Attempt = BoxFuture<'static, Result<(), Error>>;

/// The pool of one database.
pub(crate) struct Pool {
    driver: Arc<dyn Driver>,
    options: PoolOptions,
    usage: Arc<Usage>,
    server_epoch: Arc<ServerEpoch>,
    current: Arc<Mutex<Current>>,
    /// The attempt to connect that is under way, owned by its callers: with the last of them it is dropped.
    attempt: Mutex<Option<WeakShared<Attempt>>>,
}

impl Pool {
    pub(crate) fn new(driver: Arc<dyn Driver>, options: PoolOptions, instruments: Instruments) -> Self {
        Self {
            driver,
            options,
            usage: Arc::new(Usage::new(instruments)),
            server_epoch: Arc::default(),
            current: Arc::new(Mutex::new(Current { state: PoolState::New, epoch: 0 })),
            attempt: Mutex::default(),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        lock(&self.current)
    }

    fn build(&self) -> Arc<Generation> {
        let (driver, server_epoch) = (Arc::clone(&self.driver), Arc::clone(&self.server_epoch));
        let PoolOptions { max_connections, connect_timeout, ref session, .. } = self.options;
        let (session, usage) = (session.clone(), Arc::clone(&self.usage));
        let connector = Connector::new(driver, max_connections, connect_timeout, session, server_epoch, usage);
        Arc::new(Generation::new(self.options.clone(), Arc::clone(&self.usage), connector))
    }

    pub(crate) fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    pub(crate) fn options(&self) -> &PoolOptions {
        &self.options
    }

    /// Checks that a query is admitted, even if it would have to open the pool.
    ///
    /// # Errors
    /// `Closed`.
    pub(crate) fn admits(&self) -> Result<(), Error> {
        self.check(&self.current().state)
    }

    fn check(&self, state: &PoolState) -> Result<(), Error> {
        match state {
            PoolState::New if self.options.autoconnect == Some(false) => {
                Err(Error::new(ErrorKind::Closed, "the database is not connected; call `connect` first"))
            }
            PoolState::Closed(_) if self.options.autoconnect != Some(true) => Err(closed()),
            PoolState::Open(_) | PoolState::New | PoolState::Closed(_) => Ok(()),
        }
    }

    /// The open generation, opened now where that is allowed.
    fn generation(&self) -> Result<Arc<Generation>, Error> {
        let mut current = self.current();
        if let PoolState::Open(generation) = &current.state {
            return Ok(Arc::clone(generation));
        }
        self.check(&current.state)?;
        let generation = self.build();
        current.state = PoolState::Open(Arc::clone(&generation));
        Ok(generation)
    }

    /// Where connections are made that are none of the pool's, and end with it.
    ///
    /// # Errors
    /// `Closed`.
    pub(crate) fn outside(&self) -> Result<Outside, Error> {
        let generation = self.generation()?;
        Ok(Outside {
            driver: Arc::clone(&self.driver),
            wait: self.options.connect_timeout,
            sessions: generation.connector.sessions.clone(),
            wait_queue: Arc::clone(&generation.wait_queue),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(&self.current().state, PoolState::Open(generation) if generation.connector.count() > 0)
    }

    /// How many connections there are, and how many of them are idle.
    pub(crate) fn connections(&self) -> (u64, u64) {
        match &self.current().state {
            PoolState::Open(generation) => (generation.connector.count(), generation.wait_queue.ready() as u64),
            PoolState::New | PoolState::Closed(_) => (0, 0),
        }
    }

    /// What it has done, and does now.
    pub(crate) fn figures(&self) -> PoolFigures {
        let PoolOptions { max_connections, min_connections, .. } = self.options;
        self.usage.figures(self.connections(), (max_connections, min_connections))
    }

    /// What it is measured by.
    pub(crate) fn instruments(&self) -> &Instruments {
        &self.usage.instruments
    }

    /// A block did not get a connection within the time that it has for that, which is less than that of the pool.
    pub(crate) fn timed_out(&self) {
        self.usage.timed_out();
    }

    /// How the pool's errors learn what its blocks hold. Told again, it stays with the first.
    pub(crate) fn set_look(&self, look: impl Fn() -> Holders + Send + Sync + 'static) {
        let _ = self.usage.blocks.0.set(Box::new(look));
    }

    /// What holds the connections now, in words.
    pub(crate) fn describe_use(&self) -> String {
        self.usage.describe(self.options.max_connections as usize)
    }

    /// A stream of rows has a connection of its own, until its use is dropped.
    pub(crate) fn add_stream(&self, usage: &Arc<StreamUse>) {
        self.usage.streams.add(usage);
    }

    /// A connection was found dead: the others are checked before they are used again.
    pub(crate) fn mark_unverified(&self) {
        self.server_epoch.mark_unverified();
    }

    /// The server of a connection that was `made` in some epoch is not what it was opened for: all connections that were made
    /// before now are closed, those in use at their return.
    pub(crate) fn mark_stale(&self, made: u64) {
        if self.server_epoch.mark_stale(made)
            && let PoolState::Open(generation) = &self.current().state
        {
            generation.close_stale();
        }
    }

    /// Opens the pool by a connection, unless it has one. Concurrent callers share one attempt.
    pub(crate) async fn connect(&self) -> Result<(), Error> {
        require_runtime()?;
        let attempt = {
            let mut current = lock(&self.attempt);
            if self.is_connected() {
                return Ok(());
            }
            // One that has ended answered its callers; a later caller tries again.
            let under_way = current.as_ref().and_then(WeakShared::upgrade).filter(|attempt| attempt.peek().is_none());
            under_way.unwrap_or_else(|| {
                let attempt = self.try_connect();
                *current = attempt.downgrade();
                attempt
            })
        };
        attempt.await
    }

    fn try_connect(&self) -> Shared<Attempt> {
        let shared = Arc::clone(&self.current);
        let mut current = self.current();
        let epoch = current.epoch;
        let generation = match &current.state {
            PoolState::Open(generation) => Arc::clone(generation),
            PoolState::New | PoolState::Closed(_) => self.build(),
        };
        if self.check(&current.state).is_ok() {
            // A query would open it as well, and they share the connections.
            current.state = PoolState::Open(Arc::clone(&generation));
        }
        drop(current);
        async move {
            // Dropped at once, it is idle in the pool.
            drop(generation.lease(0).await?);
            let mut current = lock(&shared);
            if current.epoch != epoch {
                return Err(closed());
            }
            current.state = PoolState::Open(generation);
            Ok(())
        }
        .boxed()
        .shared()
    }

    /// A fresh idle connection, if there is one that needs no wait.
    pub(crate) fn try_lease(&self, held: usize) -> Option<Slot> {
        let PoolState::Open(generation) = &self.current().state else { return None };
        let generation = Arc::clone(generation);
        generation.try_lease(held)
    }

    /// Waits for a connection. `held` is how many of this database the task has already.
    ///
    /// # Cancel safety
    /// As [`Generation::lease`].
    pub(crate) async fn lease(&self, held: usize) -> Result<Slot, Error> {
        require_runtime()?;
        self.generation()?.lease(held).await
    }

    /// Closes the pool, its idle connections at once and those in use at their return. `snapshot` is called in the moment of
    /// the close, under its lock: it takes in no user of a pool that is opened again after this. Also returns the sessions
    /// that the server may not have ended yet.
    pub(crate) fn close<T>(&self, snapshot: impl FnOnce() -> T) -> (T, Option<SessionTracker>) {
        let mut current = self.current();
        current.epoch += 1;
        let sessions = match &current.state {
            PoolState::New => None,
            PoolState::Open(generation) => Some(generation.close()),
            PoolState::Closed(sessions) => sessions.clone(),
        };
        let before = std::mem::replace(&mut current.state, PoolState::Closed(sessions.clone()));
        let snapshot = snapshot();
        drop(current);
        drop(before);
        (snapshot, sessions)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under these locks is one assignment: a panic leaves nothing half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connections, idle) = self.connections();
        f.debug_struct("Pool").field("connections", &connections).field("idle", &idle).finish_non_exhaustive()
    }
}
