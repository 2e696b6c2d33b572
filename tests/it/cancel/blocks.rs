//! Blocks dropped by whatever drops futures, at a point that the test chooses: rules 37, 39, 40 and 42.

use std::time::Duration;

use nestling::{Error, ErrorKind, params};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    drops::{BOUND, all_is_well, insert},
    harness::Backend,
};

/// Opens a transaction that has written a row and waits for ever; tells when it has come so far.
async fn stuck(backend_db: nestling::Database, at: oneshot::Sender<()>) -> Result<(), Error> {
    let db = &backend_db;
    db.atomic(|| async {
        insert(db, "outer").await?;
        db.atomic(|| async {
            insert(db, "inner").await?;
            at.send(()).expect("the test waits for it");
            std::future::pending::<()>().await;
            Ok(())
        })
        .await
    })
    .await
}

test_on! {
    every_backend;

    /// rule 37: `timeout`, `select!`, `abort` and a dropped `JoinSet` alike
    async fn whatever_drops_a_block_rolls_it_back(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = &backend.db;

        let (at, reached) = oneshot::channel();
        let mut block = Box::pin(stuck(db.clone(), at));
        tokio::select! {
            _ = &mut block => panic!("it waits for ever"),
            inside = reached => inside.expect("it is inside both blocks"),
        }
        timeout(Duration::ZERO, block).await.expect_err("it waits for ever");
        all_is_well(&backend, "timeout").await;

        let (at, reached) = oneshot::channel();
        tokio::select! {
            _ = stuck(db.clone(), at) => panic!("it waits for ever"),
            inside = reached => inside.expect("it is inside both blocks"),
        }
        all_is_well(&backend, "select").await;

        let (at, reached) = oneshot::channel();
        let task = tokio::spawn(stuck(db.clone(), at));
        reached.await.expect("it is inside both blocks");
        task.abort();
        assert!(task.await.expect_err("rule 42: it is cancelled, and nothing else").is_cancelled());
        all_is_well(&backend, "abort").await;

        let (at, reached) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(stuck(db.clone(), at));
        reached.await.expect("it is inside both blocks");
        drop(tasks);
        all_is_well(&backend, "JoinSet").await;

        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rules 10 and 37: the task of a `transaction` goes with its caller
    async fn a_dropped_caller_takes_the_task_of_its_transaction_along(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let (at, reached) = oneshot::channel();
        let (alive, gone) = oneshot::channel::<()>();
        let db = backend.db.clone();
        let transaction = backend.db.transaction(|| async move {
            let _alive = alive;
            insert(&db, "lost").await?;
            at.send(()).expect("the test waits for it");
            std::future::pending::<Result<(), Error>>().await
        });
        tokio::select! {
            out = transaction => panic!("it waits for ever: {out:?}"),
            inside = reached => inside.expect("it is inside"),
        }
        timeout(BOUND, gone).await.expect("the body is dropped").expect_err("and has told nothing");
        all_is_well(&backend, "transaction").await;
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rule 26: a joined transaction that was dropped leaves nothing to be committed
    async fn a_dropped_joined_transaction_marks_the_root(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            insert(db, "root").await?;
            let (at, reached) = oneshot::channel();
            let inner = db.clone();
            let joined = db.transaction(|| async move {
                insert(&inner, "joined").await?;
                at.send(()).expect("the test waits for it");
                std::future::pending::<Result<(), Error>>().await
            });
            tokio::select! {
                out = joined => panic!("it waits for ever: {out:?}"),
                inside = reached => inside.expect("it is inside"),
            }
            let next = insert(db, "next").await.expect_err("the root is marked");
            assert_eq!(next.kind(), ErrorKind::RollbackOnly);
            Ok::<_, Error>(())
        });
        assert_eq!(result.await.expect_err("nothing was committed").kind(), ErrorKind::UnexpectedRollback);
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 39
    async fn whoever_stops_waiting_for_a_connection_leaves_the_others_alone(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = &backend.db;
        for round in 0..10 {
            let (held, release) = (oneshot::channel::<()>(), oneshot::channel::<()>());
            let holder = {
                let (db, held, release) = (db.clone(), held.0, release.1);
                tokio::spawn(async move {
                    db.atomic(|| async {
                        insert(&db, &format!("holder {round}")).await?;
                        held.send(()).expect("the test waits for it");
                        release.await.expect("the test lets it go on");
                        Ok::<_, Error>(())
                    })
                    .await
                })
            };
            held.1.await.expect("the connection is taken");
            // First come, first served: the first and the third give up, the second and the fourth have their turn.
            let wait = |name: String| {
                let db = db.clone();
                tokio::spawn(async move { db.atomic(|| insert(&db, &name)).await })
            };
            let mut waiting = Vec::new();
            for place in 0..4 {
                waiting.push(wait(format!("{place} in round {round}")));
                wait_while!(db.stats().waiting != place + 1);
            }
            waiting[0].abort();
            waiting[2].abort();
            wait_while!(db.stats().waiting != 2);
            release.0.send(()).expect("it waits for that");
            holder.await.expect("no panic").expect("it commits");
            for (place, task) in waiting.into_iter().enumerate() {
                match timeout(BOUND, task).await.expect("it does not hang") {
                    Ok(result) => result.expect("it commits"),
                    Err(error) => assert!(error.is_cancelled() && place % 2 == 0, "{place}: {error}"),
                }
            }
            backend.settled().await;
        }
        assert_eq!(backend.items().await.len(), 30);
    }
}

test_on! {
    every_backend;

    /// rule 39: it is dropped in the moment in which its turn has come
    async fn a_connection_handed_to_somebody_who_goes_is_not_lost(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = &backend.db;
        for micros in (0..1500).step_by(50) {
            let (other, name) = (db.clone(), micros.to_string());
            let holder = tokio::spawn(async move { other.atomic(|| insert(&other, &name)).await });
            let _either_way = timeout(Duration::from_micros(micros), db.query("select 1", params![])).await;
            holder.await.expect("no panic").expect("it commits");
            timeout(BOUND, db.query("select 1", params![])).await.expect("the connection is there").expect("and works");
        }
        backend.settled().await;
        assert_eq!(backend.items().await.len(), 30);
    }
}

/// rule 42: the rollback cannot work, as the connection is gone; what is seen is that the body was cancelled
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_rollback_that_fails_does_not_hide_that_the_body_was_cancelled() {
    let (backend, proxy) =
        Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    for by_abort in [true, false] {
        let (at, reached) = oneshot::channel();
        let body = stuck(backend.db.clone(), at);
        if by_abort {
            let task = tokio::spawn(body);
            reached.await.expect("it is inside both blocks");
            proxy.cut();
            task.abort();
            assert!(task.await.expect_err("it was aborted").is_cancelled());
        } else {
            let mut body = Box::pin(body);
            tokio::select! {
                _ = &mut body => panic!("it waits for ever"),
                inside = reached => inside.expect("it is inside both blocks"),
            }
            proxy.cut();
            timeout(Duration::ZERO, body).await.expect_err("it is over, and nothing else");
        }
        all_is_well(&backend, "after the cut").await;
    }
    assert!(backend.items().await.is_empty());
}

test_on! {
    every_backend;

    /// rule 40: the connection is nobody else's while the COMMIT runs, and what it has begun it ends
    async fn a_commit_is_all_or_nothing_wherever_it_is_dropped(backend) {
        let backend = backend.with(|b| b.max_connections(1)).with_items().await;
        let db = &backend.db;
        for round in 0..60 {
            let names = ["a", "b"].map(|part| format!("{round} {part}"));
            let (ending, ended) = oneshot::channel();
            let block = db.atomic(|| async {
                insert(db, &names[0]).await?;
                insert(db, &names[1]).await?;
                ending.send(()).expect("the test waits for it");
                Ok::<_, Error>(())
            });
            let kept = tokio::select! {
                biased;
                out = block => { out.expect("it commits"); true }
                () = async {
                    ended.await.expect("the body has ended");
                    tokio::task::yield_now().await;
                    sleep(Duration::from_micros(round * 20)).await;
                } => false,
            };
            let next = timeout(BOUND, db.query("select name from item", params![])).await.expect("no hang");
            let seen = next.expect("a clean connection").iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>();
            let seen = seen.expect("names");
            let seen = names.each_ref().map(|name| seen.contains(name));
            assert_eq!(seen[0], seen[1], "round {round}: half of it");
            assert!(seen[0] || !kept, "round {round}: it was said to be committed");
        }
        backend.settled().await;
    }
}
