//! [`ScopeLayer`]: a layer that gives each request a scope.

use tower_layer::Layer;

use super::ScopeService;

/// Puts each request of a service into a [`scope`](crate::scope) of its own.
///
/// A transaction that is open where the service is called is not visible in the request, and two requests never share
/// one. In the request, [`Database::transaction`](crate::Database::transaction) runs in place.
///
/// # Examples
/// ```
/// use nestling::{Database, Error, params, tower::ScopeLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table guest (name text unique)").await?;
///
/// let handler = db.clone();
/// let mut service = ServiceBuilder::new().layer(ScopeLayer::new()).service_fn(move |name: &'static str| {
///     let db = handler.clone();
///     async move {
///         db.clone().transaction(move || async move { db.execute("insert into guest values ($1)", params![name]).await }).await
///     }
/// });
///
/// assert_eq!(service.ready().await?.call("ada").await?, 1);
/// assert!(service.ready().await?.call("ada").await.is_err_and(|error| error.is_unique_violation()));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ScopeLayer;

impl ScopeLayer {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for ScopeLayer {
    type Service = ScopeService<S>;

    fn layer(&self, inner: S) -> ScopeService<S> {
        ScopeService::new(inner)
    }
}
