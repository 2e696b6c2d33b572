//! Futures and streams that are kept, neither polled nor dropped, when their block ends (rule 6). The end of the block is
//! bounded whatever they hold, the connection is whole again, and what they say at last is that their block has ended.

use std::{
    future::pending,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use nestling::{Context, Database, Error, ErrorKind, Row, params, row::RowStream};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    dialects::numbers,
    harness::{Backend, insert, poll_once},
};

/// The longest that the end of a block may take, with time to spare for a busy machine. It is well below the turn
/// time-out of the handles that are not meant to wait for it.
const BOUND: Duration = Duration::from_secs(30);

/// How the block ends that something is kept beyond.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Ok,
    Err,
    Dropped,
    Panic,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    /// A statement with one row, that was polled once.
    Statement,
    /// A statement with more rows than a connection takes in unread, that was polled once.
    ManyRows,
    /// Two statements that were polled once each.
    Two,
    /// A stream of few rows, of which one was read.
    Few,
    /// A stream of many rows, of which one was read.
    Stream,
}

const ENDS: [End; 4] = [End::Ok, End::Err, End::Dropped, End::Panic];
const KINDS: [What; 5] = [What::Statement, What::ManyRows, What::Two, What::Few, What::Stream];

type Query = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + Send>>;

enum Kept {
    Queries(Vec<Query>),
    Stream(RowStream),
}

async fn begin_query(db: &Database, count: i64) -> Query {
    let own = db.clone();
    let sql = numbers(db.dialect());
    let mut query: Query = Box::pin(Context::current().enter(async move { own.query(sql, params![count]).await }));
    // SQLite on the spot is ready at once: there is nothing to keep then, and the test is one of others.
    let _ = poll_once(query.as_mut()).await;
    query
}

async fn keep(db: &Database, what: What) -> Result<Kept, Error> {
    Ok(match what {
        What::Statement => Kept::Queries(vec![begin_query(db, 1).await]),
        What::ManyRows => Kept::Queries(vec![begin_query(db, 50_000).await]),
        What::Two => Kept::Queries(vec![begin_query(db, 1).await, begin_query(db, 1).await]),
        What::Few | What::Stream => {
            let count = if what == What::Few { 3 } else { 50_000 };
            let mut rows = db.stream(numbers(db.dialect()), params![count]).await?;
            rows.next().await.expect("there are rows")?;
            Kept::Stream(rows)
        }
    })
}

/// An error of the body's own, which needs no connection.
fn own_error() -> Error {
    Database::open("no such scheme").expect_err("it is no URL")
}

/// Runs a block that keeps something and ends in some way; what is kept comes back.
async fn leave(db: &Database, what: What, end: End) -> (Kept, Option<Error>) {
    let (give, given) = oneshot::channel();
    let body = || async {
        insert(db, 1, "left").await?;
        let kept = keep(db, what).await?;
        give.send(kept).ok().expect("it is waited for");
        match end {
            End::Ok => Ok(()),
            End::Err => Err(own_error()),
            End::Dropped => pending().await,
            End::Panic => panic!("as asked for"),
        }
    };
    let mut block = Box::pin(AssertUnwindSafe(db.atomic(body)).catch_unwind());
    if end == End::Dropped {
        let kept = tokio::select! {
            _ = &mut block => panic!("it never ends by itself"),
            kept = given => kept.expect("something is kept"),
        };
        drop(block);
        return (kept, None);
    }
    let outcome =
        timeout(BOUND, &mut block).await.unwrap_or_else(|_| panic!("{what:?}, {end:?}: the block did not end"));
    let error = match outcome {
        Ok(result) => result.err(),
        Err(_panic) => None,
    };
    (given.await.expect("something is kept"), error)
}

/// What is kept says that its block has ended; a second poll of a stream finds its end.
async fn says_closed(kept: Kept, what: What, end: End) {
    match kept {
        Kept::Queries(queries) => {
            for query in queries {
                // It may have been ready at its first poll: then it must not be polled again.
                let polled = AssertUnwindSafe(timeout(BOUND, query)).catch_unwind().await;
                let Ok(answer) = polled else { continue };
                let error = answer.expect("it is ready").expect_err("its block has ended");
                assert_eq!(error.kind(), ErrorKind::FrameClosed, "{what:?}, {end:?}");
            }
        }
        Kept::Stream(mut rows) => {
            let next = timeout(BOUND, rows.next()).await.expect("it is ready");
            let error = next.expect("one thing more is said").expect_err("its block has ended");
            assert_eq!(error.kind(), ErrorKind::FrameClosed, "{what:?}, {end:?}");
            assert!(rows.next().await.is_none());
        }
    }
}

/// A pool of one, so that a connection that was not given back is missed at once.
async fn backend_with_short_turns(backend: Backend) -> Backend {
    let options = |options: nestling::DatabaseBuilder| {
        options.turn_timeout(Duration::from_millis(400)).max_connections(1).acquire_timeout(BOUND)
    };
    backend.with_items().await.with(options)
}

