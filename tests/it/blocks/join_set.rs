//! Sets of tasks that take part in a transaction: rules 5 and 6.

use std::{panic::panic_any, sync::Arc, time::Duration};

use nestling::{Database, Error, ErrorKind, Isolation, blocks::JoinSet, join_set, params, status::Status};
use tokio::sync::{Barrier, Notify, oneshot};

use crate::{
    drops::BOUND,
    harness::{Backend, insert},
};

async fn count(db: &Database) -> Result<i64, Error> {
    db.query_one("select count(*) from item", params![]).await?.get(0)
}

/// Joins all tasks, which must not fail.
async fn join_all(tasks: &mut JoinSet<Result<u64, Error>>) -> Result<u64, Error> {
    let mut affected = 0;
    while let Some(ended) = tasks.join_next().await {
        affected += ended.expect("no panic")?;
    }
    Ok(affected)
}

/// A task that writes, tells so, and writes again when it may go on.
fn half_way(
    db: &Database,
    id: i64,
    told: oneshot::Sender<()>,
    go: Arc<Notify>,
) -> impl Future<Output = Result<u64, Error>> + use<> {
    let db = db.clone();
    async move {
        insert(&db, id, &format!("first half {id}")).await?;
        told.send(()).expect("it is waited for");
        go.notified().await;
        insert(&db, id + 1, &format!("second half {id}")).await
    }
}

