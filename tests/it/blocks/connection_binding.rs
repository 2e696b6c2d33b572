//! Which connection a statement runs on, and who sees what it did: rules 1 to 5 of the specification.

use nestling::{Context, Database, Error, params};

use crate::harness::{Backend, insert};

async fn another(backend: &Backend) -> Backend {
    if backend.is_postgres() { Backend::postgres().await } else { Backend::sqlite().await }
}

async fn count(db: &Database) -> Result<i64, Error> {
    db.query_one("select count(*) from item", params![]).await?.get(0)
}

async fn pid(db: &Database) -> Result<i32, Error> {
    db.query_one("select pg_backend_pid()", params![]).await?.get(0)
}

test_on! {
    every_backend;

    /// rule 1
    async fn two_databases_inside_one_another_do_not_touch_each_other(backend) {
        let outer = backend.with_items().await;
        let inner = another(&outer).await.with_items().await;
        let (one, two) = (&outer.db, &inner.db);
        let result = one.atomic(|| async {
            insert(one, 1, "lost").await?;
            two.atomic(|| async {
                assert_eq!((one.depth(), two.depth()), (1, 1), "each counts its own blocks");
                insert(two, 1, "kept").await?;
                one.atomic(|| async {
                    assert_eq!((one.depth(), two.depth()), (2, 1));
                    assert_eq!(one.current_savepoint().as_deref(), Some("_n1"));
                    insert(one, 2, "lost too").await?;
                    insert(two, 2, "kept too").await
                })
                .await
            })
            .await?;
            assert_eq!((one.depth(), two.depth()), (1, 0));
            assert_eq!(inner.items().await, ["kept", "kept too"], "the inner database has committed");
            Err::<(), _>(some_error(one).await)
        });
        result.await.expect_err("the body's own");
        assert!(outer.items().await.is_empty());
        assert_eq!(inner.items().await, ["kept", "kept too"]);
        outer.settled().await;
        inner.settled().await;
    }
}

async fn some_error(db: &Database) -> Error {
    nestling::scope(db.savepoint(|| async { Ok::<_, Error>(()) })).await.expect_err("there is no transaction")
}

test_on! {
    every_backend;

    /// rule 2
    async fn a_statement_outside_any_block_is_committed_and_gives_its_connection_back_before_it_resolves(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        for id in 1..=3 {
            assert_eq!(insert(db, id, &format!("item {id}")).await.expect("an insert"), 1);
            let stats = db.stats();
            assert_eq!((stats.connections, stats.idle, stats.transactions), (1, 1, 0), "it is back already");
            assert_eq!(backend.open_at_server().await, 0);
            assert_eq!(backend.items().await.len(), usize::try_from(id).expect("small"), "others see it at once");
        }
        insert(db, 1, "taken").await.expect_err("the id is taken");
        assert_eq!(db.stats().idle, 1, "a failed one gives it back too");
        let (one, two, three) = tokio::join!(count(db), count(db), count(db));
        assert_eq!((one.expect("a count"), two.expect("a count"), three.expect("a count")), (3, 3, 3));
    }
}

test_on! {
    every_backend;

    /// rule 3: a temporary table is seen by its own session alone
    async fn every_statement_of_a_block_runs_on_the_connection_of_its_root(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            db.batch("create temporary table mine (x integer)").await?;
            db.atomic(|| async {
                db.execute("insert into mine values ($1)", params![1]).await?;
                let deeper = db.atomic(|| async { db.execute("insert into mine values ($1)", params![2]).await });
                deeper.await.map(|_| ())
            })
            .await?;
            nestling::scope(db.query("select x from mine", params![])).await.expect_err("another session has no such table");
            Ok::<_, Error>(db.query("select x from mine", params![]).await?.len())
        });
        assert_eq!(result.await.expect("the session is one"), 2);
    }
}

/// rules 3 and 4: asked of the server, while other tasks borrow and return connections all the time
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn the_server_session_is_one_from_the_first_statement_to_the_commit() {
    let backend = Backend::postgres().await.with(|options| options.max_connections(3));
    let db = &backend.db;
    for _ in 0..10 {
        let work = db.atomic(|| async {
            let first = pid(db).await?;
            for _ in 0..5 {
                let (inside, outside) = tokio::join!(db.atomic(|| pid(db)), nestling::scope(pid(db)));
                assert_eq!(inside?, first);
                assert_ne!(outside?, first, "nobody else is handed the connection");
                let other = db.clone();
                let spawned = tokio::spawn(async move { pid(&other).await }).await.expect("no panic")?;
                assert_ne!(spawned, first);
                assert_eq!(pid(db).await?, first);
            }
            Ok::<_, Error>(())
        });
        work.await.expect("no errors");
    }
    backend.settled().await;
}

test_on! {
    every_backend;

    /// rules 4 and 5
    async fn a_spawned_child_does_not_inherit_the_transaction_and_sees_nothing_uncommitted(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            insert(db, 1, "uncommitted").await?;
            let (plain, ours) = (db.clone(), db.clone());
            let look = |db: Database| async move {
                assert!(!db.in_transaction(), "the child has no transaction");
                count(&db).await
            };
            assert_eq!(tokio::spawn(look(plain)).await.expect("no panic")?, 0);
            assert_eq!(nestling::spawn(look(ours)).await.expect("no panic")?, 0);
            assert_eq!(count(db).await?, 1, "the transaction itself sees it");
            if backend.is_postgres() {
                let other = db.clone();
                tokio::spawn(async move { insert(&other, 2, "of the child").await }).await.expect("no panic")?;
                assert_eq!(backend.items().await, ["of the child"], "the child's own statement is committed");
            }
            db.set_rollback_only()
        });
        result.await.expect("rolled back without an error");
        let left: &[&str] = if backend.is_postgres() { &["of the child"] } else { &[] };
        assert_eq!(backend.items().await, left);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 5
    async fn a_child_that_enters_the_captured_context_takes_part_in_the_transaction(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let kept = async |keep: bool, first: i64| {
            db.atomic(|| async {
                insert(db, first, &format!("parent {first}")).await?;
                let (context, other) = (Context::current(), db.clone());
                let child = tokio::spawn(context.enter(async move {
                    assert_eq!(other.depth(), 1);
                    for id in first + 1..first + 20 {
                        insert(&other, id, &format!("child {id}")).await?;
                    }
                    other.atomic(|| insert(&other, first + 20, "block of the child")).await?;
                    count(&other).await
                }));
                // Both use the one connection in turns.
                for id in first + 21..first + 40 {
                    insert(db, id, &format!("parent {id}")).await?;
                }
                assert!(child.await.expect("no panic")? >= 21);
                assert!(backend.items().await.is_empty(), "nothing is committed yet");
                assert_eq!(count(db).await?, 40);
                if keep { Ok(()) } else { Err(some_error(db).await) }
            })
            .await
        };
        kept(false, 1).await.expect_err("the body's own");
        assert!(backend.items().await.is_empty());
        kept(true, 1).await.expect("it commits");
        assert_eq!(backend.items().await.len(), 40);
        backend.settled().await;
    }
}