test_on! {
    every_backend;

    /// rules 6, 37 and 38: the root ends in whatever way, the connection is the next user's, and nothing is left open
    async fn what_is_kept_beyond_a_root_holds_nothing(backend) {
        let backend = backend_with_short_turns(backend).await;
        let db = &backend.db;
        for what in KINDS {
            for end in ENDS {
                let began = Instant::now();
                let (kept, error) = leave(db, what, end).await;
                let told = error.map(|error| error.kind());
                // A statement that was ready at its first poll is not in flight any more: then the block commits.
                let committed = end == End::Ok && told.is_none();
                if end == End::Ok && !committed {
                    assert_eq!(told, Some(ErrorKind::TurnTimeout), "{what:?}");
                }
                insert(db, 2, "next").await.unwrap_or_else(|error| panic!("{what:?}, {end:?}: {error}"));
                assert!(began.elapsed() < BOUND, "{what:?}, {end:?}");
                if committed {
                    assert!(matches!(kept, Kept::Queries(_)), "a stream keeps its block from being kept");
                    drop(kept);
                } else {
                    says_closed(kept, what, end).await;
                }
                let expected: &[&str] = if committed { &["left", "next"] } else { &["next"] };
                assert_eq!(backend.items().await, expected, "{what:?}, {end:?}");
                db.execute("delete from item", ()).await.unwrap();
                backend.settled().await;
            }
        }
    }

    /// rules 6 and 43: the parent goes on at once, and keeps what it did
    async fn what_is_kept_beyond_a_nested_block_leaves_its_parent_alone(backend) {
        let backend = backend_with_short_turns(backend).await;
        let db = &backend.db;
        for what in KINDS {
            for end in ENDS {
                let began = Instant::now();
                let outer = db.atomic(|| async {
                    insert(db, 10, "before").await?;
                    let (kept, error) = leave(db, what, end).await;
                    insert(db, 11, "after").await?;
                    Ok::<_, Error>((kept, error.map(|error| error.kind())))
                });
                let outer = timeout(BOUND, outer).await.unwrap_or_else(|_| panic!("{what:?}, {end:?} hangs"));
                let (kept, told) = outer.unwrap_or_else(|error| panic!("{what:?}, {end:?}: {error:?}"));
                assert!(began.elapsed() < BOUND, "{what:?}, {end:?}");
                let released = end == End::Ok && told.is_none();
                if !released {
                    says_closed(kept, what, end).await;
                }
                let expected: &[&str] = if released { &["after", "before", "left"] } else { &["after", "before"] };
                assert_eq!(backend.items().await, expected, "{what:?}, {end:?}");
                db.execute("delete from item", ()).await.unwrap();
                backend.settled().await;
            }
        }
    }

    /// rule 6: the drop of what was kept harms nobody who has the connection by then
    async fn what_was_kept_harms_nobody_when_it_is_dropped(backend) {
        let backend = backend_with_short_turns(backend).await;
        let db = &backend.db;
        for what in KINDS {
            let (kept, _) = leave(db, what, End::Err).await;
            let next = db.atomic(|| async {
                insert(db, 3, "one").await?;
                drop(kept);
                insert(db, 4, "two").await
            });
            next.await.unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
            assert_eq!(backend.items().await, ["one", "two"], "{what:?}");
            db.execute("delete from item", ()).await.unwrap();
            backend.settled().await;
        }
    }

    /// rules 5, 6 and 37: a reader in a task that has opted in is slow while the block ends
    async fn a_slow_reader_of_another_task_does_not_hold_up_the_end(backend) {
        let backend = backend_with_short_turns(backend).await;
        let db = &backend.db;
        for end in ENDS {
            let (go, going) = oneshot::channel::<()>();
            let (begun, has_begun) = oneshot::channel();
            let own = db.clone();
            let body = || async {
                insert(db, 1, "left").await?;
                let context = Context::current();
                let reader = tokio::spawn(context.enter(async move {
                    let mut rows = own.stream(numbers(own.dialect()), params![50_000]).await?;
                    rows.next().await.expect("there are rows")?;
                    begun.send(()).expect("it is waited for");
                    going.await.expect("it is told");
                    let mut count = 1;
                    while let Some(row) = rows.next().await {
                        row?;
                        count += 1;
                    }
                    Ok::<_, Error>(count)
                }));
                has_begun.await.expect("the reader has begun");
                Ok::<_, Error>(reader)
            };
            let mut reader = None;
            let block = db.atomic(|| async {
                reader = Some(body().await?);
                match end {
                    End::Ok => Ok(()),
                    End::Err => Err(own_error()),
                    End::Dropped => pending().await,
                    End::Panic => panic!("as asked for"),
                }
            });
            let limit = if end == End::Dropped { Duration::from_millis(300) } else { BOUND };
            let outcome = timeout(limit, AssertUnwindSafe(block).catch_unwind()).await;
            match (end, outcome) {
                (End::Dropped, Err(_)) | (End::Panic, Ok(Err(_))) => {}
                (End::Ok, Ok(Ok(Err(error)))) => assert_eq!(error.kind(), ErrorKind::TurnTimeout),
                (End::Err, Ok(Ok(Err(error)))) => assert_ne!(error.kind(), ErrorKind::TurnTimeout),
                (end, outcome) => panic!("{end:?}: {outcome:?}"),
            }
            timeout(BOUND, insert(db, 2, "next")).await.expect("the connection is free").unwrap();
            assert_eq!(backend.items().await, ["next"], "{end:?}");
            if let Some(reader) = reader {
                go.send(()).expect("the reader waits");
                let error = timeout(BOUND, reader).await.expect("it ends").unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::FrameClosed, "{end:?}");
            }
            db.execute("delete from item", ()).await.unwrap();
            backend.settled().await;
        }
    }
}

