//! Blocks in blocking form, and the state of the block that the thread has open.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use super::{SyncDatabase, thread_scope::ThreadScope};
use crate::{
    db::{BlockOptions, Database, ManualBlock, Status, TransactionBuilder},
    error::{Error, ErrorKind},
    runtime::CallSite,
    transaction::control::Isolation,
};

impl SyncDatabase {
    /// Runs `body` in a transaction, or in a savepoint if the current thread has one open already.
    ///
    /// `Ok` commits and is returned; `Err` rolls exactly this block back, and is returned as it is.
    ///
    /// # Errors
    /// As [`Database::atomic`], and as [`SyncDatabase`] says.
    ///
    /// # Panics
    /// With the panic of the body, after this block was rolled back.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?.sync();
    /// # db.batch("create table gift (name text unique)")?;
    /// db.atomic(|| {
    ///     db.execute("insert into gift values ($1)", params!["book"])?;
    ///     let again = db.atomic(|| db.execute("insert into gift values ($1)", params!["book"]));
    ///     assert!(again.is_err());                     // only the inner block is rolled back
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(db.query("select * from gift", params![])?.len(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn atomic<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let options = BlockOptions::here();
        self.block(async |db| db.manual_atomic(&options).await, body)
    }

    /// Runs `body` in the transaction that the current thread has open, or in a new one.
    ///
    /// Inside a transaction it joins: nothing is sent, and an `Err` of the body marks the whole transaction, which then can
    /// only be rolled back.
    ///
    /// # Errors
    /// As [`atomic`](Self::atomic).
    ///
    /// # Panics
    /// With the panic of the body, after the transaction was rolled back, or marked.
    #[track_caller]
    pub fn transaction<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let options = BlockOptions::here();
        self.block(async |db| db.manual_transaction(&options).await, body)
    }

    /// Runs `body` in a savepoint of the transaction that the current thread has open.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction, before anything is sent; else as [`atomic`](Self::atomic).
    ///
    /// # Panics
    /// As [`atomic`](Self::atomic).
    #[track_caller]
    pub fn savepoint<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let options = BlockOptions::savepoint(None);
        self.block(async |db| db.manual_savepoint(&options).await, body)
    }

    /// As [`savepoint`](Self::savepoint), with a name for the server.
    ///
    /// # Errors
    /// As [`savepoint`](Self::savepoint); `Config` for a name that the server cannot have.
    ///
    /// # Panics
    /// As [`atomic`](Self::atomic).
    #[track_caller]
    pub fn savepoint_named<T, E>(&self, name: &str, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let options = BlockOptions::savepoint(Some(name));
        self.block(async |db| db.manual_savepoint(&options).await, body)
    }

    /// Runs `body` with one connection for all its queries, outside a transaction, as [`Database::connection`] does.
    ///
    /// # Errors
    /// As [`Database::connection`], and as [`SyncDatabase`] says.
    ///
    /// # Panics
    /// With the panic of the body.
    #[track_caller]
    pub fn connection<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let at = CallSite::here();
        self.block(async |db| db.manual_connection(at), body)
    }

    /// Options for a block, as [`Database::build_transaction`] has them.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, Isolation, params};
    /// # fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?.sync();
    /// let options = db.build_transaction().isolation(Isolation::Serializable).read_only();
    /// let sum: i64 = options.atomic(|| db.query_one("select 1 + 1", params![])?.get(0))?;
    /// assert_eq!(sum, 2);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn build_transaction(&self) -> SyncTransaction<'_> {
        SyncTransaction { sync: self, options: self.db().build_transaction() }
    }

    /// Opens a block, calls its body outside of any poll, and ends the block.
    fn block<T, E: From<Error> + 'static>(
        &self,
        open: impl AsyncFnOnce(&Database) -> Result<ManualBlock, Error>,
        body: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let core = self.core()?;
        let engine = core.engine()?;
        let held = engine.run(open(core.pool()))?;
        let inside = ThreadScope::Block.enter(&core);
        let result = catch_unwind(AssertUnwindSafe(|| held.call(body)));
        drop(inside);
        match result {
            Ok(result) => engine.run(held.end(result)),
            Err(panic) => {
                // A drop would roll the block back in a task, and this call would not wait for it.
                engine.run(held.abandon());
                resume_unwind(panic)
            }
        }
    }

    /// Whether the current thread has a blocking transaction open on this database.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.depth() > 0
    }

    /// How many blocks deep the current thread is in a blocking transaction of this database; 0 outside one.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.here().map_or(0, |core| core.pool().depth())
    }

    /// The name of the innermost savepoint that the current thread has open.
    #[must_use]
    pub fn current_savepoint(&self) -> Option<String> {
        self.here()?.pool().current_savepoint()
    }

    /// The state of the innermost blocking block that the current thread has open.
    #[must_use]
    pub fn status(&self) -> Status {
        self.here().map_or(Status::None, |core| core.pool().status())
    }

    /// Marks the innermost block that the current thread has open, as [`Database::set_rollback_only`] does: it is
    /// rolled back when its body returns, and its `Ok` value is returned all the same.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction.
    pub fn set_rollback_only(&self) -> Result<(), Error> {
        let none = || Err(Error::new(ErrorKind::NoTransaction, "there is no transaction to mark for rollback"));
        self.here().map_or_else(none, |core| core.pool().set_rollback_only())
    }
}

