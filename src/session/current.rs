//! The context of the current task, and the calls that give a future one.

use std::{cell::Cell, fmt};

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
pub(super) fn fresh() -> runtime::Context<DbSession> {
    with_current(|current| current.map(runtime::Context::fresh).unwrap_or_default())
}

/// Spawns a future into a task of its own with a fresh context, in the tracing span of the caller.
///
/// The task does not take part in the caller's transaction, and its transactions carry none of the settings that the caller's
/// [`scope`](crate::scope) has; see [`Context`] for how both can be had, and [`join_set`](crate::join_set) for tasks
/// that take part.
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

/// The open blocks of a task, and the settings of its [`scope`](crate::scope). Captured, they can be entered by another future,
/// which then takes part in the transaction.
///
/// Statements of both then take turns on the one connection. Once the block has ended, whatever is still to run in the
/// captured context fails with [`ErrorKind::FrameClosed`](crate::ErrorKind::FrameClosed). What is entered replaces the context of
/// the code around: one that was captured outside a scope has none of its settings.
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
