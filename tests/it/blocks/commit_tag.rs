//! COMMIT says by its tag what it did, so that it is sent as it is, whatever was sent before (rule 17). `leaving` has what
//! comes of it.

use nestling::{Error, ErrorKind, params};

use crate::{harness::Backend, proxy::Proxy};

async fn wired() -> (Backend, Proxy) {
    Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1))
}

async fn insert(backend: &Backend, id: i64) -> Result<(), Error> {
    backend.db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]).await.map(|_| ())
}

/// How the last transaction was committed.
fn ended_by(proxy: &Proxy) -> String {
    proxy.counts().sequence().last().expect("a message").to_string()
}

/// rule 17: a client that was lent before the transaction began, and fails in it behind our back
#[tokio::test]
async fn a_commit_that_became_a_rollback_is_known_and_costs_nothing_more() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let pinned = db.connection(|| async {
        let client = db.with_postgres(|client| async move { Ok::<_, Error>(client) }).await?;
        db.atomic(|| insert(&backend, 1)).await.expect("nothing went wrong");
        assert_eq!(ended_by(&proxy), "COMMIT");
        let bad = db.atomic(|| async {
            insert(&backend, 2).await?;
            client.batch_execute("select no_such_column").await.expect_err("there is none");
            Ok::<_, Error>(())
        });
        let error = bad.await.expect_err("it was rolled back");
        assert_eq!((error.kind(), &*ended_by(&proxy)), (ErrorKind::RolledBack, "COMMIT"));
        Ok::<_, Error>(())
    });
    pinned.await.expect("the connection stays");
    backend.settled().await;
    db.atomic(|| insert(&backend, 3)).await.expect("it commits");
    assert_eq!(backend.items().await.len(), 2);
}

/// rule 17: an error that was caught at a savepoint, and a stream that was dropped before its end
#[tokio::test]
async fn what_came_before_does_not_matter() {
    use futures_util::TryStreamExt as _;
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(&backend, 1).await?;
        let child = db.atomic(|| insert(&backend, 1)).await;
        assert!(child.expect_err("the id is taken").is_unique_violation());
        let mut rows = db.stream("select generate_series(1, 100000)", params![]).await?;
        rows.try_next().await?.expect("a row");
        drop(rows);
        insert(&backend, 2).await
    });
    work.await.expect("it commits");
    assert_eq!(ended_by(&proxy), "COMMIT");
    assert_eq!(backend.items().await.len(), 2);
}
