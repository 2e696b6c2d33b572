//! Requests in flight. An answer that nobody takes blocks the whole connection behind it, so a request can be taken from
//! whoever holds it: from a future that is kept, neither polled nor dropped, when its block ends.
//!
//! Used by the wire. It knows no statements.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};

use crate::revocable::{Revocable, Revoke};

/// A request that was not sent yet. It MUST send itself in its first poll.
pub(super) type Request<T> = BoxFuture<'static, Result<T, tokio_postgres::Error>>;

/// A request, for whoever waits for its answer; `None` if it was taken away.
pub(super) struct InFlight<T>(Arc<Revocable<Request<T>>>);

impl<T> Future for InFlight<T> {
    type Output = Option<Result<T, tokio_postgres::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok((mut request, waker)) = self.0.lend() else { return Poll::Ready(None) };
        if let Poll::Ready(out) = request.poll_unpin(cx) {
            drop(request);
            return Poll::Ready(self.0.end().then_some(out));
        }
        let known = waker.filter(|known| known.will_wake(cx.waker()));
        let waker = known.unwrap_or_else(|| cx.waker().clone());
        if self.0.put_back(request, Some(waker)) { Poll::Pending } else { Poll::Ready(None) }
    }
}

impl<T> Drop for InFlight<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The requests in flight on one connection.
#[derive(Default)]
pub(super) struct Requests(Mutex<Vec<Weak<dyn Revoke>>>);

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Revoke>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a request, which is about to be sent.
    pub(super) fn hold<T: Send + 'static>(&self, request: Request<T>) -> InFlight<T> {
        let held = Arc::new(Revocable::new(request));
        let weak: Weak<dyn Revoke> = Arc::<Revocable<Request<T>>>::downgrade(&held);
        let mut requests = self.lock();
        // There are as many as a block has statements in flight.
        requests.retain(|request| request.strong_count() > 0);
        requests.push(weak);
        drop(requests);
        InFlight(held)
    }

    /// Takes all requests from those who hold them. Their answers are read and thrown away.
    pub(super) fn revoke(&self) {
        let requests = std::mem::take(&mut *self.lock());
        for request in requests.iter().filter_map(Weak::upgrade) {
            request.revoke();
        }
    }
}
