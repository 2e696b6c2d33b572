//! The service of the page about axum: an order is a request, and a request is a transaction.

use std::{future, io, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use nestling::{
    Database, Error, ErrorKind, Isolation,
    blocks::{Retry, ScopeSettings},
    params,
    tower::{AtomicLayer, ScopeLayer},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tower::ServiceExt as _;

#[derive(Clone)]
struct Shop {
    db: Database,
    /// Orders that are to be packed.
    packing: mpsc::UnboundedSender<i64>,
}

fn router(shop: Shop) -> Router {
    let transaction = AtomicLayer::new(shop.db.clone());
    let writes = Router::new()
        .route("/products/{id}/orders", post(order))
        .layer(transaction.clone().transaction(|options| options.timeout(Duration::from_secs(5)).name("order")));
    let reads = Router::new()
        .route("/products/{id}", get(stock))
        .layer(transaction.transaction(|options| options.read_only().name("stock")));
    let others = Router::new()
        .route("/products/{id}/deliveries/{count}", post(deliver))
        .route("/health/live", get(|| async { "alive" }))
        .route("/health/ready", get(ready));
    writes.merge(reads).merge(others).with_state(shop)
}

async fn order(State(shop): State<Shop>, Path(product): Path<i64>) -> Result<StatusCode, Failure> {
    take(&shop.db, product).await?;
    shop.db.execute("insert into sale (product) values ($1)", params![product]).await?;
    let packing = shop.packing.clone();
    shop.db.on_commit(move || async move { packing.send(product) }).await?;
    Ok(StatusCode::CREATED)
}

/// Takes one from the stock. That it takes part in a transaction is not its business.
async fn take(db: &Database, product: i64) -> Result<(), Failure> {
    match db.execute("update product set stock = stock - 1 where id = $1", params![product]).await? {
        0 => Err(Failure::NoProduct),
        _ => Ok(()),
    }
}

async fn stock(State(shop): State<Shop>, Path(product): Path<i64>) -> Result<String, Failure> {
    let row = shop.db.query_opt("select stock from product where id = $1", params![product]).await?;
    let stock: i64 = row.ok_or(Failure::NoProduct)?.get(0)?;
    Ok(stock.to_string())
}

/// Why a request fails.
enum Failure {
    NoProduct,
    Database(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match &self {
            Self::NoProduct => (StatusCode::NOT_FOUND, "there is no such product"),
            Self::Database(error) if error.is_check_violation() => (StatusCode::CONFLICT, "it is sold out"),
            Self::Database(error) if error.is_retryable() || error.is_timeout() => {
                (StatusCode::SERVICE_UNAVAILABLE, "please try again")
            }
            Self::Database(error) => {
                tracing::error!(%error, "a request has failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong")
            }
        };
        (status, text).into_response()
    }
}

/// Has a transaction of its own, which may run several times.
async fn deliver(State(shop): State<Shop>, Path((product, count)): Path<(i64, i64)>) -> Result<StatusCode, Failure> {
    let db = &shop.db;
    let delivery = || async {
        let row = db.query_opt("select stock from product where id = $1", params![product]).await?;
        let Some(row) = row else { return Ok(0) };
        let stock = row.get::<i64>(0)? + count;
        db.execute("update product set stock = $1 where id = $2", params![stock, product]).await
    };
    let transaction = db.build_transaction().isolation(Isolation::Serializable).retry(Retry::serialization());
    match transaction.atomic(delivery).await? {
        0 => Err(Failure::NoProduct),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Whether requests can be served now.
async fn ready(State(shop): State<Shop>) -> StatusCode {
    match timeout(Duration::from_secs(2), shop.db.ping()).await {
        Ok(Ok(())) => StatusCode::OK,
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn serve(shop: Shop, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let db = shop.db.clone();
    axum::serve(listener, router(shop)).with_graceful_shutdown(stop).await?;
    db.close().await;
    Ok(())
}

/// A request without a body, and the status that it is answered with.
async fn ask(router: &Router, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn tables(db: &Database) {
    db.batch("create table product (id integer primary key, stock bigint not null check (stock >= 0))").await.unwrap();
    db.batch("create table sale (product bigint not null)").await.unwrap();
    db.execute("insert into product values (1, 1)", params![]).await.unwrap();
}

test_on! {
    every_backend;

    /// rules 13, 14, 45 and 52: the status decides, hooks run behind COMMIT, and a route without the layer may be retried
    async fn a_request_is_a_transaction(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        tables(backend.observer()).await;
        let (packing, mut packed) = mpsc::unbounded_channel();
        let router = router(Shop { db: backend.db.clone(), packing });
        // The time of a request is not for the making of a connection.
        wait_while!(backend.db.ping().await.is_err());
        assert_eq!(ask(&router, "POST", "/products/1/orders").await.0, StatusCode::CREATED);
        assert_eq!(packed.try_recv(), Ok(1), "the hook has run before the response goes out");
        assert_eq!(ask(&router, "GET", "/products/1").await, (StatusCode::OK, "0".into()));
        let sold_out = ask(&router, "POST", "/products/1/orders").await;
        assert_eq!(sold_out, (StatusCode::CONFLICT, "it is sold out".into()));
        assert_eq!(ask(&router, "POST", "/products/2/orders").await.0, StatusCode::NOT_FOUND);
        assert!(packed.try_recv().is_err());
        assert_eq!(ask(&router, "POST", "/products/1/deliveries/5").await.0, StatusCode::NO_CONTENT);
        assert_eq!(ask(&router, "POST", "/products/2/deliveries/5").await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&router, "GET", "/products/1").await.1, "5");
        assert_eq!(backend.observer().query("select product from sale", params![]).await.unwrap().len(), 1);
        assert_eq!(ask(&router, "GET", "/health/live").await.0, StatusCode::OK);
        wait_while!(ask(&router, "GET", "/health/ready").await.0 != StatusCode::OK);
        backend.settled().await;
        backend.db.close().await;
        assert_eq!(ask(&router, "GET", "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&router, "GET", "/products/1").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// rule 74: the whole service in a sandbox
    async fn a_service_is_tested_in_a_sandbox(backend) {
        let db = backend.db.clone();
        tables(backend.observer()).await;
        let sandbox = db.begin_sandbox().await.unwrap();
        let (packing, _packed) = mpsc::unbounded_channel();
        let router = router(Shop { db: sandbox.database().clone(), packing });
        let order = Request::post("/products/1/orders").body(axum::body::Body::empty()).unwrap();
        let response = router.oneshot(order).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(sandbox.query("select * from sale", params![]).await.unwrap().len(), 1);
        sandbox.end().await;
        assert_eq!(backend.observer().query("select * from sale", params![]).await.unwrap().len(), 0);
    }

    /// rule 46: what is to be kept of a request that is refused
    async fn a_refused_request_leaves_a_note(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        tables(backend.observer()).await;
        backend.observer().batch("create table refusal (product bigint)").await.unwrap();
        let db = backend.db.clone();
        let refuse = move |Path(product): Path<i64>| async move {
            let log = db.clone();
            db.on_rollback(move || async move {
                log.execute("insert into refusal values ($1)", params![product]).await
            })?;
            take(&db, product).await?;
            Ok::<_, Failure>(StatusCode::OK)
        };
        let router = Router::new().route("/{id}", post(refuse)).layer(AtomicLayer::new(backend.db.clone()));
        assert_eq!(ask(&router, "POST", "/2").await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask(&router, "POST", "/1").await.0, StatusCode::OK);
        let noted = backend.observer().query("select product from refusal", params![]).await.unwrap();
        assert_eq!(noted.iter().map(|row| row.get::<i64>(0).unwrap()).collect::<Vec<_>>(), [2]);
    }

    /// rule 54: a request that takes too long
    async fn a_request_has_a_time(backend) {
        let layer = AtomicLayer::new(backend.db.clone()).transaction(|options| options.timeout(Duration::from_millis(20)));
        let router = Router::new().route("/", get(future::pending::<StatusCode>)).layer(layer);
        assert_eq!(ask(&router, "GET", "/").await, (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    }

    /// rule 34: what `serve` leaves behind
    async fn a_service_that_is_stopped_closes_its_database(backend) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (packing, _packed) = mpsc::unbounded_channel();
        let shop = Shop { db: backend.db.clone(), packing };
        backend.db.ping().await.unwrap();
        serve(shop, listener, async {}).await.unwrap();
        assert_eq!(backend.db.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    }
}

test_on! {
    [postgres];

    /// rule 55: settings by the request
    async fn a_tenant_is_a_setting_of_the_request(backend) {
        let db = backend.db.clone();
        let handler = move || async move {
            let row = db.query_one("select current_setting('app.tenant')", params![]).await?;
            Ok::<_, Failure>(row.get::<String>(0)?)
        };
        let tenant = |request: &Request<axum::body::Body>| {
            let tenant = request.headers().get("x-tenant").and_then(|tenant| tenant.to_str().ok());
            ScopeSettings::new().set_local("app.tenant", tenant.unwrap_or_default())
        };
        let router = Router::new()
            .route("/", get(handler))
            .layer(AtomicLayer::new(backend.db.clone()))
            .layer(ScopeLayer::new().settings(tenant));
        let request = Request::get("/").header("x-tenant", "acme").body(axum::body::Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        assert_eq!(&*body, b"acme");
    }
}
