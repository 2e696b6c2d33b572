//! Statements dropped while the server is at work on them: rule 38, and what that means for their block (rules 31, 37). What is
//! SQLite's alone is in `sqlite`.

use std::time::Duration;

use nestling::{Dialect, Error, ErrorKind, native::mysql_async::prelude::Queryable as _, params, status::Status};
use tokio::time::timeout;

use crate::{
    dialects::{late, sleeps},
    drops::{BOUND, all_is_well, insert, polled},
    harness::Backend,
};

/// For how many seconds a statement sleeps at the server, and what is in its text: far longer than any test waits.
const SLEEP: (f64, &str) = (300.0, "%sleep(300)%");

/// Runs a future until the server is at work on a statement like `pattern`, and drops it there.
async fn drop_at_work<T: std::fmt::Debug>(backend: &Backend, pattern: &str, future: impl Future<Output = T>) {
    let running = async {
        wait_while!(backend.count_running(pattern).await == 0);
    };
    tokio::select! {
        () = running => {}
        out = future => panic!("it cannot have ended: {out:?}"),
    }
}

test_on! {
    every_server;

    /// rule 38: each call, outside a block
    async fn the_server_stops_what_was_dropped(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let (pattern, slow) = (SLEEP.1, sleeps(db.dialect(), SLEEP.0));
        drop_at_work(&backend, pattern, db.execute(&slow, params![])).await;
        backend.none_running(pattern).await;
        drop_at_work(&backend, pattern, db.batch(&format!("select 1; {slow}; {slow}"))).await;
        backend.none_running(pattern).await;
        drop_at_work(&backend, pattern, async {
            let mut rows = db.stream(&slow, params![]).await.expect("it begins");
            rows.next().await.is_some()
        })
        .await;
        backend.none_running(pattern).await;
        match db.dialect() {
            Dialect::Mysql => {
                let native = db.with_mysql(|mut client| async move {
                    client.query_drop("select sleep(300)").await.expect("nobody waits for it");
                    Ok::<_, Error>(())
                });
                drop_at_work(&backend, pattern, native).await;
            }
            _ => {
                let native = db.with_postgres(|client| async move {
                    client.batch_execute("select pg_sleep(300)").await.expect("nobody waits for it");
                    Ok::<_, Error>(())
                });
                drop_at_work(&backend, pattern, native).await;
            }
        }
        backend.none_running(pattern).await;
        drop_at_work(&backend, pattern, async {
            tokio::join!(db.connection(|| async {
                let other = format!("{slow}, 1");
                tokio::try_join!(db.execute(&slow, params![]), db.execute(&other, params![]))
            }))
        })
        .await;
        backend.none_running(pattern).await;
        all_is_well(&backend, "after all").await;
    }
}

/// rule 37: a native client that lives on in another task has its connection for itself
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_client_that_was_kept_does_not_share_its_connection() {
    let backend = Backend::postgres().await.with(|b| b.max_connections(1));
    let db = &backend.db;
    let pid = async || db.query_one("select pg_backend_pid()", params![]).await?.get::<i32>(0);
    let before = pid().await.expect("a pid");
    let (kept, client) = tokio::sync::oneshot::channel();
    let lent = db.with_postgres(|client| async move {
        kept.send(client).expect("somebody keeps it");
        std::future::pending::<Result<(), Error>>().await
    });
    let client = tokio::select! {
        out = lent => panic!("it waits for ever: {out:?}"),
        client = client => client.expect("it was kept"),
    };
    assert_ne!(pid().await.expect("a pid"), before);
    drop(client);
    backend.settled().await;
    backend.sessions_come_to(1).await;
}

test_on! {
    every_server;

    /// rules 37 and 38: in a block, with several in flight; and what a stream, which aborts nothing, has left behind
    async fn a_parent_does_not_wait_for_what_its_child_has_left_at_work(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let result = db.atomic(|| async {
            insert(db, "parent").await?;
            let joined = db.atomic(|| async {
                insert(db, "child").await?;
                let slow = || async { db.query(&sleeps(db.dialect(), SLEEP.0), params![]).await };
                let (one, other, third) = tokio::join!(slow(), slow(), insert(db, "behind"));
                one.and(other).map(|_| ()).and(third)
            });
            drop_at_work(&backend, SLEEP.1, joined).await;
            timeout(BOUND, insert(db, "after statements")).await.expect("the child's statements are stopped")?;
            let streamed = db.atomic(|| async {
                let mut rows = db.stream(&sleeps(db.dialect(), SLEEP.0), params![]).await?;
                rows.next().await.transpose()
            });
            drop_at_work(&backend, SLEEP.1, streamed).await;
            timeout(BOUND, insert(db, "after a stream")).await.expect("the child's stream is stopped")?;
            Ok::<_, Error>(())
        });
        result.await.expect("the parent commits");
        assert_eq!(backend.items().await, ["after a stream", "after statements", "parent"]);
        all_is_well(&backend, "after all").await;
    }
}

