//! Scopes, and what a program can ask about the block it is in: rules 7 and 12 of the specification.

use std::{panic::AssertUnwindSafe, pin::pin};

use futures_util::FutureExt as _;
use nestling::{Database, Error, params, status::Status};

use crate::harness::{Backend, insert, poll_once};

async fn count(db: &Database) -> Result<i64, Error> {
    db.query_one("select count(*) from item", params![]).await?.get(0)
}

fn state(db: &Database) -> (bool, u32, Option<String>, Status) {
    (db.in_transaction(), db.depth(), db.current_savepoint(), db.status())
}

fn outside() -> (bool, u32, Option<String>, Status) {
    (false, 0, None, Status::None)
}

test_on! {
    every_backend;

    /// rule 7
    async fn a_scope_hides_what_is_open_outside_and_brings_it_back(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            nestling::scope(async {
                assert_eq!(state(db), outside());
                assert_eq!(count(db).await?, 0, "on another connection");
                // A root of its own, which reads only: SQLite has one writer.
                let inner = db.build_transaction().read_only().atomic(|| async {
                    assert_eq!(db.depth(), 1);
                    assert_eq!(nestling::scope(async { state(db) }).await, outside());
                    count(db).await
                });
                assert_eq!(inner.await?, 0);
                assert_eq!(state(db), outside());
                Ok::<_, Error>(())
            })
            .await?;
            assert_eq!(state(db), (true, 1, None, Status::Open));
            assert_eq!(count(db).await?, 1, "the transaction is the same as before");
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 7
    async fn a_scope_that_is_dropped_or_panics_leaves_the_context_as_it_was(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            {
                // Dropped at once, in a statement, in a block, and where it waits for ever.
                let never = nestling::scope(count(db));
                drop(never);
                let mut in_statement = pin!(nestling::scope(count(db)));
                let _ = poll_once(in_statement.as_mut()).await;
                let mut in_block = pin!(nestling::scope(db.build_transaction().read_only().atomic(|| async {
                    count(db).await?;
                    std::future::pending::<Result<(), Error>>().await
                })));
                for _ in 0..20 {
                    assert!(poll_once(in_block.as_mut()).await.is_pending());
                    assert_eq!(db.depth(), 1, "between two polls the outer context is in place");
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(state(db), (true, 1, None, Status::Open));
            let panics = nestling::scope(async { panic!("on purpose") });
            AssertUnwindSafe(panics).catch_unwind().await.expect_err("it panics");
            assert_eq!(state(db), (true, 1, None, Status::Open));
            insert(db, 2, "kept too").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
        backend.settled().await;
    }
}

/// A value that asks for the depth while it is dropped.
struct AsksInDrop<'d>(&'d Database, &'d std::cell::Cell<u32>);

impl Drop for AsksInDrop<'_> {
    fn drop(&mut self) {
        self.1.set(self.0.depth());
    }
}

test_on! {
    every_backend;

    /// rule 7: the drop of what is inside sees the inside
    async fn what_is_dropped_with_a_scope_still_sees_its_context(backend) {
        let db = &backend.db;
        let seen = std::cell::Cell::new(77);
        let block = db.atomic(|| async {
            let mut inner = Box::pin(nestling::scope(async {
                let _asks = AsksInDrop(db, &seen);
                std::future::pending::<()>().await;
            }));
            assert!(poll_once(inner.as_mut()).await.is_pending());
            drop(inner);
            assert_eq!(seen.get(), 0, "a scope inside a block: nothing is open");
            let mut inner = Box::pin(db.atomic(|| async {
                let _asks = AsksInDrop(db, &seen);
                std::future::pending::<Result<(), Error>>().await
            }));
            assert!(poll_once(inner.as_mut()).await.is_pending());
            drop(inner);
            assert_eq!(seen.get(), 2, "a block inside a block");
            Ok::<_, Error>(())
        });
        block.await.expect("it commits");
    }
}

test_on! {
    every_backend;

    /// rule 12
    async fn the_state_is_told_at_every_level_and_is_back_after_every_way_out(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        assert_eq!(state(db), outside());
        let work = db.atomic(|| async {
            assert_eq!(state(db), (true, 1, None, Status::Open), "before anything is sent");
            insert(db, 1, "kept").await?;
            db.savepoint_named("mine", || async {
                assert_eq!(state(db), (true, 2, Some("mine".into()), Status::Open));
                db.atomic(|| async {
                    assert_eq!(state(db), (true, 3, Some("_n2".into()), Status::Open));
                    Ok::<_, Error>(())
                })
                .await
            })
            .await?;
            every_way_out(db, 1).await;
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        every_way_out(db, 0).await;
        assert_eq!(state(db), outside());
        backend.settled().await;
    }
}

/// Leaves a block in every way, and looks at the depth after it.
async fn every_way_out(db: &Database, depth: u32) {
    let inside = async || {
        assert_eq!(db.depth(), depth + 1);
        db.query("select 1", params![]).await.map(|_| ())
    };
    db.atomic(|| async { inside().await }).await.expect("it commits");
    assert_eq!(db.depth(), depth, "after Ok");
    let failed = db.atomic(|| async {
        inside().await?;
        Err::<(), _>(db.query_one("select 1 where 1 = 2", params![]).await.expect_err("no row"))
    });
    failed.await.expect_err("the body's own");
    assert_eq!(db.depth(), depth, "after Err");
    let panics = db.atomic(|| async {
        inside().await?;
        if depth < 9 {
            panic!("on purpose");
        }
        Ok::<_, Error>(())
    });
    AssertUnwindSafe(panics).catch_unwind().await.expect_err("it panics");
    assert_eq!(db.depth(), depth, "after a panic");
    let mut dropped = Box::pin(db.atomic(|| async {
        inside().await?;
        std::future::pending::<Result<(), Error>>().await
    }));
    for _ in 0..5 {
        assert!(poll_once(dropped.as_mut()).await.is_pending());
        assert_eq!(db.depth(), depth, "between two polls");
    }
    drop(dropped);
    assert_eq!(db.depth(), depth, "after a drop");
    db.connection(|| async {
        assert_eq!(db.depth(), depth, "a pinned connection is no transaction");
        assert_eq!(db.in_transaction(), depth > 0);
        Ok::<_, Error>(())
    })
    .await
    .expect("nothing fails");
}

/// rules 12 and 31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn the_status_tells_of_an_aborted_block_and_of_a_mark() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        let inner = db.atomic(|| async {
            db.query("select no_such_column", params![]).await.expect_err("no such column");
            assert_eq!(state(db), (true, 2, Some("_n1".into()), Status::Aborted));
            Err::<(), _>(db.query("select 1", params![]).await.expect_err("aborted"))
        });
        inner.await.expect_err("aborted");
        assert_eq!(state(db), (true, 1, None, Status::Open), "rolling back has cleared it");
        db.set_rollback_only()?;
        assert_eq!(db.status(), Status::RollbackOnly);
        db.atomic(|| async {
            assert_eq!(db.status(), Status::RollbackOnly, "the block around is marked");
            Ok::<_, Error>(())
        })
        .await
    });
    work.await.expect("a mark without an error");
    assert_eq!(state(db), outside());
}
