//! A block that is to be rolled back though it ends well: rule 20 of the specification.

use nestling::{Error, ErrorKind, params, status::Status};

use crate::harness::{Backend, insert};

test_on! {
    every_backend;

    /// rule 20
    async fn a_rollback_without_an_error_returns_the_value_and_keeps_nothing(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        assert_eq!(db.set_rollback_only().expect_err("outside").kind(), ErrorKind::NoTransaction);
        let pinned = db.connection(|| async { db.set_rollback_only() });
        assert_eq!(pinned.await.expect_err("a connection is no transaction").kind(), ErrorKind::NoTransaction);
        for depth in 1..=3 {
            let work = db.atomic(|| async {
                insert(db, 1, "one").await?;
                if depth == 1 {
                    db.set_rollback_only()?;
                }
                let middle = db.atomic(|| async {
                    insert(db, 2, "two").await?;
                    if depth == 2 {
                        db.set_rollback_only()?;
                    }
                    let inner = db.atomic(|| async {
                        if depth == 3 {
                            db.set_rollback_only()?;
                        }
                        assert_eq!(db.status(), Status::RollbackOnly, "this block or one around it is marked");
                        insert(db, 3, "three: statements still run").await
                    });
                    assert_eq!(inner.await?, 1, "its value is returned");
                    let around = if depth == 3 { Status::Open } else { Status::RollbackOnly };
                    assert_eq!(db.status(), around);
                    Ok::<_, Error>(2)
                });
                assert_eq!(middle.await?, 2);
                assert_eq!(db.status(), if depth == 1 { Status::RollbackOnly } else { Status::Open });
                insert(db, 4, "zero: the block around goes on").await?;
                Ok::<_, Error>(db.query("select 1 from item", params![]).await?.len())
            });
            assert_eq!(work.await.expect("its value"), [4, 2, 3][depth - 1]);
            assert_eq!(db.status(), Status::None);
            backend.settled().await;
            let kept: &[&str] = match depth {
                1 => &[],
                2 => &["one", "zero: the block around goes on"],
                _ => &["one", "two", "zero: the block around goes on"],
            };
            assert_eq!(backend.items().await, kept);
            db.execute("delete from item", ()).await.expect("they go");
        }
        // A joined transaction is the outermost block, at whatever depth it joins; a block in it is a block again.
        let joined = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            let own = db.clone();
            db.atomic(|| async { db.transaction(|| async move { own.set_rollback_only() }).await }).await?;
            assert_eq!(db.status(), Status::RollbackOnly);
            Ok::<_, Error>(7)
        });
        assert_eq!(joined.await.expect("its value"), 7);
        assert!(backend.items().await.is_empty());
        let within = db.atomic(|| async {
            insert(db, 1, "around").await?;
            let own = db.clone();
            db.transaction(|| async move {
                own.atomic(|| async { insert(&own, 2, "undone").await?; own.set_rollback_only() }).await
            })
            .await
        });
        within.await.expect("only the innermost block is undone");
        assert_eq!(backend.items().await, ["around"]);
        db.execute("delete from item", ()).await.expect("it goes");
        let pinned = db.connection(|| async {
            db.atomic(|| async { db.set_rollback_only()?; insert(db, 1, "lost").await }).await?;
            db.atomic(|| insert(db, 2, "kept")).await
        });
        pinned.await.expect("the mark ends with its transaction");
        assert_eq!(backend.items().await, ["kept"]);
    }
}

/// rule 20: what is sent
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_marked_root_sends_rollback_in_place_of_commit() {
    let backend = Backend::postgres().await.with_items().await;
    let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(1));
    insert(&backend.db, 0, "warm").await.expect("an insert");
    proxy.reset();
    let db = &backend.db;
    let work = db.atomic(|| async {
        db.batch("select 'it runs'").await?;
        db.set_rollback_only()
    });
    work.await.expect("no error");
    assert_eq!(proxy.counts().sequence(), ["BEGIN", "select 'it runs'", "ROLLBACK"]);
}
