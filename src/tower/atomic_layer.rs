//! [`AtomicLayer`]: a layer that runs each request in a transaction, which is committed if the response says so.

use tower_layer::Layer;

use super::{
    AtomicService,
    request_transaction::{RequestTransaction, ServerErrorStatus, StatusBelow400},
};
use crate::db::{BlockOptions, Database, TransactionBuilder};

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
    transaction: RequestTransaction<C, F>,
}

impl AtomicLayer {
    /// The layer, for the transactions of a database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        let options = BlockOptions::default();
        let transaction = RequestTransaction { db, options, commits: StatusBelow400, failure: ServerErrorStatus };
        Self { transaction }
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
        self.transaction.options = set(self.transaction.db.build_transaction()).into_block_options();
        self
    }

    /// Which responses commit. Defaults to those with a status below 400.
    #[must_use]
    pub fn commit_if<D>(self, commits: D) -> AtomicLayer<D, F> {
        let RequestTransaction { db, options, commits: _, failure } = self.transaction;
        AtomicLayer { transaction: RequestTransaction { db, options, commits, failure } }
    }

    /// The response in place of one whose transaction could not be committed. Defaults to an empty 503 or 500.
    #[must_use]
    pub fn respond_to_failure<G>(self, failure: G) -> AtomicLayer<C, G> {
        let RequestTransaction { db, options, commits, failure: _ } = self.transaction;
        AtomicLayer { transaction: RequestTransaction { db, options, commits, failure } }
    }
}

impl<S, C: Clone, F: Clone> Layer<S> for AtomicLayer<C, F> {
    type Service = AtomicService<S, C, F>;

    fn layer(&self, inner: S) -> AtomicService<S, C, F> {
        AtomicService { inner, transaction: self.transaction.clone() }
    }
}