test_on! {
    every_backend;

    /// rules 4, 5 and 8
    async fn tasks_take_part_in_the_transaction_and_take_turns(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let work = db.atomic(|| async {
            let mut tasks = join_set();
            let all = Arc::new(Barrier::new(20));
            for task in 0..20 {
                let (db, all) = (db.clone(), Arc::clone(&all));
                tasks.spawn(async move {
                    assert_eq!(db.depth(), 1);
                    insert(&db, 2 * task, &format!("{task}")).await?;
                    all.wait().await;
                    // Blocks inside take turns too, and do not mix with what others do.
                    db.atomic(|| async {
                        assert_eq!(db.depth(), 2);
                        insert(&db, 2 * task + 1, &format!("{task} inside")).await?;
                        if task % 2 == 0 {
                            db.set_rollback_only()?;
                        }
                        Ok::<_, Error>(1)
                    })
                    .await
                });
            }
            assert_eq!(tasks.len(), 20);
            assert_eq!(join_all(&mut tasks).await?, 20);
            assert!(tasks.is_empty());
            assert_eq!(count(db).await?, 30, "the block sees what its tasks have written");
            assert!(backend.items().await.is_empty(), "and nobody else does");
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await.len(), 30);
        backend.settled().await;
    }

    /// rule 5: errors and panics come out of the set, and the block decides what they mean
    async fn errors_and_panics_of_tasks_come_out_of_the_set(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            let mut tasks = join_set();
            let (one, other) = (db.clone(), db.clone());
            tasks.spawn(async move {
                insert(&one, 2, "kept too").await?;
                one.atomic(|| insert(&one, 1, "taken")).await
            });
            let error = tasks.join_next().await.expect("a task").expect("no panic").expect_err("the key is taken");
            assert!(error.is_unique_violation());
            tasks.spawn(async move {
                other.atomic(|| async {
                    insert(&other, 3, "undone by the panic").await?;
                    panic_any(42_u8);
                    #[allow(unreachable_code, reason = "it says what the body would return")]
                    Ok::<_, Error>(0)
                })
                .await
            });
            let panic = tasks.join_next().await.expect("a task").expect_err("it panics").into_panic();
            assert_eq!(panic.downcast_ref::<u8>(), Some(&42));
            assert!(tasks.join_next().await.is_none() && tasks.try_join_next().is_none());
            assert_eq!(db.status(), Status::Open);
            count(db).await
        });
        assert_eq!(work.await.expect("it commits"), 2);
        assert_eq!(backend.items().await, ["kept", "kept too"]);
        backend.settled().await;
    }

    /// rules 5 and 7: where nothing is open it is a set of fresh contexts
    async fn outside_a_block_tasks_have_contexts_of_their_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let mut tasks = join_set();
        for task in 0..4 {
            let db = db.clone();
            tasks.spawn(async move {
                assert_eq!(db.depth(), 0);
                // In place, as a task is a scope.
                let (inner, here) = (db.clone(), tokio::task::id());
                db.transaction(move || async move {
                    assert_eq!(tokio::task::id(), here);
                    insert(&inner, task, &format!("{task}")).await
                })
                .await
            });
        }
        assert_eq!(join_all(&mut tasks).await.expect("all commit"), 4);
        assert_eq!(backend.items().await.len(), 4);
        backend.settled().await;
    }

    /// rules 3, 5 and 8: a pinned connection is shared as well, without a transaction
    async fn tasks_share_a_pinned_connection(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let pinned = db.connection(|| async {
            db.batch("create temporary table seen (number integer)").await?;
            let mut tasks = join_set();
            for task in 0..5 {
                let db = db.clone();
                tasks.spawn(async move {
                    assert_eq!(db.depth(), 0);
                    db.execute("insert into seen values ($1)", params![task]).await?;
                    db.atomic(|| async { insert(&db, task, &format!("{task}")).await }).await
                });
            }
            join_all(&mut tasks).await?;
            db.query_one("select count(*) from seen", params![]).await?.get::<i64>(0)
        });
        assert_eq!(pinned.await.expect("nothing fails"), 5);
        assert_eq!(backend.items().await.len(), 5);
        backend.settled().await;
    }

    /// rules 5 and 6: the end of the block waits for tasks that have not ended, so that what they do is whole
    async fn the_end_of_a_block_waits_for_tasks_that_outlive_its_body(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (told, first_half) = oneshot::channel();
        let go = Arc::new(Notify::new());
        let work = db.atomic(|| async {
            let mut tasks = join_set();
            tasks.spawn(half_way(db, 1, told, Arc::clone(&go)));
            first_half.await.expect("it has written");
            Ok::<_, Error>(tasks)
        });
        let mut work = Box::pin(work);
        // The body has returned once all that can be done was done: only the end is left.
        for _ in 0..100 {
            assert!(crate::harness::poll_once(work.as_mut()).await.is_pending());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(backend.items().await.is_empty());
        go.notify_one();
        let mut tasks = work.await.expect("it commits");
        assert_eq!(join_all(&mut tasks).await.expect("it has written both"), 1);
        assert_eq!(backend.items().await, ["first half 1", "second half 1"]);
        backend.settled().await;
    }

    /// rules 5, 6 and 9: a wait that does not end is told, and nothing is kept
    async fn a_task_that_does_not_end_rolls_its_block_back(backend) {
        let backend = backend.with_items().await.with(|options| options.turn_timeout(Duration::from_millis(300)));
        let db = &backend.db;
        let (told, first_half) = oneshot::channel();
        let (go, mut kept) = (Arc::new(Notify::new()), None);
        let work = db.build_transaction().name("short").atomic(|| async {
            let mut tasks = join_set();
            tasks.spawn(half_way(db, 1, told, Arc::clone(&go)));
            first_half.await.expect("it has written");
            kept = Some(tasks);
            Ok::<_, Error>(())
        });
        let error = work.await.expect_err("the task does not end");
        assert_eq!(error.kind(), ErrorKind::TurnTimeout);
        assert!(error.to_string().contains("\"short\" at depth 1"), "{error}");
        backend.settled().await;
        go.notify_one();
        let late = join_all(&mut kept.expect("the set was kept")).await.expect_err("its block has ended");
        assert_eq!(late.kind(), ErrorKind::FrameClosed);
        assert!(backend.items().await.is_empty());
    }

    /// rules 5 and 15: a set that is dropped with tasks that have not ended takes the block along
    async fn a_set_that_is_dropped_too_early_aborts_its_block(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for nested in [false, true] {
            let forgetful = async || {
                let (told, first_half) = oneshot::channel();
                let mut tasks = join_set();
                tasks.spawn(half_way(db, 1, told, Arc::default()));
                first_half.await.expect("it has written");
                drop(tasks);
                assert_eq!(db.status(), Status::Aborted);
                assert_eq!(insert(db, 3, "never").await.expect_err("aborted").kind(), ErrorKind::Aborted);
                Ok::<_, Error>(())
            };
            let work = db.atomic(|| async {
                if !nested {
                    return forgetful().await;
                }
                let inner = db.atomic(|| async { forgetful().await }).await.expect_err("it cannot be kept");
                assert_eq!(inner.kind(), ErrorKind::RolledBack);
                insert(db, 10, "the outer one").await.map(drop)
            });
            let result = tokio::time::timeout(BOUND, work).await.expect("no wait for what was aborted");
            match result {
                Ok(()) => assert!(nested),
                Err(error) => {
                    assert_eq!((error.kind(), nested), (ErrorKind::RolledBack, false));
                    let source = std::error::Error::source(&error).expect("why");
                    assert_eq!(Error::find_in(source).expect("ours").kind(), ErrorKind::Cancelled);
                }
            }
            backend.settled().await;
        }
        assert_eq!(backend.items().await, ["the outer one"]);
    }
}

