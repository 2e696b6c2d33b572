//! The two ways in which the body of a `transaction` runs without a block of its own around it: in a new task where no scope
//! is active (rule 10), or joined to the transaction that is open (rules 26 and 27).

use std::{any::Any, panic, sync::Arc};

use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument as _;

use super::{Context, Frame, Scope, TaskLocal, clock::no_runtime, context::Caller, session::TransactionStatus};
use crate::error::{Error, ErrorKind};

/// Runs `body` to its end in a new task with a fresh context, in the caller's tracing span.
///
/// # Errors
/// `NoRuntime` outside a tokio runtime, or when it shuts down before the body ends.
///
/// # Panics
/// With the panic of the body.
///
/// # Cancel safety
/// Dropped, it aborts the task, which drops the body where it stands. An abort takes effect only between two polls, so the
/// body's context also records that the caller is gone: a root that ends in the same poll rolls back.
pub(crate) async fn spawn_in_fresh_context<F, S>(body: F) -> Result<F::Output, Error>
where
    F: Future + Send + 'static,
    F::Output: Send,
    S: TaskLocal,
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

/// Runs the body of a `transaction` that joins the one around it: no SQL is sent, but any failure of it marks the root.
pub(crate) async fn joined<S, Fut, T, E>(
    around: &Context<S>,
    frame: &Arc<Frame<S>>,
    body: impl FnOnce() -> Fut,
) -> Result<T, E>
where
    S: TaskLocal,
    Fut: Future<Output = Result<T, E>>,
    E: 'static,
{
    let mut mark = MarkOnDrop(Some(frame));
    let result = Scope::lazy(around.joining(frame), body).await;
    mark.0 = None;
    if let Err(error) = &result {
        frame.decide(TransactionStatus::RollbackOnly(cause_of(error)));
    }
    result
}

/// Marks the transaction of a frame for rollback unless the body has returned.
struct MarkOnDrop<'f, S: TaskLocal>(Option<&'f Frame<S>>);

impl<S: TaskLocal> Drop for MarkOnDrop<'_, S> {
    fn drop(&mut self) {
        if let Some(frame) = self.0 {
            let text = "a joined transaction was dropped, or panicked";
            frame.decide(TransactionStatus::RollbackOnly(Error::new(ErrorKind::Cancelled, text)));
        }
    }
}

/// The caller's error as a cause: the error itself if it is ours, its text if it is a boxed error.
fn cause_of<E: 'static>(error: &E) -> Error {
    let any: &dyn Any = error;
    if let Some(ours) = any.downcast_ref::<Error>() {
        return ours.clone();
    }
    let text = any
        .downcast_ref::<Box<dyn std::error::Error + Send + Sync>>()
        .map(ToString::to_string)
        .or_else(|| any.downcast_ref::<Box<dyn std::error::Error + Send>>().map(ToString::to_string))
        .unwrap_or_else(|| format!("a joined transaction returned an error of type {}", std::any::type_name::<E>()));
    Error::new(ErrorKind::RollbackOnly, text)
}
