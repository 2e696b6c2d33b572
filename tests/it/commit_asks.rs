//! When COMMIT asks the server first whether the transaction still stands: only where something was sent of which nobody
//! has seen that it succeeded (rule 17). `leaving` has what comes of it.

use nestling::{Error, ErrorKind, params};

use crate::{harness::Backend, proxy::Proxy};

const ASKS: &str = "SELECT; COMMIT";

async fn wired() -> (Backend, Proxy) {
    Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1))
}

async fn insert(backend: &Backend, id: i64) -> Result<(), Error> {
    backend.db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]).await.map(|_| ())
}

/// How the last transaction was committed.
fn committed_by(proxy: &Proxy) -> String {
    proxy.counts().sequence().last().expect("a message").to_string()
}

/// rule 17: an error that was caught at a savepoint, and the transaction behind it
#[tokio::test]
async fn commit_asks_after_an_error_and_not_in_the_next_transaction() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(&backend, 1).await?;
        let child = db.atomic(|| insert(&backend, 1)).await;
        assert!(child.expect_err("the id is taken").is_unique_violation());
        insert(&backend, 2).await
    });
    work.await.expect("it commits");
    assert_eq!(committed_by(&proxy), ASKS);
    db.atomic(|| insert(&backend, 3)).await.expect("it commits");
    assert_eq!(committed_by(&proxy), "COMMIT");
    assert_eq!(backend.items().await.len(), 3);
}

/// rule 17: a client that was lent before the transaction began, and fails in it behind our back
#[tokio::test]
async fn commit_asks_while_a_native_client_is_about() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let pinned = db.connection(|| async {
        let client = db.with_postgres(|client| async move { Ok::<_, Error>(client) }).await?;
        let good = db.atomic(|| insert(&backend, 1)).await;
        let sequence = committed_by(&proxy);
        let bad = db.atomic(|| async {
            insert(&backend, 2).await?;
            client.batch_execute("select no_such_column").await.expect_err("there is none");
            Ok::<_, Error>(())
        });
        Ok::<_, Error>((good, sequence, bad.await))
    });
    let (good, sequence, bad) = pinned.await.expect("the connection stays");
    good.expect("nothing went wrong");
    assert_eq!(sequence, ASKS);
    assert_eq!(bad.expect_err("it was rolled back").kind(), ErrorKind::RolledBack);
    backend.settled().await;
    db.atomic(|| insert(&backend, 3)).await.expect("it commits");
    assert_eq!(committed_by(&proxy), "COMMIT");
    assert_eq!(backend.items().await.len(), 2);
}

/// rule 17: rows that were taken to their end, and a stream that was dropped before it
#[tokio::test]
async fn commit_asks_after_a_stream_that_was_dropped() {
    use futures_util::TryStreamExt as _;
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    for whole in [true, false] {
        let work = db.atomic(|| async {
            insert(&backend, whole.into()).await?;
            let mut rows = db.stream("select generate_series(1, 10000)", params![]).await?;
            while rows.try_next().await?.is_some() && whole {}
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        assert_eq!(committed_by(&proxy), if whole { "COMMIT" } else { ASKS });
    }
}