test_on! {
    every_backend;

    /// rules 31 and 37: nobody knows what the statement did, so the block cannot be kept; its parent can
    async fn a_dropped_statement_aborts_its_block_and_no_other(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            insert(db, "parent").await?;
            let inner = db.atomic(|| async {
                insert(db, "child").await?;
                if polled(1, db.query("select count(*) from item", params![])).await.is_some() {
                    // On the spot there is nothing to drop half-way.
                    return Err(None);
                }
                assert_eq!(db.status(), Status::Aborted);
                let next = insert(db, "child too").await.expect_err("the block is aborted");
                assert_eq!(next.kind(), ErrorKind::Aborted);
                let cause = std::error::Error::source(&next).and_then(|source| source.downcast_ref::<Error>());
                assert_eq!(cause.map(Error::kind), Some(ErrorKind::Cancelled));
                Ok(())
            });
            if let Some(error) = inner.await.expect_err("the drop was swallowed, the block is not kept") {
                assert_eq!(error.kind(), ErrorKind::RolledBack);
            }
            assert_eq!(db.status(), Status::Open);
            insert(db, "after").await
        });
        result.await.expect("the parent commits");
        assert_eq!(backend.items().await, ["after", "parent"]);
        backend.settled().await;
    }
}

test_on! {
    every_server;

    /// rule 38: a statement that the drop's cancellation was not meant for is never hit
    async fn nobody_elses_statement_is_cancelled(backend) {
        let mut backend = backend;
        for connections in [1, 2] {
            backend = backend.with(|b| b.max_connections(connections));
            let db = &backend.db;
            for round in 0..200_u64 {
                // It ends by itself at about the time that it is dropped: the worst time for a request to be late.
                let sql = sleeps(db.dialect(), if round % 4 == 0 { 30.0 } else { 0.0005 * (round % 5) as f64 });
                let patience = Duration::from_micros(400 + 150 * (round % 16));
                let first = round % 2 == 0;
                let dropped = timeout(patience, async {
                    if first { db.batch(&sql).await } else { db.atomic(|| db.batch(&sql)).await }
                });
                let _either_way = dropped.await;
                let others = (0..i64::from(connections) + 1).map(|other| async move {
                    let sql = late(db.dialect(), "$1 + 0", 0.002);
                    let wanted = other + 10 * i64::try_from(round).expect("small");
                    let row = timeout(BOUND, db.query_one(&sql, params![wanted])).await.expect("it does not wait");
                    let row = row.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                    assert_eq!(row.get::<i64>(0).expect("a number"), wanted, "its own answer");
                });
                futures_util::future::join_all(others).await;
            }
            backend.settled().await;
        }
    }
}

test_on! {
    every_server;

    /// rule 38: nor the parent's, nor a later one on a pinned connection
    async fn the_parents_statement_is_not_cancelled(backend) {
        let backend = backend.with(|b| b.max_connections(1));
        let db = &backend.db;
        let next = |round: u64| async move {
            let row = timeout(BOUND, db.query_one(&late(db.dialect(), "7", 0.001), params![])).await.expect("no hang");
            let row = row.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            assert_eq!(row.get::<i64>(0).expect("a number"), 7, "round {round}");
        };
        let sleep = |round: u64| sleeps(db.dialect(), 0.0005 * (round % 4) as f64);
        let patience = |round: u64| Duration::from_micros(300 + 100 * (round % 16));
        let parent = db.atomic(|| async {
            for round in 0..150 {
                let child = db.atomic(|| async {
                    let (one, other) = (sleep(round), sleep(round + 1));
                    tokio::try_join!(db.batch(&one), db.batch(&other)).map(|_| ())
                });
                let _either_way = timeout(patience(round), child).await;
                next(round).await;
            }
            Ok::<_, Error>(())
        });
        parent.await.expect("the parent commits");
        let pinned = db.connection(|| async {
            for round in 0..150 {
                let sql = sleep(round);
                let _either_way = tokio::join!(timeout(patience(round), db.batch(&sql)), next(round));
            }
            Ok::<_, Error>(())
        });
        pinned.await.expect("the connection is given back");
        backend.settled().await;
    }
}
