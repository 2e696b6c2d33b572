//! [`SyncDatabase`]: the blocking handle, and where its calls are allowed (rules 62 and 63).

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use super::{core::Core, engine, thread_scope::ThreadScope};
use crate::{
    db::Database,
    driver::Dialect,
    error::{Error, ErrorKind},
    session::Stats,
};

/// A database for blocking calls, from [`Database::sync`] or [`Database::allow_sync`].
///
/// It has the queries and the blocks of [`Database`] in blocking form. They work on any thread: of a multi-thread runtime,
/// whose other tasks go on; of a current-thread runtime, which stops for that time; and without a runtime.
///
/// A block is bound to the thread that opened it, as an asynchronous one is to its task: every blocking query on this
/// database that the closure makes, at any depth and by any handle, takes part in it.
///
/// It has connections of its own, up to as many as the database has, and a thread of its own. They start with the first
/// call and end with the last clone of the handle: keep a handle instead of making one for each call. A database in memory
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

/// The origin of a handle's connections.
#[derive(Debug, Clone)]
enum Source {
    /// Its own.
    Own(Arc<Core>),
    /// Those of the enclosing `allow_sync` of this database.
    Permission(Database),
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

    /// Allows blocking queries while a closure runs. Their connections are closed when it returns or panics.
    ///
    /// The permission holds for the closure on the current task only: calls of the handle by another thread or task, or
    /// after the closure's end, are refused. [`sync`](Self::sync) is a handle without that restriction.
    ///
    /// # Panics
    /// With the panic of the closure, after the connections were closed.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// use nestling::{Database, ErrorKind, params};
    ///
    /// let db = Database::open("sqlite::memory:")?;
    /// let mut leaked = None;
    /// db.allow_sync(|sync| {
    ///     leaked = Some(sync.clone());
    ///     sync.batch("create table note (text text)")?;
    ///     sync.execute("insert into note values ($1)", params!["written while nothing else ran"])
    /// })?;
    /// let refused = leaked.expect("it was stored").execute("delete from note", params![]);
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::SyncNotAllowed);
    /// assert_eq!(db.query("select * from note", params![]).await?.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn allow_sync<T>(&self, body: impl FnOnce(&SyncDatabase) -> T) -> T {
        let sync = SyncDatabase::with_permission(self);
        if ThreadScope::Permission.current(self.id()).is_some() {
            // The connections are closed at the end of the outer one.
            return body(&sync);
        }
        let core = Core::new(self);
        let permission = ThreadScope::Permission.enter(&core);
        // Not in a drop, which must not block.
        let result = catch_unwind(AssertUnwindSafe(|| body(&sync)));
        drop(permission);
        core.shut();
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl SyncDatabase {
    /// A handle that works inside of `allow_sync` only.
    pub(super) fn with_permission(db: &Database) -> Self {
        Self { source: Source::Permission(db.clone()), even_in_transaction: false }
    }

    pub(super) fn db(&self) -> &Database {
        match &self.source {
            Source::Own(core) => core.db(),
            Source::Permission(db) => db,
        }
    }

    /// The same handle, for calls inside an asynchronous transaction of the same database as well.
    ///
    /// They are not part of it: they run on a connection of their own, do not see what the transaction has written, and
    /// may wait without end for a lock that it holds. A database in memory has no other connection: there they are refused
    /// all the same.
    #[must_use]
    pub fn even_in_transaction(&self) -> Self {
        Self { even_in_transaction: true, ..self.clone() }
    }

    /// The core that a call uses; an error if the call is not allowed here.
    pub(super) fn core(&self) -> Result<Arc<Core>, Error> {
        let refused = |text: &str| Err(Error::new(ErrorKind::SyncNotAllowed, text));
        if engine::is_engine_thread() {
            return refused("a blocking query cannot be made from within another one");
        }
        let core = match &self.source {
            Source::Own(core) => Arc::clone(core),
            Source::Permission(db) => match ThreadScope::Permission.current(db.id()) {
                Some(core) => core,
                None => return refused("a blocking query is made outside of allow_sync, or by another task"),
            },
        };
        let joined = ThreadScope::Block.current(core.db().id());
        let is_new = joined.is_none();
        let core = joined.unwrap_or(core);
        let (db, pool) = (core.db(), core.pool());
        if db.is_sandboxed() {
            let text = "a blocking query has a connection of its own, and would not be part of the sandbox";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if !self.even_in_transaction && db.is_inner_to(pool) {
            return refused(
                "a blocking query inside an asynchronous transaction of the same database would not be part of it: \
                 make an asynchronous query, or ask for another connection by even_in_transaction",
            );
        }
        if !db.is_apart_from(pool) && db.is_held() {
            let text = "the database in memory has one connection, and this task holds it";
            return Err(Error::new(ErrorKind::PoolTimeout, text));
        }
        if is_new {
            db.admits()?;
        }
        Ok(core)
    }

    /// Runs asynchronous calls on the current thread, which blocks until they are done: for calls that have no blocking form
    /// here. They take part in the block that the thread has open.
    ///
    /// # Errors
    /// Those of the closure, and as [`SyncDatabase`] says.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # fn main() -> nestling::Result<()> {
    /// let db = Database::open("sqlite::memory:")?.sync();
    /// let count: i64 = db.blocking(async |db| {
    ///     db.batch("create table pet (name text)").await?;
    ///     db.execute("insert into pet values ($1)", params!["Rex"]).await?;
    ///     db.query_one("select count(*) from pet", params![]).await?.get(0)
    /// })?;
    /// assert_eq!(count, 1);
    /// # Ok(()) }
    /// ```
    pub fn blocking<T, E: From<Error>>(&self, call: impl AsyncFnOnce(&Database) -> Result<T, E>) -> Result<T, E> {
        let core = self.core()?;
        core.engine()?.run(call(core.pool()))
    }

    /// The core of the block that the caller is in.
    pub(super) fn here(&self) -> Option<Arc<Core>> {
        ThreadScope::Block.current(self.db().id())
    }

    /// The SQL dialect of the database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.db().dialect()
    }

    /// Makes sure that the database can be reached, as [`Database::connect`] does.
    ///
    /// # Errors
    /// `Connect`; else as [`SyncDatabase`] says.
    pub fn connect(&self) -> Result<(), Error> {
        self.blocking(async |db| db.connect().await)
    }

    /// Closes the connections and ends the thread of this handle and its clones. The next call connects anew.
    ///
    /// The database itself stays open. A handle from `allow_sync` closes nothing: its connections are closed at the end.
    pub fn close(&self) {
        if let Source::Own(core) = &self.source
            && !engine::is_engine_thread()
        {
            core.close();
        }
    }

    /// The counters of this handle and its clones; `None` for a handle from `allow_sync` outside of it.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match &self.source {
            Source::Own(core) => Some(core.pool().stats()),
            Source::Permission(db) => ThreadScope::Permission.current(db.id()).map(|core| core.pool().stats()),
        }
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