test_on! {
    every_server;

    /// fault kind "every way out has the same bounds": a body that fails does not wait for the statement of another task
    async fn an_error_does_not_wait_for_a_statement_of_another_task(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (sql, own) = (backend.choose("select pg_sleep(300)", "select sleep(300)", ""), db.clone());
        let began = Instant::now();
        let mut sleeper = None;
        let block = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            let mut sleeping: Query = Box::pin(Context::current().enter(async move { own.query(sql, ()).await }));
            assert!(matches!(poll_once(sleeping.as_mut()).await, Poll::Pending));
            sleeper = Some(tokio::spawn(sleeping));
            wait_while!(backend.count_running("%sleep(300)%").await == 0);
            Err::<(), _>(own_error())
        });
        assert_eq!(block.await.unwrap_err().kind(), ErrorKind::Config);
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        let error = sleeper.expect("it sleeps").await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FrameClosed);
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 9 and 61: a statement that waits for a stream of its own task is told so at once, and the stream goes on
    async fn a_statement_in_the_loop_over_a_stream_of_its_own_is_told_at_once(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let began = Instant::now();
        db.atomic(|| async {
            let mut rows = db.stream(numbers(db.dialect()), params![3]).await?;
            let mut seen = 0;
            while let Some(row) = rows.next().await {
                seen += row?.get::<i64>(0)?;
                if seen == 1 {
                    let error = insert(db, 1, "never").await.expect_err("the stream has the turn");
                    assert_eq!(error.kind(), ErrorKind::TurnTimeout);
                    assert!(error.to_string().contains("a stream of rows of the same task"), "{error}");
                    let nested = db.atomic(|| insert(db, 1, "never")).await.expect_err("the stream has the turn");
                    assert_eq!(nested.kind(), ErrorKind::TurnTimeout);
                }
            }
            assert_eq!(seen, 6);
            insert(db, 2, "then").await
        })
        .await
        .unwrap();
        assert!(began.elapsed() < BOUND, "it waits for no time-out");
        assert_eq!(backend.items().await, ["then"]);
    }
}

test_on! {
    every_backend;

    /// rule 61: the same outside a block, where the task's own streams hold all connections
    async fn a_query_beside_a_stream_that_has_the_last_connection_is_told_at_once(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let began = Instant::now();
        let mut rows = db.stream(numbers(db.dialect()), params![3]).await.unwrap();
        rows.next().await.expect("there are rows").unwrap();
        let error = insert(db, 1, "never").await.expect_err("the stream has the connection");
        assert_eq!(error.kind(), ErrorKind::PoolTimeout);
        assert!(error.to_string().contains("1 by streams of rows"), "{error}");
        assert!(began.elapsed() < BOUND, "it waits for no time-out");
        assert!(rows.next().await.is_some(), "the stream goes on");
        drop(rows);
        insert(db, 2, "then").await.unwrap();
        assert_eq!(backend.items().await, ["then"]);
    }
}

test_on! {
    every_backend;

    /// rules 6 and 38: the next transaction on a pinned connection begins, whatever is kept of the last one
    async fn what_is_kept_beyond_a_root_leaves_a_pinned_connection_usable(backend) {
        let backend = backend_with_short_turns(backend).await;
        let db = &backend.db;
        for what in KINDS {
            for end in ENDS {
                let pinned = db.connection(|| async {
                    let (kept, error) = leave(db, what, end).await;
                    db.atomic(|| insert(db, 11, "after")).await?;
                    Ok::<_, Error>((kept, error))
                });
                let pinned = timeout(BOUND, pinned).await.unwrap_or_else(|_| panic!("{what:?}, {end:?} hangs"));
                let (kept, told) = pinned.unwrap_or_else(|error| panic!("{what:?}, {end:?}: {error:?}"));
                let committed = end == End::Ok && told.is_none();
                if !committed {
                    says_closed(kept, what, end).await;
                }
                let expected: &[&str] = if committed { &["after", "left"] } else { &["after"] };
                assert_eq!(backend.items().await, expected, "{what:?}, {end:?}");
                db.execute("delete from item", ()).await.unwrap();
                backend.settled().await;
            }
        }
    }
}