/// Options for a blocking block, from [`SyncDatabase::build_transaction`]. They are those of [`TransactionBuilder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `atomic` or `transaction`"]
pub struct SyncTransaction<'s> {
    sync: &'s SyncDatabase,
    options: TransactionBuilder<'s>,
}

/// Forwards options to the asynchronous builder.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)+) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $($arg: $type),*) -> Self {
            self.options = self.options.$name($($arg),*);
            self
        }
    )+};
}

impl SyncTransaction<'_> {
    options! {
        /// As [`TransactionBuilder::isolation`].
        isolation(isolation: Isolation);
        /// As [`TransactionBuilder::read_only`].
        read_only();
        /// As [`TransactionBuilder::read_write`].
        read_write();
        /// As [`TransactionBuilder::deferrable`].
        deferrable();
        /// As [`TransactionBuilder::set_local`].
        set_local(key: &str, value: &str);
        /// As [`TransactionBuilder::durable`].
        durable();
        /// As [`TransactionBuilder::eager`].
        eager();
        /// As [`TransactionBuilder::name`].
        name(name: &str);
        /// As [`TransactionBuilder::timeout`]. A body that is called cannot be dropped: its statements end at the deadline, and the
        /// block is rolled back when it returns.
        timeout(time: Duration);
        /// As [`TransactionBuilder::deadline`] and [`timeout`](Self::timeout).
        deadline(at: Instant);
        /// As [`TransactionBuilder::statement_timeout`].
        statement_timeout(time: Duration);
        /// As [`TransactionBuilder::lock_timeout`].
        lock_timeout(time: Duration);
        /// As [`TransactionBuilder::acquire_timeout`].
        acquire_timeout(wait: Duration);
    }

    /// Runs a block, as [`SyncDatabase::atomic`] does.
    ///
    /// # Errors
    /// As [`TransactionBuilder::atomic`], and as [`SyncDatabase`] says.
    ///
    /// # Panics
    /// As [`SyncDatabase::atomic`].
    pub fn atomic<T, E>(self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let options = self.options.into_block_options();
        self.sync.block(async |db| db.manual_atomic(&options).await, body)
    }

    /// Runs a transaction, as [`SyncDatabase::transaction`] does.
    ///
    /// # Errors
    /// As [`atomic`](Self::atomic).
    ///
    /// # Panics
    /// As [`SyncDatabase::transaction`].
    pub fn transaction<T, E>(self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        let options = self.options.into_block_options();
        self.sync.block(async |db| db.manual_transaction(&options).await, body)
    }
}
