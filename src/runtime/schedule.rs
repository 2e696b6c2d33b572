//! The scheduler: a task of its own for a transaction that none is active around (rule 10).

use std::panic;

use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument as _;

use super::{Context, Scope, Session, clock::no_runtime, context::Caller};
use crate::error::Error;

/// Runs `body` to its end in a new task with a fresh context, in the caller's tracing span.
///
/// # Errors
/// `NoRuntime` outside a tokio runtime, or when it shuts down before the body ends.
///
/// # Panics
/// With the panic of the body.
///
/// # Cancel safety
/// Dropped, it aborts the task, which drops the body where it stands. An abort takes effect only between two polls, so
/// the body's context tells as well that the caller is gone: a root that ends in the same poll rolls back.
pub(crate) async fn spawn_in_fresh_context<F, S>(body: F) -> Result<F::Output, Error>
where
    F: Future + Send + 'static,
    F::Output: Send,
    S: Session,
{
    let handle = Handle::try_current().map_err(|source| no_runtime().with_source(source))?;
    let caller = Caller::default();
    let scope = Scope::new(Context::<S>::spawned_for(&caller), body).in_current_span();
    let mut task = AbortOnDrop { task: handle.spawn(scope), caller };
    match (&mut task.task).await {
        Ok(out) => Ok(out),
        Err(failed) => match failed.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(_cancelled) => Err(no_runtime()),
        },
    }
}

struct AbortOnDrop<T> {
    task: JoinHandle<T>,
    caller: Caller,
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.caller.leave();
        self.task.abort();
    }
}
