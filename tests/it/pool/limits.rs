//! How many connections there are, who gets one, and for how long. Section H, rules 59, 60, 61.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use nestling::{Database, DatabaseBuilder, Error, ErrorKind, params, scope};
use tokio::sync::oneshot;

use crate::{
    harness::Backend,
    wire::{Wire, statement},
};

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

/// Takes a connection in a task of its own, and holds it until the sender goes.
async fn hold_one(db: &Database) -> oneshot::Sender<()> {
    // What a test has an acquire timeout for may be less than it takes to connect.
    wait_while!(db.connect().await.is_err() || db.stats().idle == 0);
    let db = db.clone();
    let (held, is_held) = oneshot::channel();
    let (go, gone) = oneshot::channel::<()>();
    tokio::spawn(async move {
        db.connection(|| async {
            statement(&db).await?;
            let _ = held.send(());
            let _ = gone.await;
            Ok::<_, Error>(())
        })
        .await
    });
    is_held.await.expect("a connection is free");
    go
}

test_on! {
    every_backend;

    /// rule 59
    async fn impossible_limits_are_refused_when_built(backend) {
        let refused = [
            (backend.builder().max_connections(0), "max_connections must be at least 1"),
            (backend.builder().max_connections(2).min_connections(3), "min_connections must not be above max_connections"),
            (backend.builder().max_lifetime(Some(Duration::ZERO)), "idle_timeout and max_lifetime must be above zero, or None"),
            (backend.builder().idle_timeout(Some(Duration::ZERO)), "idle_timeout and max_lifetime must be above zero, or None"),
        ];
        for (builder, text) in refused {
            let error = builder.build().expect_err(text);
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Config, text.to_owned()));
        }
        backend.builder().max_connections(3).min_connections(3).build().expect("equal is fine");
    }

    /// As many idle connections as asked for are held ready.
    async fn min_connections_are_held_ready(backend) {
        let db = backend.builder().min_connections(3).max_connections(4).build().expect("valid options");
        db.connect().await.expect("the server is there");
        wait_while!(db.stats().idle < 3);
        let _held = hold_one(&db).await;
        // Another one is made in place of the one that is used.
        wait_while!(db.stats().idle != 3);
        assert_eq!(db.stats().connections, 4, "and no more than there may be");
    }

    /// rule 59: twice as many users as connections, and more
    async fn all_users_of_a_small_pool_finish(backend) {
        let options = |builder: DatabaseBuilder| builder.max_connections(3).acquire_timeout(LONG).busy_timeout(LONG);
        let backend = backend.with_items().await.with(options);
        let db = &backend.db;
        let users = (0..6_i64).map(|user| {
            let db = db.clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let id = user * 100 + round;
                    let name = format!("{id:03}");
                    db.atomic(|| async {
                        db.execute("insert into item values ($1, $2)", params![id, name]).await?;
                        tokio::task::yield_now().await;
                        db.atomic(|| statement(&db)).await
                    })
                    .await?;
                    assert!(db.stats().connections <= 3);
                }
                Ok::<_, Error>(())
            })
        });
        for user in users.collect::<Vec<_>>() {
            user.await.expect("no panic").expect("every user finishes");
        }
        assert_eq!(backend.items().await.len(), 30);
        backend.settled().await;
        assert!(db.stats().connections <= 3);
    }

    /// rule 59
    async fn who_comes_first_is_served_first(backend) {
        let db = backend.builder().max_connections(1).acquire_timeout(LONG).build().expect("valid options");
        let held = hold_one(&db).await;
        let served = std::sync::Arc::new(Mutex::new(Vec::new()));
        let mut users = Vec::new();
        for user in 0..10_u64 {
            let (db2, served) = (db.clone(), std::sync::Arc::clone(&served));
            users.push(tokio::spawn(async move {
                // Blocks and single statements stand in one queue.
                if user % 2 == 0 {
                    db2.atomic(|| async {
                        statement(&db2).await?;
                        served.lock().expect("no panic").push(user);
                        statement(&db2).await
                    })
                    .await
                } else {
                    let mut rows = db2.stream("select 1", params![]).await?;
                    served.lock().expect("no panic").push(user);
                    while let Some(row) = rows.next().await {
                        row?;
                    }
                    Ok(())
                }
            }));
            wait_while!(db.stats().waiting != user + 1);
        }
        drop(held);
        for user in users {
            user.await.expect("no panic").expect("every user finishes");
        }
        assert_eq!(*served.lock().expect("no panic"), (0..10).collect::<Vec<_>>());
        assert_eq!((db.stats().waiting, db.stats().connections), (0, 1));
    }

    /// rule 39: who gives up leaves the queue
    async fn a_connection_that_does_not_come_free_is_a_pool_timeout(backend) {
        let options = backend.builder().max_connections(1).acquire_timeout(Duration::from_millis(400));
        let db = options.build().expect("valid options");
        let held = hold_one(&db).await;
        let errors = [
            statement(&db).await.expect_err("none is free"),
            db.atomic(|| statement(&db)).await.expect_err("none is free"),
            db.build_transaction().eager().atomic(|| async { Ok::<_, Error>(()) }).await.expect_err("none is free"),
            db.connection(|| statement(&db)).await.expect_err("none is free"),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.starts_with("none of the 1 connections came free within 400ms: 1 in blocks (oldest #"), "{text}");
            assert_eq!((error.kind(), error.is_timeout(), error.is_retryable()), (ErrorKind::PoolTimeout, true, false));
        }
        assert_eq!(db.stats().waiting, 0);
        drop(held);
        wait_while!(db.stats().idle != 1);
        statement(&db).await.expect("a query");
    }

    /// rule 61: at once, and with the reason
    async fn a_task_that_waits_for_itself_is_told_so(backend) {
        let db = backend.builder().max_connections(1).acquire_timeout(LONG).build().expect("valid options");
        let text = "this task already holds 1 of the 1 connections, and waiting for another would be for ever";
        let start = Instant::now();
        db.atomic(|| async {
            // What has sent nothing holds nothing yet.
            scope(statement(&db)).await?;
            statement(&db).await?;
            let errors = [
                scope(statement(&db)).await.expect_err("the only one is held"),
                scope(db.atomic(|| statement(&db))).await.expect_err("the only one is held"),
                scope(scope(db.connection(|| statement(&db)))).await.expect_err("the only one is held"),
            ];
            for error in errors {
                assert_eq!((error.kind(), error.to_string()), (ErrorKind::PoolTimeout, text.to_owned()));
            }
            statement(&db).await
        })
        .await
        .expect("the outer transaction goes on");
        let pinned = db.connection(|| async {
            statement(&db).await?;
            scope(statement(&db)).await
        });
        assert_eq!(pinned.await.expect_err("the only one is held").to_string(), text);
        assert!(start.elapsed() < LONG);
        scope(statement(&db)).await.expect("nothing is held any more");
    }

    /// rule 61: two held of two; and one held of two is a wait like others', which says what is held
    async fn all_connections_that_a_task_holds_count(backend) {
        let options = backend.builder().max_connections(2).min_connections(2);
        let open = |wait| options.clone().acquire_timeout(wait).build().expect("valid options");
        let (db, start) = (open(LONG), Instant::now());
        let held_twice = db.connection(|| async {
            statement(&db).await?;
            scope(db.connection(|| async {
                statement(&db).await?;
                scope(db.atomic(|| statement(&db))).await
            }))
            .await
        });
        let error = held_twice.await.expect_err("both are held");
        let text = "this task already holds 2 of the 2 connections, and waiting for another would be for ever";
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::PoolTimeout, text.to_owned()));
        assert!(start.elapsed() < LONG);
        let db = open(Duration::from_millis(250));
        let _held = hold_one(&db).await;
        wait_while!(db.stats().idle == 0);
        let held_once = db.connection(|| async {
            statement(&db).await?;
            scope(statement(&db)).await
        });
        let error = held_once.await.expect_err("another task has the other");
        let text = "none of the 2 connections came free within 250ms, and this task already holds 1: 2 in blocks (oldest #";
        assert_eq!(error.kind(), ErrorKind::PoolTimeout);
        assert!(error.to_string().starts_with(text), "{error}");
    }

    /// A connection that has been idle for too long goes.
    async fn idle_connections_go_in_time(backend) {
        let db = backend.builder().idle_timeout(Some(Duration::from_millis(50))).build().expect("valid options");
        db.connect().await.expect("the server is there");
        wait_while!(db.stats().connections > 0);
        statement(&db).await.expect("another takes its place");
    }
}

