//! [`AtomicLayer`]: a layer that runs each request in a transaction, which is committed if the response says so.

use http::{Response, StatusCode};
use tower_layer::Layer;

use super::AtomicService;
use crate::{
    db::{BlockOptions, Database, TransactionBuilder},
    error::Error,
};

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

/// Runs each request of a service in a transaction of its own, in a [`scope`](crate::scope) of its own.
///
/// The transaction is committed before the response goes out, if the response says so: by default, if its status is below
/// 400. Else, and if the service fails, panics or the request is dropped, it is rolled back. A commit that fails makes the response a
/// 5xx. Hooks behind the commit run before the response goes out; if one fails, the response goes out all the same, as the
/// transaction is committed, and `tracing` tells.
///
/// BEGIN goes with the first statement: a request without queries takes no connection and sends nothing.
///
/// **Bodies that are streamed** are read when the transaction has ended: what such a body asks the database for is not
/// part of it. A [`RowStream`](crate::row::RowStream) that was opened in the transaction cannot be the body, as it keeps the
/// transaction from being committed (`TurnTimeout`, a 503): read its rows in the handler, or open the stream when the body is read.
///
/// # Examples
/// ```
/// use http::{Response, StatusCode};
/// use nestling::{Database, Error, params, tower::AtomicLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table guest (name text)").await?;
///
/// let handler = db.clone();
/// let mut service = ServiceBuilder::new().layer(AtomicLayer::new(db.clone())).service_fn(move |name: &'static str| {
///     let db = handler.clone();
///     async move {
///         db.execute("insert into guest values ($1)", params![name]).await?;
///         let status = if name.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::CREATED };
///         let mut response = Response::new(String::new());
///         *response.status_mut() = status;
///         Ok::<_, Error>(response)
///     }
/// });
///
/// assert_eq!(service.ready().await?.call("ada").await?.status(), 201);
/// assert_eq!(service.ready().await?.call("").await?.status(), 400);        // rolled back
/// assert_eq!(db.query("select * from guest", params![]).await?.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct AtomicLayer<C = StatusBelow400, F = ServerErrorStatus> {
    pub(super) db: Database,
    pub(super) options: BlockOptions,
    pub(super) commits: C,
    pub(super) failure: F,
}

impl AtomicLayer {
    /// The layer, for the transactions of a database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, options: BlockOptions::default(), commits: StatusBelow400, failure: ServerErrorStatus }
    }
}

impl<C, F> AtomicLayer<C, F> {
    /// Options for the transactions: isolation, read-only and others.
    ///
    /// # Examples
    /// ```
    /// # fn main() -> nestling::Result<()> {
    /// # let db = nestling::Database::open("sqlite::memory:")?;
    /// let layer = nestling::tower::AtomicLayer::new(db).transaction(|options| options.read_only().name("report"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn transaction(mut self, set: impl FnOnce(TransactionBuilder<'_>) -> TransactionBuilder<'_>) -> Self {
        self.options = set(self.db.build_transaction()).into_block_options();
        self
    }

    /// Which responses commit. Defaults to those with a status below 400.
    #[must_use]
    pub fn commit_if<D>(self, commits: D) -> AtomicLayer<D, F> {
        let Self { db, options, commits: _, failure } = self;
        AtomicLayer { db, options, commits, failure }
    }

    /// The response in place of one whose transaction could not be committed. Defaults to an empty 503 or 500.
    #[must_use]
    pub fn respond_to_failure<G>(self, failure: G) -> AtomicLayer<C, G> {
        let Self { db, options, commits, failure: _ } = self;
        AtomicLayer { db, options, commits, failure }
    }
}

impl<S, C: Clone, F: Clone> Layer<S> for AtomicLayer<C, F> {
    type Service = AtomicService<S, C, F>;

    fn layer(&self, inner: S) -> AtomicService<S, C, F> {
        AtomicService { inner, layer: self.clone() }
    }
}