test_on! {
    every_backend;

    /// rules 5 and 38: what is given up on purpose is a dropped future
    async fn tasks_may_be_given_up(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            let mut tasks = join_set();
            let (told, first_half) = oneshot::channel();
            tasks.spawn(half_way(db, 1, told, Arc::default()));
            first_half.await.expect("it has written");
            tasks.shutdown().await;
            assert!(tasks.is_empty());
            let (told, first_half) = oneshot::channel();
            let one = tasks.spawn(half_way(db, 3, told, Arc::default()));
            first_half.await.expect("it has written");
            one.abort();
            assert!(tasks.join_next().await.expect("a task").expect_err("aborted").is_cancelled());
            // Of a block of its own nothing is left.
            let (told, first_half) = oneshot::channel();
            let own = db.clone();
            tasks.spawn(async move {
                let inner = half_way(&own, 5, told, Arc::default());
                own.atomic(|| inner).await
            });
            first_half.await.expect("it has written");
            tasks.abort_all();
            drop(tasks);
            assert_eq!(db.status(), Status::Open);
            Ok::<_, Error>(())
        });
        tokio::time::timeout(BOUND, work).await.expect("no hang").expect("it commits");
        assert_eq!(backend.items().await, ["first half 1", "first half 3"]);
        backend.settled().await;
    }

    /// rules 5, 6 and 14: a block that fails waits for nobody, and its tasks write nothing behind it
    async fn a_block_that_fails_waits_for_no_task(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (told, first_half) = oneshot::channel();
        let (go, mut kept) = (Arc::new(Notify::new()), None);
        let work = db.atomic(|| async {
            let mut tasks = join_set();
            tasks.spawn(half_way(db, 1, told, Arc::clone(&go)));
            first_half.await.expect("it has written");
            kept = Some(tasks);
            db.query_one("select 1 where 1 = 2", params![]).await
        });
        let error = tokio::time::timeout(BOUND, work).await.expect("it does not wait").expect_err("its own");
        assert_eq!(error.kind(), ErrorKind::NoRow);
        backend.settled().await;
        go.notify_one();
        let mut tasks = kept.expect("the set was kept");
        let late = join_all(&mut tasks).await.expect_err("its block has ended");
        assert_eq!(late.kind(), ErrorKind::FrameClosed);
        // Nor does a task that is spawned behind the end.
        let own = db.clone();
        tasks.spawn(async move { insert(&own, 3, "never").await });
        let later = join_all(&mut tasks).await.expect_err("its block has ended");
        assert_eq!(later.kind(), ErrorKind::FrameClosed);
        assert!(backend.items().await.is_empty());
    }

    /// rules 1 and 5: a block of another database around waits as well, where the inner one was rolled back
    async fn blocks_of_all_databases_around_wait(backend) {
        let backend = backend.with_items().await;
        let (one, two) = (&backend.db, &Database::open("sqlite::memory:").expect("a valid URL"));
        two.batch("create table seen (number integer)").await.expect("a table");
        let (told, first_half) = oneshot::channel();
        let go = Arc::new(Notify::new());
        let mut kept = None;
        let work = one.build_transaction().isolation(Isolation::Serializable).atomic(|| async {
            let inner = two.atomic(|| async {
                two.execute("insert into seen values (1)", params![]).await?;
                let mut tasks = join_set();
                tasks.spawn(half_way(one, 1, told, Arc::clone(&go)));
                first_half.await.expect("it has written");
                kept = Some(tasks);
                two.query_one("select 1 where 1 = 2", params![]).await
            });
            assert_eq!(inner.await.expect_err("its own").kind(), ErrorKind::NoRow);
            go.notify_one();
            Ok::<_, Error>(())
        });
        work.await.expect("it commits");
        assert_eq!(join_all(&mut kept.expect("the set was kept")).await.expect("it has written both"), 1);
        assert_eq!(backend.items().await, ["first half 1", "second half 1"]);
        backend.settled().await;
    }
}

/// rules 5 and 11
#[test]
fn a_set_needs_a_runtime_for_its_tasks_alone() {
    let tasks: JoinSet<()> = join_set();
    assert!(tasks.is_empty());
    drop(tasks);
    let spawns = std::panic::catch_unwind(|| drop(join_set().spawn(async {})));
    spawns.expect_err("there is no runtime");
}

/// rules 5 and 44: a runtime that ends takes the tasks and their block along
#[test]
fn a_runtime_that_ends_takes_its_tasks_along() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let backend = runtime.block_on(async { Backend::sqlite().await.with_items().await });
    let db = backend.db.clone();
    let (told, first_half) = oneshot::channel();
    runtime.spawn(async move {
        db.atomic(|| async {
            let mut tasks = join_set();
            tasks.spawn(half_way(&db, 1, told, Arc::default()));
            join_all(&mut tasks).await
        })
        .await
    });
    runtime.block_on(first_half).expect("it has written");
    runtime.shutdown_timeout(BOUND);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert!(other.block_on(backend.items()).is_empty());
}

/// rules 5 and 55: with no block open, the settings of a scope hold for the tasks of a set: a tenant is not lost by accident
#[tokio::test]
async fn tasks_of_a_set_carry_the_settings_of_their_scope() {
    let db = Backend::postgres().await.db;
    let tenant = nestling::scope(async {
        let (mut tasks, db) = (join_set(), db.clone());
        tasks.spawn(async move { db.query_one("select current_setting('app.tenant', true)", params![]).await });
        tasks.join_next().await.expect("one task").expect("it does not panic")?.get::<String>(0)
    });
    assert_eq!(tenant.set_local("app.tenant", "7").await.expect("a setting"), "7");
}
