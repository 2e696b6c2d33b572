//! The future of a request in its scope, by a name that a service's type can have.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;

use super::{
    local::{fresh, with_current},
    session::DbSession,
};
use crate::runtime::Scope;

/// What [`ScopeService`](crate::tower::ScopeService) answers a request with: the inner service's future, in a scope.
///
/// # Cancel safety
/// Dropped at any point, it rolls back what the request has open, and leaves the context outside as it was.
#[pin_project]
#[must_use = "futures do nothing unless they are polled"]
pub struct ScopeFuture<F>(#[pin] Scope<F, DbSession>);

impl<F> ScopeFuture<F> {
    /// A future that is made inside its scope already.
    pub(crate) fn new(make: impl FnOnce() -> F) -> Self {
        Self(Scope::make(with_current(fresh), make))
    }
}

impl<F: Future> Future for ScopeFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().0.poll(cx)
    }
}

impl<F> fmt::Debug for ScopeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFuture").finish_non_exhaustive()
    }
}
