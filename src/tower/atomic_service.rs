//! [`AtomicService`]: the service that the layer makes.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use tower_service::Service;

use super::request_transaction::{Commits, RequestTransaction, RespondsToFailure, ServerErrorStatus, StatusBelow400};
use crate::{
    error::{Error, ErrorKind},
    session::scope,
};

/// A service whose requests run in a transaction each; see [`AtomicLayer`](super::AtomicLayer).
#[derive(Debug, Clone)]
pub struct AtomicService<S, C = StatusBelow400, F = ServerErrorStatus> {
    pub(super) inner: S,
    pub(super) transaction: RequestTransaction<C, F>,
}

/// What an [`AtomicService`] answers a request with.
///
/// # Cancel safety
/// Dropped at any point, it rolls the transaction of the request back; dropped during COMMIT, the commit runs to its end.
#[must_use = "futures do nothing unless they are polled"]
pub struct AtomicFuture<R, E>(Pin<Box<dyn Future<Output = Result<R, E>> + Send>>);

impl<R, E> Future for AtomicFuture<R, E> {
    type Output = Result<R, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, E>> {
        self.0.as_mut().poll(cx)
    }
}

impl<R, E> fmt::Debug for AtomicFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicFuture").finish_non_exhaustive()
    }
}

/// Why the transaction of a request is not committed.
enum Refusal {
    /// The service has failed, or its response says so.
    ByService,
    ByDatabase(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::ByDatabase(error)
    }
}

impl<S, C, F, Request> Service<Request> for AtomicService<S, C, F>
where
    S: Service<Request, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
    C: Commits<S::Response> + 'static,
    F: RespondsToFailure<S::Response> + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AtomicFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let next = self.inner.clone();
        // The one that is ready.
        let inner = mem::replace(&mut self.inner, next);
        AtomicFuture(Box::pin(scope(run(inner, self.transaction.clone(), request))))
    }
}

async fn run<S, C, F, Request>(
    mut inner: S,
    transaction: RequestTransaction<C, F>,
    request: Request,
) -> Result<S::Response, S::Error>
where
    S: Service<Request>,
    C: Commits<S::Response>,
    F: RespondsToFailure<S::Response>,
{
    let RequestTransaction { db, options, commits, failure } = transaction;
    // Outside the block, as a hook that fails behind the commit must not take the response along.
    let mut answer = None;
    let ended = db.run_block(&options, || async {
        let given = answer.insert(inner.call(request).await);
        match given {
            Ok(response) if commits.commits(response) => Ok(()),
            _ => Err(Refusal::ByService),
        }
    });
    let refused = match ended.await {
        Ok(()) | Err(Refusal::ByService) => None,
        Err(Refusal::ByDatabase(error)) if error.kind() == ErrorKind::HookFailed => None,
        Err(Refusal::ByDatabase(error)) => Some(error),
    };
    match (answer, refused) {
        (Some(answer), None) => answer,
        (_, refused) => {
            let error = refused.unwrap_or_else(|| Error::new(ErrorKind::Cancelled, "the request was not run"));
            tracing::error!(target: "nestling", %error, "the transaction of a request could not be committed");
            Ok(failure.respond(error))
        }
    }
}
