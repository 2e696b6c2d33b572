//! Cancellations from outside, at any moment of blocks that are nested and of statements that are joined. Fault kind: a BEGIN
//! that failed alone let the statement behind it commit.

use std::sync::atomic::{AtomicU64, Ordering};

use nestling::{Database, Error, params};

use crate::harness::Backend;

/// Cancels what the sessions of this test are at, and tells how much that was. Other tests have the same database.
const CANCEL: &str = "select count(*) filter (where pg_cancel_backend(pid)) from pg_stat_activity \
                      where application_name = 'cancel_storm' and state = 'active'";

async fn put(db: &Database, id: i32) -> Result<u64, Error> {
    db.execute("insert into item values ($1, 'put')", params![id]).await
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
                db.batch(&format!("insert into item values ({}, 'put'); select 1", first + 2)).await?;
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
