//! The scheduler: a task of its own for a transaction that none is active around (rule 10), and what must outlive a
//! dropped caller, such as a COMMIT under way (rule 40).

use std::{
    fmt, panic,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument as _;

use super::{Context, Scope, Session, Slot};
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
/// Dropped, it aborts the task, which drops the body where it stands.
pub(crate) async fn spawn_in_fresh_context<F, S>(slot: Slot<S>, body: F) -> Result<F::Output, Error>
where
    F: Future + Send + 'static,
    F::Output: Send,
    S: Session,
{
    let handle = Handle::try_current().map_err(|source| no_runtime().with_source(source))?;
    let scope = Scope::new(slot, Context::default(), body).in_current_span();
    let mut task = AbortOnDrop(handle.spawn(scope));
    match (&mut task.0).await {
        Ok(out) => Ok(out),
        Err(failed) => match failed.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(_cancelled) => Err(no_runtime()),
        },
    }
}

/// The error of work that needs a tokio runtime where there is none.
pub(crate) fn no_runtime() -> Error {
    Error::new(ErrorKind::NoRuntime, "no tokio runtime is running here, or it is shutting down")
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A future that is polled in place, and goes on in a task of its own when it is dropped before its end.
pub(crate) struct Outlive<T: Send + 'static> {
    work: Option<BoxFuture<'static, T>>,
    /// The runtime that the work began on: the drop may come on any thread.
    handle: Option<Handle>,
}

impl<T: Send + 'static> Outlive<T> {
    pub(crate) fn new(work: BoxFuture<'static, T>) -> Self {
        Self { work: Some(work), handle: Handle::try_current().ok() }
    }
}

impl<T: Send + 'static> Future for Outlive<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        let work = self.work.as_mut().expect("it is not polled after it was ready");
        let out = work.poll_unpin(cx);
        if out.is_ready() {
            self.work = None;
        }
        out
    }
}

impl<T: Send + 'static> Drop for Outlive<T> {
    fn drop(&mut self) {
        // After the runtime's end the work is dropped here, and with it the connection: the server rolls back.
        if let (Some(work), Some(handle)) = (self.work.take(), self.handle.take()) {
            handle.spawn(work.in_current_span());
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Outlive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlive").field("ended", &self.work.is_none()).finish()
    }
}
