//! [`ScopeLayer`]: a layer that gives each request a scope, with settings that may follow from the request.

use std::fmt;

use tower_layer::Layer;

use super::{ScopeService, settings::NoSettings};
use crate::session::ScopeSettings;

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
///
/// The settings of a scope by its request: a tenant that a header names, for row-level security on PostgreSQL.
/// ```
/// use std::collections::HashMap;
///
/// use nestling::{Database, blocks::ScopeSettings, params, tower::ScopeLayer};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// /// Whatever a framework has for it.
/// struct Request {
///     headers: HashMap<&'static str, String>,
/// }
///
/// # fn service(db: Database) -> impl Service<Request, Response = i64, Error = nestling::Error> + Clone {
/// let tenant = |request: &Request| {
///     // Without the header the setting is empty, and the policy shows no row.
///     let tenant = request.headers.get("x-tenant").map_or("", String::as_str);
///     ScopeSettings::new().set_local("app.tenant", tenant)
/// };
/// ServiceBuilder::new().layer(ScopeLayer::new().settings(tenant)).service(service_fn(move |_: Request| {
///     let db = db.clone();
///     // create policy own on invoice using (tenant = current_setting('app.tenant'))
///     async move { db.query_one("select count(*) from invoice", params![]).await?.get(0) }
/// }))
/// # }
/// # drop(service(Database::open("sqlite::memory:")?));
/// # Ok::<_, nestling::Error>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct ScopeLayer<F = NoSettings> {
    settings: F,
}

impl ScopeLayer {
    /// The layer. Its scopes have no settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A layer that gives each scope the settings that `settings` makes of its request, as
    /// [`Scope::set_local`](crate::blocks::Scope::set_local) does.
    #[must_use]
    pub fn settings<Request, F: Fn(&Request) -> ScopeSettings>(self, settings: F) -> ScopeLayer<F> {
        ScopeLayer { settings }
    }
}

impl<S, F: Clone> Layer<S> for ScopeLayer<F> {
    type Service = ScopeService<S, F>;

    fn layer(&self, inner: S) -> ScopeService<S, F> {
        ScopeService::with(inner, self.settings.clone())
    }
}

impl<F> fmt::Debug for ScopeLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeLayer").finish_non_exhaustive()
    }
}
