//! The scope as a program sees it: a future with a context of its own, and the settings that its transactions carry.

use std::{
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use pin_project::pin_project;

use super::{current::fresh, session::DbSession};
use crate::{runtime, transaction::control::Settings};

/// Runs a future in a fresh context: transactions that are open outside are not visible inside.
///
/// Wrap each request of a service in it. Inside a scope, [`Database::transaction`](crate::Database::transaction) runs in
/// place instead of in a task of its own. [`Scope::set_local`] gives all its transactions a setting of the server: a tenant.
///
/// # Cancel safety
/// Dropped at any point, it leaves the context outside as it was.
///
/// # Examples
/// ```
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let db = nestling::Database::open("sqlite::memory:")?;
/// nestling::scope(async {
///     assert_eq!(db.depth(), 0);
///     db.transaction({
///         let db = db.clone();
///         || async move {
///             assert_eq!(db.depth(), 1);
///             nestling::scope(async { assert_eq!(db.depth(), 0) }).await;
///             Ok::<_, nestling::Error>(())
///         }
///     })
///     .await
/// })
/// .await
/// # }
/// ```
pub fn scope<F: Future>(future: F) -> Scope<F> {
    Scope(runtime::Scope::new(fresh(), future))
}

/// A future with a context of its own, from [`scope`].
///
/// # Cancel safety
/// Dropped at any point, it rolls back what it has open, and leaves the context outside as it was.
#[pin_project]
#[must_use = "futures do nothing unless they are polled"]
pub struct Scope<F>(#[pin] runtime::Scope<F, DbSession>);

impl<F> Scope<F> {
    /// A setting of the server for each transaction that is opened in the scope, on every database: a tenant for row-level
    /// security. It is local to the transaction, as one by [`TransactionBuilder::set_local`] is, rides with BEGIN, and costs no
    /// round trip. Of two values for one key the later is kept.
    ///
    /// - A block that asks for a value of its own for the same key has that.
    /// - A statement outside any block runs in a transaction of its own that carries the setting, as it must not run without:
    ///   it costs the round trip of a COMMIT. The server refuses there what cannot run in a transaction (`VACUUM`).
    /// - A scope inside this one inherits the setting, unless it has its own for the key. A captured
    ///   [`Context`](crate::Context) has it too. A task that was started by [`spawn`](crate::spawn) or `tokio::spawn` has not,
    ///   nor has a thread.
    ///
    /// # Errors
    /// The call that opens a block, or runs a statement, is refused before anything is sent: with `Unsupported` on SQLite,
    /// which has no such settings, and with `Config` for a key or a value that the server cannot have. (MySQL and MariaDB take
    /// the names of their session variables.)
    ///
    /// # Examples
    /// ```
    /// use nestling::{Database, ErrorKind, params};
    ///
    /// # async fn on_postgres(db: &Database, tenant: &str) -> nestling::Result<()> {
    /// // create policy own on invoice using (tenant = current_setting('app.tenant'))
    /// let invoices = nestling::scope(async { db.query("select * from invoice", params![]).await })
    ///     .set_local("app.tenant", tenant)
    ///     .await?;
    /// # Ok(()) }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// let lite = Database::open("sqlite::memory:")?;
    /// let refused = nestling::scope(lite.query("select 1", params![])).set_local("app.tenant", "7").await;
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    /// # Ok(()) }
    /// ```
    ///
    /// [`TransactionBuilder::set_local`]: crate::TransactionBuilder::set_local
    pub fn set_local(self, key: &str, value: &str) -> Self {
        self.settings(&ScopeSettings::new().set_local(key, value))
    }

    /// Several settings at once, as [`set_local`](Self::set_local) each.
    pub fn settings(self, settings: &ScopeSettings) -> Self {
        Self(self.0.with_context(|context| settings.within(context)))
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        self.project().0.poll(cx)
    }
}

impl<F> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// The settings of a scope, as a value. Its `Debug` form has the keys alone, as a value may be a secret.
///
/// # Examples
/// ```
/// use nestling::blocks::ScopeSettings;
///
/// let settings = ScopeSettings::new().set_local("app.tenant", "seven");
/// assert!(!format!("{settings:?}").contains("seven"));
/// let scope = nestling::scope(async { 7 }).settings(&settings);
/// # drop(scope);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "settings hold in the scope that they are given to"]
pub struct ScopeSettings(Settings);

impl ScopeSettings {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Scope::set_local`].
    pub fn set_local(self, key: &str, value: &str) -> Self {
        Self(self.0.with_local(key, value))
    }

    /// A context whose transactions carry these settings.
    fn within(&self, context: runtime::Context<DbSession>) -> runtime::Context<DbSession> {
        if self.0.is_empty() { context } else { context.setting(&self.0) }
    }
}

/// What [`ScopeService`](crate::tower::ScopeService) answers a request with: the inner service's future, in a scope.
///
/// # Cancel safety
/// Dropped at any point, it rolls back what the request has open, and leaves the context outside as it was.
#[cfg(feature = "tower")]
#[pin_project]
#[must_use = "futures do nothing unless they are polled"]
pub struct ScopeFuture<F>(#[pin] runtime::Scope<F, DbSession>);

#[cfg(feature = "tower")]
impl<F> ScopeFuture<F> {
    /// A future that is made inside its scope already.
    pub(crate) fn new(settings: &ScopeSettings, make: impl FnOnce() -> F) -> Self {
        Self(runtime::Scope::make(settings.within(fresh()), make))
    }
}

#[cfg(feature = "tower")]
impl<F: Future> Future for ScopeFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        self.project().0.poll(cx)
    }
}

#[cfg(feature = "tower")]
impl<F> fmt::Debug for ScopeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFuture").finish_non_exhaustive()
    }
}
