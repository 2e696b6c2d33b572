//! What a body does in which the outer transaction is suspended, and what it may not do (rules 1, 28, 29, 52).

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use nestling::{
    Database, Error, ErrorKind,
    blocks::{Propagation, Retry},
    params,
    status::Status,
};

use super::with;
use crate::{drops::BOUND, harness::insert};

async fn count(db: &Database) -> Result<i64, Error> {
    db.query_one("select count(*) from item", params![]).await?.get(0)
}

/// A transaction of its own.
fn new(db: &Database) -> nestling::TransactionBuilder<'_> {
    with(db, Propagation::RequiresNew)
}

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

test_on! {
    every_server;

    /// rule 28: what it has committed stays, and blocks inside are its own
    async fn a_new_transaction_stays_whatever_becomes_of_the_outer_one(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let outer = db.atomic(|| async {
            insert(db, 1, "outer").await?;
            new(db).atomic(|| async {
                insert(db, 2, "new").await?;
                db.savepoint(|| async {
                    assert_eq!((db.depth(), db.current_savepoint().as_deref()), (2, Some("_n1")));
                    insert(db, 3, "nested").await?;
                    new(db).atomic(|| async {
                        assert_eq!((db.depth(), count(db).await?), (1, 0));
                        insert(db, 4, "newer").await
                    })
                    .await?;
                    assert_eq!((db.depth(), count(db).await?), (2, 3), "the newer one is committed");
                    Ok::<_, Error>(())
                })
                .await?;
                let own = db.clone();
                db.transaction(move || async move { insert(&own, 5, "joined the new one").await }).await
            })
            .await?;
            assert_eq!(backend.items().await, ["joined the new one", "nested", "new", "newer"]);
            // A mark is that of the innermost transaction, and there is none in the other mode.
            new(db).atomic(|| async { insert(db, 6, "marked").await?; db.set_rollback_only() }).await?;
            let bare = with(db, Propagation::NotSupported).atomic(|| async { db.set_rollback_only() });
            assert_eq!(bare.await.expect_err("no transaction").kind(), ErrorKind::NoTransaction);
            assert_eq!(db.status(), Status::Open);
            with(db, Propagation::NotSupported).atomic(|| insert(db, 7, "on its own")).await?;
            db.query_one("select 1 where 1 = 2", params![]).await
        });
        assert_eq!(outer.await.expect_err("its own").kind(), ErrorKind::NoRow);
        backend.settled().await;
        assert_eq!(backend.items().await, ["joined the new one", "nested", "new", "newer", "on its own"]);
    }

    /// rules 28 and 52: it is a root, so that it is retried by itself
    async fn a_new_transaction_is_retried_by_itself(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        insert(db, 1, "taken").await.expect("a row");
        let (outer_runs, inner_runs) = (AtomicI64::new(0), AtomicI64::new(0));
        let retry = || Retry::serialization().when(Error::is_unique_violation).backoff(Duration::ZERO, Duration::ZERO);
        let outer = db.build_transaction().retry(retry()).atomic(|| async {
            outer_runs.fetch_add(1, Ordering::SeqCst);
            db.query("select 1", params![]).await?;
            let inner = new(db).retry(retry()).atomic(|| async {
                let id = inner_runs.fetch_add(1, Ordering::SeqCst) + 1;
                insert(db, id, &format!("attempt {id}")).await
            });
            inner.await
        });
        outer.await.expect("the second attempt of the inner one commits");
        assert_eq!((outer_runs.into_inner(), inner_runs.into_inner()), (1, 2));
        assert_eq!(backend.items().await, ["attempt 2", "taken"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 1 and 28: only the transaction of that database is suspended
    async fn blocks_of_other_databases_stay_as_they_are(backend) {
        let backend = backend.with_items().await;
        let (one, two) = (&backend.db, &backend.builder().build().expect("a second handle"));
        let read_only = |db| new(db).read_only();
        let outer = one.build_transaction().read_only().atomic(|| async {
            count(one).await?;
            two.build_transaction().read_only().atomic(|| async {
                count(two).await?;
                two.atomic(|| async {
                    for propagation in [Propagation::RequiresNew, Propagation::NotSupported] {
                        let is_new = u32::from(propagation == Propagation::RequiresNew);
                        let inside = |suspended, beside| async move {
                            let (suspended, beside): (&Database, &Database) = (suspended, beside);
                            assert_eq!(suspended.depth(), is_new);
                            Ok::<_, Error>(beside.depth())
                        };
                        assert_eq!(with(one, propagation).atomic(|| inside(one, two)).await?, 2);
                        assert_eq!(with(two, propagation).atomic(|| inside(two, one)).await?, 1);
                    }
                    // One suspended within the other, each of them to be seen again behind its own.
                    read_only(one).atomic(|| async {
                        read_only(two).atomic(|| async {
                            assert_eq!((one.depth(), two.depth()), (1, 1));
                            count(one).await?;
                            one.atomic(|| async { assert_eq!((one.depth(), two.depth()), (2, 1)); Ok::<_, Error>(()) }).await?;
                            with(one, Propagation::NotSupported).atomic(|| async {
                                assert_eq!((one.depth(), two.depth()), (0, 1));
                                Ok::<_, Error>(())
                            })
                            .await
                        })
                        .await?;
                        assert_eq!((one.depth(), two.depth()), (1, 2));
                        Ok::<_, Error>(())
                    })
                    .await
                })
                .await
            })
            .await?;
            assert_eq!((one.depth(), two.depth()), (1, 0));
            Ok::<_, Error>(())
        });
        outer.await.expect("nothing fails");
        backend.settled().await;
        backend.settled_with(two).await;
    }

    /// rules 29 and 61: at once, and with that reason
    async fn a_new_transaction_without_a_free_connection_is_told_so(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(2).acquire_timeout(LONG));
        let db = &backend.db;
        let start = Instant::now();
        let read_only = || new(db).read_only();
        let outer = db.atomic(|| async {
            // What has sent nothing holds nothing yet.
            read_only().atomic(|| read_only().atomic(|| count(db))).await?;
            count(db).await?;
            read_only().atomic(|| async {
                count(db).await?;
                let errors = [
                    read_only().atomic(|| count(db)).await.expect_err("both are held"),
                    with(db, Propagation::NotSupported).atomic(|| count(db)).await.expect_err("both are held"),
                    nestling::scope(read_only().atomic(|| count(db))).await.expect_err("both are held"),
                ];
                for error in errors {
                    let text = "this task already holds 2 of the 2 connections, and waiting for another would be for ever";
                    assert_eq!((error.kind(), error.to_string()), (ErrorKind::PoolTimeout, text.to_owned()));
                }
                assert_eq!((db.depth(), db.status()), (1, Status::Open), "the one around goes on");
                count(db).await
            })
            .await?;
            // Its connection is free again.
            read_only().atomic(|| count(db)).await
        });
        outer.await.expect("the outer one commits");
        assert!(start.elapsed() < LONG, "nobody waits");
        backend.settled().await;
    }
}

test_on! {
    sqlite;

    /// rules 9 and 29: two writers of one task cannot both have the lock
    async fn a_new_writer_within_a_writer_is_told_so(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(LONG));
        let db = &backend.db;
        let outer = db.atomic(|| async {
            insert(db, 1, "outer").await?;
            let start = Instant::now();
            let writer = new(db).atomic(|| insert(db, 2, "new")).await.expect_err("the task has the lock");
            assert_eq!(writer.kind(), ErrorKind::TurnTimeout, "{writer:?}");
            let alone = with(db, Propagation::NotSupported).atomic(|| insert(db, 2, "alone")).await;
            assert_eq!(alone.expect_err("the task has the lock").kind(), ErrorKind::TurnTimeout);
            assert!(start.elapsed() < LONG, "nobody waits");
            assert_eq!(new(db).read_only().atomic(|| count(db)).await?, 0, "it may read");
            insert(db, 3, "outer still").await
        });
        tokio::time::timeout(LONG, outer).await.expect("no hang").expect("the outer one commits");
        assert_eq!(backend.items().await, ["outer", "outer still"]);
        backend.settled().await;
    }
}

/// rule 29: a database in memory has one connection
#[tokio::test]
async fn a_database_in_memory_has_no_second_transaction() {
    let db = &Database::open("sqlite::memory:").expect("a valid URL");
    db.batch("create table item (id integer primary key, name text)").await.expect("a table");
    let outer = db.atomic(|| async {
        insert(db, 1, "outer").await?;
        let second = tokio::time::timeout(BOUND, new(db).atomic(|| insert(db, 2, "new"))).await.expect("at once");
        assert_eq!(second.expect_err("there is no second one").kind(), ErrorKind::PoolTimeout);
        count(db).await
    });
    assert_eq!(outer.await.expect("the outer one commits"), 1);
    assert_eq!(new(db).atomic(|| count(db)).await.expect("nothing is suspended"), 1);
}
