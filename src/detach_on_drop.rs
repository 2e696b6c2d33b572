//! Work that outlives its caller: a COMMIT under way (rule 40), a command whose answer must be read to its end. It is polled in
//! place; dropped before its end it goes on in a task of its own. Used by the runtime and by drivers.

use std::{
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::runtime::Handle;
use tracing::Instrument as _;

/// A future that is polled in place, and goes on in a task of its own when it is dropped before its end.
pub(crate) struct DetachOnDrop<T: Send + 'static> {
    work: Option<BoxFuture<'static, T>>,
    /// The runtime that the work began on: the drop may come on any thread.
    handle: Option<Handle>,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    pub(crate) fn new(work: BoxFuture<'static, T>) -> Self {
        Self { work: Some(work), handle: Handle::try_current().ok() }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<T> {
        // Taken out while it is polled: work that panics must not go on in a task of its own.
        let mut work = self.work.take().expect("it is not polled after it was ready");
        let out = work.poll_unpin(cx);
        if out.is_pending() {
            self.work = Some(work);
        }
        out
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        // After the runtime's end the work is dropped here, and with it the connection: the server rolls back.
        if let (Some(work), Some(handle)) = (self.work.take(), self.handle.take()) {
            handle.spawn(work.in_current_span());
        }
    }
}

impl<T: Send + 'static> fmt::Debug for DetachOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachOnDrop").field("ended", &self.work.is_none()).finish()
    }
}
