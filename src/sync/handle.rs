//! [`SyncDatabase`]: the blocking handle, and whether a call may be made by it just now (rules 62 and 63).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    engine::{self, Engine},
    inside::Inside,
};
use crate::{
    db::Database,
    driver::Dialect,
    error::{Error, ErrorKind},
    session::Stats,
};

/// How long closed connections may take to say goodbye to the server.
const GOODBYE: Duration = Duration::from_millis(20);
/// How long the connection of a database in memory may take to be clean.
const CLEANING: Duration = Duration::from_secs(5);

/// A database for blocking calls, from [`Database::sync`] or [`Database::allow_sync`].
///
/// It has the queries and the blocks of [`Database`] in blocking form. They work in any thread: of a multi-thread runtime,
/// whose other tasks go on meanwhile; of a current-thread runtime, which stands still meanwhile; and of none.
///
/// A block is bound to the thread that opened it, as an asynchronous one is to its task: every blocking query on this
/// database that the closure makes, at any depth and by whatever handle, takes part in it.
///
/// It has connections of its own, up to as many as the database has, and a thread of its own. They come with the first
/// call and go with the last clone of the handle: keep it, rather than ask for one before each call. A database in memory
/// (SQLite) has one connection only, which is shared.
///
/// # Errors
/// What the asynchronous call returns, and `SyncNotAllowed`:
/// - inside an asynchronous transaction of the same database, of which a blocking query would not be part, unless the
///   handle is one by [`even_in_transaction`](Self::even_in_transaction);
/// - by a handle from `allow_sync`, outside of its closure, in another thread or in another task;
/// - from within the future of another blocking call.
#[derive(Clone)]
pub struct SyncDatabase {
    source: Source,
    even_in_transaction: bool,
}

/// Where a handle gets its connections from.
#[derive(Debug, Clone)]
enum Source {
    /// They are its own.
    Own(Arc<Core>),
    /// From the `allow_sync` of this database that the caller is inside of.
    Permission(Database),
}

