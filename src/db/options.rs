//! The options of one transaction.

use std::sync::Arc;

use super::{Database, propagation::Propagation};
use crate::{
    error::Error,
    runtime::{CallSite, Origin},
    transaction::{
        control::{Isolation, Settings},
        limits::RequestedLimits,
    },
};

/// What a block is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// A transaction, or a savepoint in one.
    #[default]
    Atomic,
    /// A savepoint, with the name of the options if they have one.
    Savepoint,
    /// A connection that is pinned.
    Pin,
}

/// The options of a block.
#[derive(Debug, Clone, Default)]
pub(crate) struct BlockOptions {
    pub(super) kind: BlockKind,
    pub(super) settings: Settings,
    pub(super) durable: bool,
    pub(super) eager: bool,
    pub(super) name: Option<Arc<str>>,
    /// Where the program has asked for it.
    pub(super) at: CallSite,
    /// Defaults to that of the call.
    pub(super) propagation: Option<Propagation>,
    /// Boxed, as few blocks have some.
    pub(super) limits: Option<Box<RequestedLimits>>,
}

impl BlockOptions {
    /// The options of a block that was asked for by the caller of the function that calls this.
    #[track_caller]
    pub(crate) fn here() -> Self {
        CallSite::here().into()
    }

    /// The options of a savepoint.
    #[track_caller]
    pub(crate) fn savepoint(name: Option<&str>) -> Self {
        Self { kind: BlockKind::Savepoint, name: name.map(Into::into), ..Self::here() }
    }

    /// The options of a pinned connection.
    #[track_caller]
    pub(super) fn pin() -> Self {
        Self { kind: BlockKind::Pin, ..Self::here() }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { name: self.name.clone(), at: self.at }
    }
}

impl From<CallSite> for BlockOptions {
    fn from(at: CallSite) -> Self {
        Self { at, ..Self::default() }
    }
}

/// Options for a block, from [`Database::build_transaction`].
///
/// Settings ride with BEGIN in the flight of the first statement, so they cost no round trip, and they end with the
/// transaction. In a block inside another one modes are checked against those of the transaction that is open.
///
/// `R` is how often the body may run: once, or several times if [`retry`](Self::retry) was asked for.
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `atomic` or `transaction`"]
pub struct TransactionBuilder<'d, R = ()> {
    pub(super) db: &'d Database,
    pub(super) options: BlockOptions,
    pub(super) runs: R,
}

impl Database {
    /// Options for a block: isolation, read-only and others.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, Isolation, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::open("sqlite::memory:")?;
    /// let sum: i64 = db
    ///     .build_transaction()
    ///     .isolation(Isolation::Serializable)
    ///     .read_only()
    ///     .atomic(|| async { db.query_one("select 1 + 1", params![]).await?.get(0) })
    ///     .await?;
    /// assert_eq!(sum, 2);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn build_transaction(&self) -> TransactionBuilder<'_> {
        TransactionBuilder { db: self, options: BlockOptions::here(), runs: () }
    }

    /// Runs `body` in a read-only transaction: short for `build_transaction().read_only().atomic(body)`.
    ///
    /// All its queries see one state of the database on SQLite. There it waits for no writer, and no writer for it,
    /// while other blocks take the write lock when they begin.
    ///
    /// # Errors
    /// As [`atomic`](Self::atomic); `SettingsMismatch` inside a transaction that may write.
    ///
    /// # Cancel safety
    /// As [`atomic`](Self::atomic).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::open("sqlite::memory:")?;
    /// let two: i64 = db.read_only(|| async { db.query_one("select 1 + 1", params![]).await?.get(0) }).await?;
    /// assert_eq!(two, 2);
    /// let refused = db.read_only(|| db.batch("create table t (x integer)")).await;
    /// assert!(refused.is_err());
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn read_only<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let options = self.build_transaction().read_only().into_block_options();
        async move { self.run_block(&options, body).await }
    }
}

impl<R> TransactionBuilder<'_, R> {
    /// What was asked for so far.
    pub(crate) fn into_block_options(self) -> BlockOptions {
        self.options
    }

    /// The isolation level. Defaults to the server's. SQLite is serializable whatever is asked for.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.options.settings = self.options.settings.with_isolation(isolation);
        self
    }

    /// Nothing may be written. Defaults to the server's setting, which is usually read and write.
    pub fn read_only(mut self) -> Self {
        self.options.settings = self.options.settings.with_read_only(true);
        self
    }

    /// Rows may be written, whatever the server's setting.
    pub fn read_write(mut self) -> Self {
        self.options.settings = self.options.settings.with_read_only(false);
        self
    }

    /// Waits at its begin until it can run without ever failing to serialize: PostgreSQL, together with
    /// [`Isolation::Serializable`] and [`read_only`](Self::read_only). Elsewhere it changes nothing.
    pub fn deferrable(mut self) -> Self {
        self.options.settings = self.options.settings.with_deferrable(true);
        self
    }

    /// A setting of the server for this block alone, as `SET LOCAL` of PostgreSQL makes it: a tenant for row security, or
    /// `statement_timeout`.
    ///
    /// It rides with BEGIN or SAVEPOINT, and costs no round trip. In a nested block it holds until that block ends, and
    /// what was set around it holds again behind it. A [`transaction`](Self::transaction) that joins cannot have one of
    /// its own.
    pub fn set_local(mut self, key: &str, value: &str) -> Self {
        self.options.settings = self.options.settings.with_local(key, value);
        self
    }

    /// The block must be the outermost one: what it did is durable when it has returned.
    pub fn durable(mut self) -> Self {
        self.options.durable = true;
        self
    }

    /// Sends BEGIN at once, and waits for it, rather than with the first statement.
    pub fn eager(mut self) -> Self {
        self.options.eager = true;
        self
    }

    /// What the block is called in traces and errors. Defaults to no name.
    pub fn name(mut self, name: &str) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// What becomes of a transaction that is open already, and whether the body needs one: see [`Propagation`]. Defaults to
    /// [`Nested`](Propagation::Nested) for `atomic` and to [`Required`](Propagation::Required) for `transaction`.
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.options.propagation = Some(propagation);
        self
    }
}

impl TransactionBuilder<'_> {
    /// Runs a block, as [`Database::atomic`] does.
    ///
    /// # Errors
    /// As [`Database::atomic`]; `NotDurable` for a durable block inside another one, `SettingsMismatch` if the
    /// transaction that is open has other settings, `Unsupported` for settings that the database does not have; `Timeout` and
    /// `IdleTimeout` for the times that were asked for; those of its [`Propagation`].
    ///
    /// # Cancel safety
    /// As [`Database::atomic`].
    #[track_caller]
    pub fn atomic<F, Fut, T, E>(mut self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error> + 'static,
    {
        self.options.at = CallSite::here();
        async move {
            match self.options.propagation {
                None => self.db.run_block(&self.options, body).await,
                // Boxed, as it is seldom used and all blocks would carry it.
                Some(propagation) => Box::pin(self.db.atomic_by(propagation, &self.options, body)).await,
            }
        }
    }

    /// Runs a transaction, as [`Database::transaction`] does.
    ///
    /// # Errors
    /// As [`atomic`](Self::atomic).
    ///
    /// # Cancel safety
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn transaction<F, Fut, T, E>(mut self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.options.at = CallSite::here();
        async move {
            match self.options.propagation {
                None => self.db.run_transaction(self.options, body).await,
                Some(propagation) => Box::pin(self.db.transaction_by(propagation, self.options, body)).await,
            }
        }
    }
}
