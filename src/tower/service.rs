//! [`ScopeService`]: the service that the layer makes.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::settings::{NoSettings, RequestSettings};
use crate::session::ScopeFuture;

/// A service whose requests have a [`scope`](crate::scope) each; see [`ScopeLayer`](super::ScopeLayer).
#[derive(Clone, Copy, Default)]
pub struct ScopeService<S, F = NoSettings> {
    inner: S,
    settings: F,
}

impl<S> ScopeService<S> {
    /// Wraps a service.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self::with(inner, NoSettings)
    }
}

impl<S, F> ScopeService<S, F> {
    pub(super) fn with(inner: S, settings: F) -> Self {
        Self { inner, settings }
    }

    /// The service that was wrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service<Request>, F: RequestSettings<Request>, Request> Service<Request> for ScopeService<S, F> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = ScopeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> ScopeFuture<S::Future> {
        // In the scope from here on: a service may look for its context before it has made its future.
        let settings = self.settings.of(&request);
        ScopeFuture::new(&settings, || self.inner.call(request))
    }
}

impl<S: fmt::Debug, F> fmt::Debug for ScopeService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, settings: _ } = self;
        f.debug_struct("ScopeService").field("inner", inner).finish_non_exhaustive()
    }
}
