//! A BEGIN that fails alone, by whatever: nothing runs outside the transaction that it was to begin. Fault kind: statements
//! that were pipelined behind it, or stood behind it in a request of their own, were committed.

use std::sync::atomic::{AtomicU64, Ordering};

use nestling::{Database, Error, ErrorKind, params};

use crate::harness::Backend;

/// Cancels what the sessions of this test are at, and tells how much that was. Other tests have the same database.
const CANCEL: &str = "select count(*) filter (where pg_cancel_backend(pid)) from pg_stat_activity \
                      where application_name = 'cancel_storm' and state = 'active'";

async fn put(db: &Database, id: i32) -> Result<u64, Error> {
    db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]).await
}

/// rule 56: BEGIN and the steps of savepoints are prepared where statements are kept, and parsed each time where none is
#[tokio::test]
async fn without_a_cache_no_step_is_prepared() {
    let steps = "select count(*) from pg_prepared_statements where statement ~ '^(BEGIN|SAVEPOINT|RELEASE|ROLLBACK)'";
    for (capacity, expected) in [(0, 0), (8, 3)] {
        let backend = Backend::postgres().await;
        let backend = backend.with(|options| options.max_connections(1).statement_cache_capacity(capacity));
        let db = &backend.db;
        // Before its first answer a pool does not know whether names are kept.
        db.query_one("select 1", ()).await.expect("a row");
        let count = || async {
            for _ in 0..2 {
                db.atomic(|| async { db.query_one("select 1", ()).await.map(drop) }).await?;
            }
            // A release is sent with this, and the savepoint and the BEGIN were before.
            db.query_one(steps, ()).await?.get::<i64>(0)
        };
        let found = db.atomic(count).await.expect("a number");
        assert_eq!(found, expected, "with room for {capacity}");
        assert_eq!(db.atomic(count).await.expect("a number"), expected);
    }
}

/// rules 19, 31: as many blocks as it takes for a hundred cancellations
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_there_without_its_transaction_whatever_is_cancelled() {
    let mut backend = Backend::postgres().await.with_items().await;
    let url = format!("{}&application_name=cancel_storm", backend.url());
    backend.db = Database::builder(&url).max_connections(2).build().expect("a valid URL");
    let db = &backend.db;
    let cancelled = AtomicU64::new(0);
    let storm = async {
        while cancelled.load(Ordering::Relaxed) < 100 {
            let hit: i64 = backend.observer().query_one(CANCEL, ()).await.expect("it may").get(0).expect("a number");
            cancelled.fetch_add(hit.cast_unsigned(), Ordering::Relaxed);
        }
    };
    let blocks = async {
        let (mut kept, mut failed) = (Vec::new(), 0);
        for first in (0..).step_by(4) {
            let work = db.atomic(|| async {
                // What cannot know whether BEGIN has succeeded, a text of several statements, and a savepoint.
                tokio::try_join!(put(db, first), put(db, first + 1))?;
                db.batch(&format!("insert into item values ({0}, 'item {0}'); select 1", first + 2)).await?;
                db.atomic(|| put(db, first + 3)).await
            });
            match work.await {
                Ok(_) => kept.extend(first..first + 4),
                Err(_) => failed += 1,
            }
            if cancelled.load(Ordering::Relaxed) >= 100 {
                break;
            }
        }
        (kept, failed)
    };
    let ((kept, failed), ()) = tokio::join!(blocks, storm);
    backend.settled().await;
    let rows = backend.observer().query("select id from item order by id", ()).await.expect("the rows");
    let rows: Vec<i32> = rows.iter().map(|row| row.get(0).expect("an id")).collect();
    assert_eq!(rows, kept);
    assert!(failed > 0, "the storm has hit something");
}

/// rule 19: what tells whether the transaction is open fails for a reason of its own, as if it was cancelled: that is what the
/// error says, and not that BEGIN has failed
#[tokio::test]
async fn a_guard_that_fails_tells_its_own_reason() {
    let (backend, proxy) = Backend::postgres_without_names()
        .await
        .with_items()
        .await
        .behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    put(db, 1).await.expect("it is described");
    proxy.forge(Some(("SAVEPOINT _n0", "SELECT 1/0   ")));
    let joined = db.atomic(|| async {
        let (first, second) = tokio::join!(biased; put(db, 2), put(db, 3));
        assert_eq!(first.expect("it is what begins the transaction"), 1);
        second
    });
    let error = joined.await.expect_err("it was not sure");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("22012")), "{error:?}");
    proxy.forge(None);
    db.atomic(|| put(db, 4)).await.expect("the next one works");
    backend.settled().await;
    assert_eq!(backend.items().await, ["item 1", "item 4"]);
}

/// rule 19: BEGIN has a wrong word when it comes to the server; what is joined with it is on its way already
#[tokio::test]
async fn nothing_runs_behind_a_begin_that_has_failed() {
    let (backend, proxy) =
        Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    put(db, 1).await.expect("it is prepared");
    proxy.forge(Some(("BEGIN", "BEGXN")));
    let joined = db.atomic(|| async {
        let text = db.batch("insert into item values (4, 'item 4')");
        let (first, second, third) = tokio::join!(put(db, 2), put(db, 3), text);
        let failed = [first.is_err(), second.is_err(), third.is_err()];
        assert_eq!(failed, [true; 3], "none of them has run");
        first
    });
    assert_eq!(joined.await.expect_err("BEGIN has failed").code(), Some("42601"));
    let text = db.atomic(|| db.batch("insert into item values (5, 'item 5')"));
    text.await.expect_err("BEGIN has failed");
    proxy.forge(None);
    db.atomic(|| put(db, 6)).await.expect("the next one works");
    backend.settled().await;
    let rows = backend.observer().query("select id from item order by id", ()).await.expect("the rows");
    assert_eq!(rows.iter().map(|row| row.get(0).expect("an id")).collect::<Vec<i32>>(), [1, 6]);
}
