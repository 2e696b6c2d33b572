//! [`Core`]: what the clones of a blocking handle share: the blocking pool, and the thread that drives its runtime.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::engine::{self, Engine};
use crate::{db::Database, error::Error};

/// How long closed connections may take to say goodbye to the server.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(20);
/// How long the connection of a database in memory may take to be clean.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the clones of a handle share.
pub(super) struct Core {
    db: Database,
    /// The blocking pool: the same database with connections of its own, on which the calls run.
    pool: Database,
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Core {
    pub(super) fn new(db: &Database) -> Arc<Self> {
        Arc::new(Self { db: db.clone(), pool: db.twin(), engine: Mutex::default() })
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

    /// What runs the futures, started if it is not there. Kept, it goes on when the handle is closed.
    pub(super) fn engine(&self) -> Result<Arc<Engine>, Error> {
        let mut slot = self.slot();
        match &*slot {
            Some(engine) => Ok(Arc::clone(engine)),
            None => Ok(Arc::clone(slot.insert(Arc::new(Engine::start()?)))),
        }
    }

    /// Closes the connections. The thread goes with the last call that is still at work on it.
    pub(super) fn close(&self) {
        let engine = self.slot().take();
        if let Some(engine) = engine
            && self.db.is_apart_from(&self.pool)
        {
            engine.run(self.pool.close());
        }
    }

    /// Has the connections closed and the thread ended.
    fn end(&self) -> Option<Arc<Engine>> {
        let engine = self.slot().take()?;
        let pool = self.db.is_apart_from(&self.pool).then(|| self.pool.clone());
        engine.stop_after(Box::pin(async move {
            match pool {
                Some(pool) => {
                    pool.close().await;
                    // The sweep's task may not have seen yet that the pool is closed.
                    engine::wait_for_tasks(1, CLOSE_TIMEOUT).await;
                }
                // A connection that is still being cleaned must not go: the database lives in it.
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
        // It ends on its own.
        let _ = self.end();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { db: _, pool, engine: _ } = self;
        f.debug_struct("Core").field("pool", pool).field("runs", &self.slot().is_some()).finish_non_exhaustive()
    }
}
