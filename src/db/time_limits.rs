//! The time limits that a caller can ask for: those of one block, and the defaults of a database (rule 54).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DatabaseBuilder, TransactionBuilder};
use crate::transaction::limits::RequestedLimits;

impl TransactionBuilder<'_> {
    fn limits(&mut self) -> &mut RequestedLimits {
        self.options.limits.get_or_insert_default()
    }

    /// How long the block may take, from its call to its COMMIT. Defaults to no limit, or to that of
    /// [`default_timeout`](DatabaseBuilder::default_timeout) for the outermost block.
    ///
    /// When the time is over the body is dropped and the block is rolled back, and the caller gets
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout). The waits for a connection and for a turn count. In a nested block only
    /// that block ends; the time of a block around it ends it sooner. A COMMIT that is on its way runs to its end,
    /// and its outcome is returned. A body that returns `Ok` too late, because it has blocked its thread, is rolled back.
    ///
    /// A statement under way has 50 ms more for the server's own answer, so that its connection stays of use: PostgreSQL is
    /// told with each statement how much time is left, MariaDB (all statements) and MySQL (queries that only read) with
    /// BEGIN, and SQLite ends its own work. Elsewhere the statement is stopped as a dropped one is.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, ErrorKind, params};
    /// # use std::time::Duration;
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n";
    /// let late = db
    ///     .build_transaction()
    ///     .timeout(Duration::from_millis(20))
    ///     .atomic(|| async { db.query(endless, params![]).await })
    ///     .await;
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, time: Duration) -> Self {
        self.limits().transaction = Some(time);
        self
    }

    /// When the block must have ended, as [`timeout`](Self::timeout) says. Of both the earlier counts. Defaults to no deadline.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.limits().deadline = Some(at);
        self
    }

    /// How long each statement of the block may take, from when it has a connection. Defaults to that of the block around, or
    /// of [`statement_timeout`](DatabaseBuilder::statement_timeout).
    ///
    /// A statement that takes longer fails with [`ErrorKind::StatementTimeout`](crate::ErrorKind::StatementTimeout), and its
    /// block can only be rolled back. Waits for locks count. On PostgreSQL and SQLite the time of a
    /// [`stream`](crate::Database::stream) lasts until its last row.
    pub fn statement_timeout(mut self, time: Duration) -> Self {
        self.limits().statement = Some(time);
        self
    }

    /// How long each statement of the block waits for a lock. Defaults to the server's, or to that of
    /// [`lock_timeout`](DatabaseBuilder::lock_timeout).
    ///
    /// It rides with BEGIN, and fails with [`ErrorKind::LockTimeout`](crate::ErrorKind::LockTimeout). MySQL and MariaDB count in
    /// whole seconds: the time is rounded up, to one at least. On SQLite it is the time that the outermost block waits for
    /// the write lock.
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.limits().lock = Some(time);
        self
    }

    /// How long the block waits for a connection, if that is less than
    /// [`acquire_timeout`](DatabaseBuilder::acquire_timeout) of the database. The error is
    /// [`ErrorKind::PoolTimeout`](crate::ErrorKind::PoolTimeout). It has no effect in a block inside another one.
    pub fn acquire_timeout(mut self, wait: Duration) -> Self {
        self.limits().acquire = Some(wait);
        self
    }

    /// How long the transaction may send nothing. Defaults to no limit, or to that of
    /// [`idle_in_transaction_timeout`](DatabaseBuilder::idle_in_transaction_timeout).
    ///
    /// A transaction that is idle for longer is rolled back, and its connection goes back to the pool, even if its body is
    /// never polled again. The body goes on; its statements and its end fail with
    /// [`ErrorKind::IdleTimeout`](crate::ErrorKind::IdleTimeout). A statement under way is not
    /// idle, nor is a stream whose rows the server has not sent yet. It has no effect in a block inside another one, nor in blocking calls.
    pub fn idle_in_transaction_timeout(mut self, time: Duration) -> Self {
        self.limits().idle = Some(time);
        self
    }
}

impl DatabaseBuilder {
    /// How long a transaction may take, unless its block says [`timeout`](TransactionBuilder::timeout). Defaults to no limit.
    pub fn default_timeout(mut self, time: Duration) -> Self {
        self.limits.transaction = Some(time);
        self
    }

    /// How long a statement may take, in a block and outside of one, from when it has a connection. Defaults to no limit. See
    /// [`TransactionBuilder::statement_timeout`].
    pub fn statement_timeout(mut self, time: Duration) -> Self {
        self.limits.statement = Some(time);
        self
    }

    /// How long a statement in a transaction waits for a lock. Defaults to the server's time; on SQLite to
    /// [`busy_timeout`](Self::busy_timeout). See [`TransactionBuilder::lock_timeout`].
    pub fn lock_timeout(mut self, time: Duration) -> Self {
        self.limits.lock = Some(time);
        self
    }

    /// How long a transaction may send nothing before it is rolled back. Defaults to no limit. See
    /// [`TransactionBuilder::idle_in_transaction_timeout`].
    pub fn idle_in_transaction_timeout(mut self, time: Duration) -> Self {
        self.limits.idle = Some(time);
        self
    }

    /// The defaults, if there are some.
    pub(super) fn limits(&self) -> Option<Arc<RequestedLimits>> {
        let has_some = self.limits != RequestedLimits::default();
        has_some.then(|| Arc::new(self.limits))
    }
}
