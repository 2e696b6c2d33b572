//! [`ScopeService`]: the service that the layer makes.

use std::task::{Context, Poll};

use tower_service::Service;

use crate::session::ScopeFuture;

/// A service whose requests have a [`scope`](crate::scope) each; see [`ScopeLayer`](super::ScopeLayer).
#[derive(Debug, Clone, Copy, Default)]
pub struct ScopeService<S> {
    inner: S,
}

impl<S> ScopeService<S> {
    /// Wraps a service.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner }
    }

    /// The service that was wrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service<Request>, Request> Service<Request> for ScopeService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = ScopeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> ScopeFuture<S::Future> {
        // In the scope from here on: a service may look for its context before it has made its future.
        ScopeFuture::new(|| self.inner.call(request))
    }
}