/// A connection that is too old is replaced, be it idle or given back.
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn old_connections_are_replaced() {
    let age = Duration::from_millis(80);
    let backend = Backend::postgres().await.with(|builder| builder.max_connections(1).max_lifetime(Some(age)));
    let db = &backend.db;
    let session = || async {
        db.query_one("select pg_backend_pid()", params![]).await.and_then(|row| row.get::<i32>(0)).expect("a session")
    };
    let first = session().await;
    // There is another one, though the first was never idle for long.
    wait_while!(session().await == first);
    // One that is in use is left alone.
    db.atomic(|| async {
        let own = session().await;
        tokio::time::sleep(3 * age).await;
        assert_eq!(session().await, own);
        Ok::<_, Error>(())
    })
    .await
    .expect("the transaction has its connection to its end");
    // The last one goes while it is idle.
    backend.sessions_come_to(0).await;
}

/// A database in memory is in its one connection, whatever the options say.
#[tokio::test]
async fn a_database_in_memory_is_never_lost() {
    let short = Some(Duration::from_millis(20));
    let options = Database::builder("sqlite::memory:").max_connections(8).min_connections(4);
    let db = options.idle_timeout(short).max_lifetime(short).build().expect("valid options");
    db.batch("create table item (id integer primary key)").await.expect("a table");
    let users = (0..8_i64).map(|id| {
        let db = db.clone();
        tokio::spawn(async move { db.atomic(|| db.execute("insert into item values ($1)", params![id])).await })
    });
    for user in users.collect::<Vec<_>>() {
        user.await.expect("no panic").expect("an insert");
    }
    assert_eq!((db.stats().connections, db.stats().idle), (1, 1));
    // Several times as long as such a connection would live elsewhere.
    tokio::time::sleep(Duration::from_millis(350)).await;
    db.connect().await.expect("it is connected");
    let count: i64 =
        db.query_one("select count(*) from item", params![]).await.and_then(|row| row.get(0)).expect("rows");
    assert_eq!((count, db.stats().connections), (8, 1));
    let second = db.connection(|| async {
        statement(&db).await?;
        scope(statement(&db)).await
    });
    assert_eq!(second.await.expect_err("there is no second one").kind(), ErrorKind::PoolTimeout);
    // Another one of the same URL is another database.
    let other = Database::open("sqlite::memory:").expect("a valid URL");
    assert!(other.query("select * from item", params![]).await.is_err());
}