/// What the clones of a handle share.
pub(super) struct Core {
    db: Database,
    twin: Database,
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Core {
    pub(super) fn new(db: &Database) -> Arc<Self> {
        Arc::new(Self { db: db.clone(), twin: db.with_blocking_pool(), engine: Mutex::default() })
    }

    /// The number of the database that it belongs to.
    pub(super) fn database(&self) -> usize {
        self.db.id()
    }

    /// The database on which blocking calls run.
    pub(super) fn twin(&self) -> &Database {
        &self.twin
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
    fn close(&self) {
        let engine = self.slot().take();
        if let Some(engine) = engine
            && self.db.is_apart_from(&self.twin)
        {
            engine.run(self.twin.close());
        }
    }

    /// Has the connections closed and the thread ended.
    fn end(&self) -> Option<Arc<Engine>> {
        let engine = self.slot().take()?;
        let twin = self.db.is_apart_from(&self.twin).then(|| self.twin.clone());
        engine.stop_after(Box::pin(async move {
            match twin {
                Some(twin) => {
                    twin.close().await;
                    // The sweep's task may not have seen yet that the pool is closed.
                    engine::linger(1, GOODBYE).await;
                }
                // A connection that is still being cleaned must not go: the database lives in it.
                None => engine::linger(0, CLEANING).await,
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

impl Database {
    /// A handle for blocking calls.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> nestling::Result<()> {
    /// use nestling::{Database, Error, params};
    ///
    /// let db = Database::open("sqlite::memory:")?.sync();              // no runtime is needed
    /// db.batch("create table account (name text primary key, balance integer not null)")?;
    /// db.atomic(|| {
    ///     db.execute("insert into account values ($1, $2)", params!["ada", 100])?;
    ///     let again = db.atomic(|| db.execute("insert into account values ($1, $2)", params!["ada", 1]));
    ///     assert!(again.is_err_and(|error| error.is_unique_violation()));  // a savepoint, rolled back on its own
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(db.query_one("select balance from account", params![])?.get::<i64>(0)?, 100);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn sync(&self) -> SyncDatabase {
        SyncDatabase { source: Source::Own(Core::new(self)), even_in_transaction: false }
    }
}

impl SyncDatabase {
    /// A handle that works inside of `allow_sync` only.
    pub(super) fn of_permission(db: &Database) -> Self {
        Self { source: Source::Permission(db.clone()), even_in_transaction: false }
    }

    pub(super) fn db(&self) -> &Database {
        match &self.source {
            Source::Own(core) => &core.db,
            Source::Permission(db) => db,
        }
    }

    /// The same handle, for calls inside an asynchronous transaction of the same database as well.
    ///
    /// They are not part of it: they run on a connection of their own, do not see what the transaction has written, and
    /// may wait for ever for a lock that it holds. A database in memory has no other connection: there they are refused
    /// all the same.
    #[must_use]
    pub fn even_in_transaction(&self) -> Self {
        Self { even_in_transaction: true, ..self.clone() }
    }

    /// Which connections a call is to use; an error if it may not be made here and now.
    pub(super) fn core(&self) -> Result<Arc<Core>, Error> {
        let refused = |text: &str| Err(Error::new(ErrorKind::SyncNotAllowed, text));
        if engine::is_here() {
            return refused("a blocking query cannot be made from within another one");
        }
        let core = match &self.source {
            Source::Own(core) => Arc::clone(core),
            Source::Permission(db) => match Inside::Permission.current(db.id()) {
                Some(core) => core,
                None => return refused("a blocking query is made outside of allow_sync, or by another task"),
            },
        };
        let joined = Inside::Block.current(core.database());
        let is_new = joined.is_none();
        let core = joined.unwrap_or(core);
        let (db, twin) = (&core.db, &core.twin);
        if !self.even_in_transaction && db.is_inner_to(twin) {
            return refused(
                "a blocking query inside an asynchronous transaction of the same database would not be part of it: \
                 make an asynchronous query, or ask for another connection by even_in_transaction",
            );
        }
        if !db.is_apart_from(twin) && db.is_held() {
            let text = "the database in memory has one connection, and this task holds it";
            return Err(Error::new(ErrorKind::PoolTimeout, text));
        }
        if is_new {
            db.admits()?;
        }
        Ok(core)
    }

    /// Runs a future of the database on the current thread.
    pub(crate) fn wait<T>(&self, call: impl AsyncFnOnce(&Database) -> Result<T, Error>) -> Result<T, Error> {
        let core = self.core()?;
        core.engine()?.run(call(core.twin()))
    }

    /// The database to ask for the state of the caller's block.
    pub(super) fn here(&self) -> Option<Arc<Core>> {
        Inside::Block.current(self.db().id())
    }

    /// Which SQL the database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.db().dialect()
    }

    /// Makes sure that the database can be reached, as [`Database::connect`] does.
    ///
    /// # Errors
    /// `Connect`; else as [`SyncDatabase`] says.
    pub fn connect(&self) -> Result<(), Error> {
        self.wait(async |db| db.connect().await)
    }

    /// Closes the connections and ends the thread of this handle and its clones. The next call connects anew.
    ///
    /// The database itself stays open. A handle from `allow_sync` closes nothing: its connections are closed at the end.
    pub fn close(&self) {
        if let Source::Own(core) = &self.source
            && !engine::is_here()
        {
            core.close();
        }
    }

    /// What was done by this handle and its clones, and what they are at; `None` outside of `allow_sync` for a handle from
    /// there.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match &self.source {
            Source::Own(core) => Some(core.twin.stats()),
            Source::Permission(db) => Inside::Permission.current(db.id()).map(|core| core.twin.stats()),
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { db: _, twin, engine: _ } = self;
        f.debug_struct("Core").field("twin", twin).field("runs", &self.slot().is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SyncDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, even_in_transaction } = self;
        f.debug_struct("SyncDatabase")
            .field("source", source)
            .field("even_in_transaction", even_in_transaction)
            .finish()
    }
}
