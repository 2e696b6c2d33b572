//! Dropped statements: ended at the server, and at nobody else's expense.

use std::time::{Duration, Instant};

use nestling::{Database, Error, params};
use tokio::time::timeout;

use super::value;
use crate::{harness::Backend, proxy::Side, support::waits::PATIENCE};

/// Statements that take for ever.
const ENDLESS: [&str; 3] = [
    "select sleep(600)",
    "select benchmark(1000000000, sha2('x', 512))",
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 900) select max(sqrt(a.i * b.i * c.i)) from n a, n b, n c, n d",
];

/// Drops a query as soon as the server is at it, and waits until it is not.
async fn drop_running(backend: &Backend, sql: &str) {
    tokio::select! {
        result = backend.db.query(sql, params![]) => panic!("{sql}: it takes for ever, but {:?}", result.map(|rows| rows.len())),
        () = backend.runs_at_server(sql, true) => {}
    }
}

test_on! {
    mysql_and_mariadb;

    /// rules 37 and 38
    async fn a_dropped_statement_is_ended_at_the_server(backend) {
        let backend = backend.with(|options| options.max_connections(1));
        for sql in ENDLESS {
            let start = Instant::now();
            drop_running(&backend, sql).await;
            assert_eq!(value::<i64>(&backend.db, "select $1 + 0", params![7]).await, 7, "{sql}");
            backend.runs_at_server(sql, false).await;
            assert!(start.elapsed() < PATIENCE, "{sql}: {:?}", start.elapsed());
        }
        backend.settled().await;
        // No session is left over. That of a KILL QUERY goes a little later than its answer comes.
        backend.sessions_come_to(1).await;
    }

    /// rule 38: a statement that goes on in spite of its KILL, or whose answer does not come, is nobody's to wait for
    async fn nobody_waits_for_a_statement_that_does_not_end(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        let alone = || async { db.query("select 'unheard' as a", params![]).await.map(|_| ()) };
        for in_block in [false, true, false] {
            // Its statement is warm.
            alone().await.expect("it runs");
            let session: u64 = value(db, "select connection_id()", params![]).await;
            let mut asked = false;
            proxy.stall_when(move |message| {
                asked |= message.from == Side::Client && message.text.contains("unheard");
                asked && message.from == Side::Server
            });
            tokio::select! {
                biased;
                _ = proxy.stalled() => {}
                out = async { if in_block { db.atomic(alone).await } else { alone().await } } => panic!("it is held: {out:?}"),
            }
            let start = Instant::now();
            let other: u64 = value(db, "select connection_id()", params![]).await;
            assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
            assert_ne!(other, session, "the connection was replaced");
            backend.sessions_come_to(1).await;
            proxy.release();
            backend.settled().await;
        }
        db.execute("insert into item values ($1, $2)", params![1, "next"]).await.expect("all is well");
        assert_eq!(backend.items().await, ["next"]);
    }

    /// rules 37, 38 and 43
    async fn a_dropped_block_leaves_its_parent_alive(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let start = Instant::now();
        let done = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            let session: u64 = value(db, "select connection_id()", params![]).await;
            for (number, sql) in ENDLESS.into_iter().enumerate() {
                let inner = db.atomic(|| async {
                    db.execute("insert into item values ($1, $2)", params![50, "inner"]).await?;
                    db.query(sql, params![]).await
                });
                tokio::select! {
                    result = inner => panic!("{sql}: it takes for ever, but {:?}", result.map(|rows| rows.len())),
                    () = backend.runs_at_server(sql, true) => {}
                }
                let id = 2 + i64::try_from(number).expect("a small number");
                db.execute("insert into item values ($1, $2)", params![id, format!("behind {number}")]).await?;
            }
            let same: u64 = value(db, "select connection_id()", params![]).await;
            assert_eq!(same, session, "rule 3: the same session to the end");
            Ok::<_, Error>(())
        });
        done.await.expect("it commits");
        assert_eq!(backend.items().await, ["before", "behind 0", "behind 1", "behind 2"]);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        backend.settled().await;
    }

    /// rule 38
    async fn dropping_never_hits_what_comes_next(backend) {
        let backend = backend.with_items().await;
        for connections in [1, 2] {
            let db = backend.builder().max_connections(connections).build().expect("valid options");
            for round in 0..200_i64 {
                drop_within(&db, round).await;
                let sent = db.query_one("select $1 + 0, connection_id()", params![round]).await;
                let row = sent.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                assert_eq!(row.get::<i64>(0).expect("a number"), round, "never another's answer");
            }
        }
        backend.settled().await;
    }

    /// rules 37 and 38
    async fn dropping_in_a_block_never_hits_its_parent(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let done = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "parent"]).await?;
            for round in 0..100_i64 {
                let inner = db.atomic(|| async {
                    db.execute("insert into item values ($1, $2)", params![2, "inner"]).await?;
                    drop_within(db, round).await;
                    std::future::pending::<Result<(), Error>>().await
                });
                let _ = timeout(Duration::from_micros(u64::try_from(round % 20).expect("a small number") * 250), inner).await;
                assert_eq!(value::<i64>(db, "select $1 + 0", params![round]).await, round, "never another's answer");
            }
            db.execute("insert into item values ($1, $2)", params![3, "to the end"]).await
        });
        done.await.expect("the parent commits");
        assert_eq!(backend.items().await, ["parent", "to the end"]);
        backend.settled().await;
    }

    /// rule 38: a stream that is dropped does not make the next statement wait for its end
    async fn a_dropped_stream_is_ended_at_the_server(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.batch("insert into item values (1, 'a'), (2, 'b'), (3, 'c')").await.expect("rows");
        let start = Instant::now();
        let slow = "select a.id, sleep(0.02) from item a, item b, item c, item d, item e, item f, item g";
        db.atomic(|| async {
            for _ in 0..2 {
                let mut rows = db.stream(slow, params![]).await?;
                assert!(timeout(Duration::from_millis(50), rows.next()).await.is_err(), "its first rows take longer");
                drop(rows);
                assert_eq!(value::<i64>(db, "select $1 + 0", params![7]).await, 7);
            }
            db.execute("insert into item values (4, 'd')", params![]).await
        })
        .await
        .expect("it commits");
        drop(db.stream(slow, params![]).await.expect("a stream"));
        assert_eq!(value::<i64>(db, "select $1 + 0", params![8]).await, 8);
        assert!(start.elapsed() < Duration::from_secs(40), "all rows take 44 s: {:?}", start.elapsed());
        backend.runs_at_server("sleep", false).await;
        assert_eq!(backend.items().await, ["a", "b", "c", "d"]);
        backend.settled().await;
    }
}

/// Drops a statement of up to two milliseconds at some point, perhaps behind its end.
async fn drop_within(db: &Database, round: i64) {
    let statement = db.query("select sleep($1 / 1000.0)", params![round % 3]);
    let wait = Duration::from_micros(u64::try_from(round * 37 % 3000).expect("not negative"));
    if let Ok(result) = timeout(wait, statement).await {
        result.expect("it was not cancelled");
    }
}
