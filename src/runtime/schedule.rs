//! The scheduler: a task of its own for a transaction that none is active around (rule 10).

use std::panic;

use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument as _;

use super::{Context, Scope, Session, clock::no_runtime};
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
/// Dropped, it aborts the task, which drops the body where it stands.
pub(crate) async fn spawn_in_fresh_context<F, S>(body: F) -> Result<F::Output, Error>
where
    F: Future + Send + 'static,
    F::Output: Send,
    S: Session,
{
    let handle = Handle::try_current().map_err(|source| no_runtime().with_source(source))?;
    let scope = Scope::new(Context::<S>::default(), body).in_current_span();
    let mut task = AbortOnDrop(handle.spawn(scope));
    match (&mut task.0).await {
        Ok(out) => Ok(out),
        Err(failed) => match failed.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(_cancelled) => Err(no_runtime()),
        },
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
