//! [`Core`]: the shared state of the clones of a blocking handle: the blocking pool, and the thread that drives its runtime.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::engine::{self, Engine};
use crate::{db::Database, error::Error};

/// How long closed connections may take to end their sessions.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(20);
/// How long the cleaning of the connection of a database in memory may take.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(5);

/// The shared state of the clones of a handle.
pub(super) struct Core {
    db: Database,
    /// The blocking pool: the same database with connections of its own, on which the calls run.
    pool: Database,
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Core {
    pub(super) fn new(db: &Database) -> Arc<Self> {
        Arc::new(Self { db: db.clone(), pool: db.with_blocking_pool(), engine: Mutex::default() })
    }

    /// The database whose blocking pool this is.
    pub(super) fn db(&self) -> &Database {
        &self.db
    }

    /// The blocking pool.
    pub(super) fn pool(&self) -> &Database {
        &self.pool
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Engine>>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine, which is started if there is none. It stays alive while the returned value does, even if the handle
    /// is closed.
    pub(super) fn engine(&self) -> Result<Arc<Engine>, Error> {
        let mut slot = self.slot();
        match &*slot {
            Some(engine) => Ok(Arc::clone(engine)),
            None => Ok(Arc::clone(slot.insert(Arc::new(Engine::start()?)))),
        }
    }

    /// Closes the connections. The thread ends with the last call that still uses it.
    pub(super) fn close(&self) {
        let engine = self.slot().take();
        if let Some(engine) = engine
            && self.db.is_apart_from(&self.pool)
        {
            engine.run(self.pool.close());
        }
    }

    /// Makes the thread close the connections and end.
    fn end(&self) -> Option<Arc<Engine>> {
        let engine = self.slot().take()?;
        let pool = self.db.is_apart_from(&self.pool).then(|| self.pool.clone());
        engine.stop_after(Box::pin(async move {
            match pool {
                Some(pool) => {
                    pool.close().await;
                    // The task of the sweep ends only once it has noticed that the pool is closed.
                    engine::wait_for_tasks(1, CLOSE_TIMEOUT).await;
                }
                // The connection must be clean before the runtime ends: the database lives in it.
                None => engine::wait_for_tasks(0, CLEAN_TIMEOUT).await,
            }
        }));
        Some(engine)
    }

    /// Closes the connections, and waits until the thread has ended.
    pub(super) fn shut(&self) {
        if let Some(engine) = self.end() {
            engine.join();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // The thread ends by itself.
        let _ = self.end();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { db: _, pool, engine: _ } = self;
        f.debug_struct("Core").field("pool", pool).field("runs", &self.slot().is_some()).finish_non_exhaustive()
    }
}