/// rule 60: what went stale while it was idle is replaced without the caller seeing it, where nothing can have run
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn stale_connections_are_replaced_unseen() {
    let wire = Wire::with(|builder| builder.max_connections(2)).await;
    let db = &wire.db;
    let both = async || {
        let one = db.connection(|| async {
            statement(db).await?;
            scope(statement(db)).await
        });
        one.await.expect("two connections");
    };
    both().await;
    for round in 0..3 {
        wire.proxy.cut();
        wire.proxy.left_with(0).await;
        db.atomic(|| statement(db)).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        both().await;
        wire.backend.settled().await;
    }
}

/// How many prepared statements a connection keeps.
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn the_statement_cache_is_as_large_as_asked_for() {
    let texts = [
        "select cast($1 as bigint) + 1",
        "select cast($1 as bigint) + 2",
        "select count(*) from pg_prepared_statements where $1 = 7",
    ];
    for (capacity, expected) in [(0, [2, 1, 3, 0]), (1, [2, 1, 6, 1]), (2, [2, 1, 6, 2]), (3, [2, 1, 3, 3])] {
        let wire = Wire::with(|builder| builder.max_connections(1).statement_cache_capacity(capacity)).await;
        let run = async |text: &str| -> i64 {
            wire.db.query_one(text, params![7]).await.and_then(|row| row.get(0)).expect("a row")
        };
        let flights = async |texts: &[&str]| {
            wire.proxy.reset();
            for text in texts {
                run(text).await;
            }
            wire.proxy.counts().flights as i64
        };
        wire.db.connect().await.expect("the server is there");
        let first = flights(&texts[..1]).await;
        let again = flights(&texts[..1]).await;
        flights(&texts).await;
        let all = flights(&texts).await;
        // What the server itself still has, this query included.
        let kept = run(texts[2]).await;
        assert_eq!([first, again, all, kept], expected, "a capacity of {capacity}");
    }
    let sqlite = Database::builder("sqlite::memory:").statement_cache_capacity(1).build().expect("valid options");
    for _ in 0..2 {
        for text in &texts[..2] {
            sqlite.query_one(text, params![7]).await.expect("a row");
        }
    }
}

/// SQLite: how long a statement waits while another connection writes.
#[tokio::test]
async fn the_busy_timeout_bounds_the_wait_for_a_writer() {
    let backend = Backend::sqlite().await.with_items().await;
    let writer = backend.builder().build().expect("valid options");
    let short = backend.builder().busy_timeout(Duration::from_millis(50)).build().expect("valid options");
    let insert = |db: Database, id: i64| async move {
        db.execute("insert into item values ($1, $2)", params![id, id.to_string()]).await
    };
    writer
        .atomic(|| async {
            insert(writer.clone(), 1).await?;
            let refused = async || {
                let start = Instant::now();
                let error = insert(short.clone(), 2).await.expect_err("another writes");
                assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
                start.elapsed()
            };
            assert!(refused().await >= Duration::from_millis(50));
            // Five seconds are what it would wait without the option. A busy machine needs as long, but not each time.
            wait_while!(refused().await >= Duration::from_secs(5));
            let block = short.atomic(|| insert(short.clone(), 2)).await.expect_err("another writes");
            assert!(block.is_timeout() && block.is_retryable(), "{block:?}");
            Ok::<_, Error>(())
        })
        .await
        .expect("the writer is not disturbed");
    insert(short.clone(), 2).await.expect("nobody writes any more");
    assert_eq!(backend.items().await, ["1", "2"]);
}
