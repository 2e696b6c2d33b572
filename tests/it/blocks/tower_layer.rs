//! The layer for tower: each request in a scope of its own.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use nestling::{
    Database, Error, ErrorKind,
    blocks::ScopeSettings,
    params,
    tower::{ScopeLayer, ScopeService},
};
use tokio::sync::Notify;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};

/// Adds an item in a block, tells so, and waits in it for as long as it is told to.
fn adding(
    db: &Database,
    added: &Arc<Notify>,
) -> impl Service<(i32, Duration), Response = u32, Error = Error, Future: Send> + Clone + use<> {
    let (db, added) = (db.clone(), Arc::clone(added));
    ServiceBuilder::new().layer(ScopeLayer::new()).service_fn(move |(id, wait): (i32, Duration)| {
        let (db, added) = (db.clone(), Arc::clone(&added));
        async move {
            let outside = db.depth();
            db.atomic(|| async {
                db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]).await?;
                added.notify_one();
                tokio::time::sleep(wait).await;
                Ok::<_, Error>(())
            })
            .await?;
            Ok(outside)
        }
    })
}

test_on! {
    every_backend;

    /// rule 7: what is open around the call is not visible in the request
    async fn a_request_has_a_scope_of_its_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let service = adding(db, &Arc::default());
        let around = db.atomic(|| async {
            // A block around it that has sent nothing, so that SQLite has nothing to wait for.
            assert_eq!(service.clone().oneshot((1, Duration::ZERO)).await?, 0, "the block around it is not seen");
            assert_eq!(backend.items().await, ["item 1"], "committed on its own, while that block is open");
            assert_eq!(db.depth(), 1, "the context is as it was");
            Err::<(), Box<dyn std::error::Error + Send + Sync>>("rolled back".into())
        });
        around.await.expect_err("it was rolled back");
        assert_eq!(backend.items().await, ["item 1"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 7 and 37: a request that is dropped leaves nothing open, and disturbs no other one
    async fn a_dropped_request_is_rolled_back(backend) {
        let backend = backend.with_items().await;
        let added = Arc::new(Notify::new());
        let service = adding(&backend.db, &added);
        let slow = tokio::spawn(service.clone().oneshot((1, Duration::from_secs(60))));
        added.notified().await;
        slow.abort();
        assert!(slow.await.expect_err("it was aborted").is_cancelled());
        // Were the first one still open at the server, this one would wait for it, and find its name taken.
        assert_eq!(service.oneshot((1, Duration::ZERO)).await.expect("the next request"), 0);
        assert_eq!(backend.items().await, ["item 1"]);
        backend.settled().await;
    }
}

/// The tenant of a request.
#[derive(Clone)]
struct Request {
    tenant: Option<String>,
}

test_on! {
    every_server;

    /// rules 7 and 55: the settings of a scope follow from its request, and are not those of the next one
    async fn a_function_makes_the_settings_of_a_request(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        let (key, sql) = backend.choose(
            ("app.tenant", "select coalesce(current_setting('app.tenant', true), '')"),
            ("lock_wait_timeout", "select cast(@@session.lock_wait_timeout as char)"),
            ("", ""),
        );
        let before: String = backend.db.query_one(sql, params![]).await.unwrap().get(0).unwrap();
        let layer = ScopeLayer::new().settings(move |request: &Request| match &request.tenant {
            Some(tenant) => ScopeSettings::new().set_local(key, tenant),
            None => ScopeSettings::new(),
        });
        let db = backend.db.clone();
        let service = ServiceBuilder::new().layer(layer).service_fn(move |_: Request| {
            let db = db.clone();
            async move { db.query_one(sql, params![]).await?.get::<String>(0) }
        });
        let call = async |tenant: Option<&str>| {
            service.clone().oneshot(Request { tenant: tenant.map(str::to_owned) }).await.expect("it answers")
        };
        assert_eq!(call(Some("11")).await, "11");
        assert_eq!(call(None).await, before);
        assert_eq!(nestling::scope(call(None)).set_local(key, "22").await, "22", "inherited from around the call");
        assert_eq!(nestling::scope(call(Some("33"))).set_local(key, "22").await, "33");
        assert_eq!(format!("{layer:?}"), "ScopeLayer { .. }");
        backend.settled().await;
    }
}

/// rule 55
#[tokio::test]
async fn a_request_with_settings_is_refused_on_sqlite() {
    let db = Database::open("sqlite::memory:").expect("a valid URL");
    let layer = ScopeLayer::new().settings(|tenant: &&str| ScopeSettings::new().set_local("app.tenant", tenant));
    let service = ServiceBuilder::new().layer(layer).service_fn(move |_: &str| {
        let db = db.clone();
        async move { db.query("select 1", params![]).await }
    });
    assert_eq!(service.oneshot("7").await.expect_err("no settings").kind(), ErrorKind::Unsupported);
}

/// Looks for its context when it is called, before there is a future.
#[derive(Clone)]
struct Early(Database);

impl Service<()> for Early {
    type Response = u32;
    type Error = Error;
    type Future = Ready<Result<u32, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(self.0.depth()))
    }
}

/// rule 7
#[tokio::test]
async fn a_service_is_in_the_scope_when_it_is_called() {
    let db = Database::open("sqlite::memory:").expect("a valid URL");
    let bare = Early(db.clone());
    let scoped: ScopeService<Early> = ScopeLayer::new().layer(bare.clone());
    let depths = db.atomic(|| async {
        let inside = scoped.clone().oneshot(()).await?;
        Ok::<_, Error>((bare.clone().oneshot(()).await?, inside, scoped.into_inner().oneshot(()).await?))
    });
    assert_eq!(depths.await.expect("depths"), (1, 0, 1));
}
