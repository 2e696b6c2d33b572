//! The context of the current task, and the calls that give a future one.

use std::{cell::Cell, fmt};
#[cfg(feature = "tower")]
use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::session::DbSession;
use crate::runtime::{self, Scope, ThreadContext};

thread_local! {
    static CURRENT: ThreadContext<DbSession> = const { Cell::new(None) };
}

/// Lends the thread local that holds the context of the future that is polled now.
#[inline]
pub(super) fn with_thread_context<T>(lend: impl FnOnce(&ThreadContext<DbSession>) -> T) -> Option<T> {
    CURRENT.try_with(lend).ok()
}

/// Calls `look` with the context in place, if the caller is inside a scope. It is taken out meanwhile: `look` must not use it.
#[inline]
pub(crate) fn with_current<T>(look: impl FnOnce(Option<&runtime::Context<DbSession>>) -> T) -> T {
    /// Puts the context back, after a panic too.
    struct Lent(Option<runtime::Context<DbSession>>);

    impl Drop for Lent {
        #[inline]
        fn drop(&mut self) {
            let context = self.0.take();
            with_thread_context(|current| current.set(context));
        }
    }

    let lent = Lent(with_thread_context(Cell::take).flatten());
    look(lent.0.as_ref())
}

/// The context in place, if the caller is inside a scope.
#[inline]
pub(crate) fn current() -> Option<runtime::Context<DbSession>> {
    with_current(|context| context.cloned())
}

/// How many connections of a database the current task has, without that of `but`.
pub(crate) fn held(database: usize, but: Option<&DbSession>) -> usize {
    let holds = |session: &DbSession| !but.is_some_and(|but| std::ptr::eq(but, session)) && session.is_taken();
    with_current(|context| context.map_or(0, |context| context.count_sessions(database, holds)))
}

/// Whether the current task has a session of a database of which `is_it` is true.
pub(super) fn has(database: usize, is_it: impl Fn(&DbSession) -> bool) -> bool {
    with_current(|context| context.is_some_and(|context| context.count_sessions(database, is_it) > 0))
}

/// A context in which nothing is open, inside the one in place.
fn fresh(current: Option<&runtime::Context<DbSession>>) -> runtime::Context<DbSession> {
    current.map(runtime::Context::fresh).unwrap_or_default()
}

/// Runs a future in a fresh context: transactions that are open outside are not visible inside.
///
/// Wrap each request of a service in it. Inside a scope, [`Database::transaction`](crate::Database::transaction) runs in
/// place instead of in a task of its own.
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
pub fn scope<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    Scope::new(with_current(fresh), future)
}

/// Spawns a future into a task of its own with a fresh context, in the tracing span of the caller.
///
/// The task does not take part in the caller's transaction; see [`join_set`](crate::join_set) for tasks that do.
///
/// # Panics
/// Outside a tokio runtime, as [`tokio::spawn`] does.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Scope::new(runtime::Context::<DbSession>::default(), future).in_current_span())
}

/// The open blocks of a task. Captured, they can be entered by another future, which then takes part in the transaction.
///
/// Statements of both then take turns on the one connection. Once the block has ended, whatever is still to run in the
/// captured context fails with [`ErrorKind::FrameClosed`](crate::ErrorKind::FrameClosed).
///
/// # Examples
/// ```
/// # use nestling::{Context, Database, Error, params};
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table note (text text)").await?;
/// db.atomic(|| async {
///     let (context, other) = (Context::current(), db.clone());
///     let child = tokio::spawn(context.enter(async move {
///         other.execute("insert into note values ($1)", params!["from the child"]).await
///     }));
///     child.await.expect("the child does not panic")?;
///     assert_eq!(db.query("select * from note", params![]).await?.len(), 1);
///     Ok(())
/// })
/// .await
/// # }
/// ```
#[derive(Clone)]
pub struct Context(Option<runtime::Context<DbSession>>);

impl Context {
    /// The context of the code that calls this; an empty one outside any scope.
    #[must_use]
    pub fn current() -> Self {
        Self(current())
    }

    /// Runs a future in this context.
    pub fn enter<F: Future>(self, future: F) -> impl Future<Output = F::Output> + use<F> {
        Scope::new(self.0.unwrap_or_default(), future)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("in_scope", &self.0.is_some()).finish_non_exhaustive()
    }
}

/// What [`ScopeService`](crate::tower::ScopeService) answers a request with: the inner service's future, in a scope.
///
/// # Cancel safety
/// Dropped at any point, it rolls back what the request has open, and leaves the context outside as it was.
#[cfg(feature = "tower")]
#[pin_project::pin_project]
#[must_use = "futures do nothing unless they are polled"]
pub struct ScopeFuture<F>(#[pin] Scope<F, DbSession>);

#[cfg(feature = "tower")]
impl<F> ScopeFuture<F> {
    /// A future that is made inside its scope already.
    pub(crate) fn new(make: impl FnOnce() -> F) -> Self {
        Self(Scope::make(with_current(fresh), make))
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
