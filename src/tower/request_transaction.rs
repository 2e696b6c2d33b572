//! The transaction of a request: its options, which responses commit it, and what is answered if it could not be committed.

use http::{Response, StatusCode};

use crate::{
    db::{BlockOptions, Database},
    error::Error,
};

/// What a layer and its services share.
#[derive(Debug, Clone)]
pub(super) struct RequestTransaction<C, F> {
    pub(super) db: Database,
    pub(super) options: BlockOptions,
    pub(super) commits: C,
    pub(super) failure: F,
}

/// Whether a response commits the transaction of its request. Closures `Fn(&Response) -> bool` are such.
pub trait Commits<R>: Clone + Send + Sync {
    /// Whether `response` commits.
    fn commits(&self, response: &R) -> bool;
}

impl<R, F: Fn(&R) -> bool + Clone + Send + Sync> Commits<R> for F {
    fn commits(&self, response: &R) -> bool {
        self(response)
    }
}

/// Commits if the status of the response is below 400.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct StatusBelow400;

impl<B> Commits<Response<B>> for StatusBelow400 {
    fn commits(&self, response: &Response<B>) -> bool {
        response.status().as_u16() < 400
    }
}

/// The response in place of one whose transaction could not be committed. Closures `Fn(Error) -> Response` are such.
pub trait RespondsToFailure<R>: Clone + Send + Sync {
    /// The response for this error of the commit.
    fn respond(&self, error: Error) -> R;
}

impl<R, F: Fn(Error) -> R + Clone + Send + Sync> RespondsToFailure<R> for F {
    fn respond(&self, error: Error) -> R {
        self(error)
    }
}

/// Answers 503 where trying again may help (a serialization failure, a deadlock, no free connection), else 500. The body is empty;
/// the error is told to `tracing`.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ServerErrorStatus;

impl<B: Default> RespondsToFailure<Response<B>> for ServerErrorStatus {
    fn respond(&self, error: Error) -> Response<B> {
        let may_help = error.is_retryable() || error.is_timeout();
        let mut response = Response::new(B::default());
        *response.status_mut() =
            if may_help { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
        response
    }
}
