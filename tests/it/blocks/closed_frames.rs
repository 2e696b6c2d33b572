//! Nothing runs after its frame has closed: rule 6 of the specification.

use std::{pin::pin, sync::Mutex, time::Duration};

use nestling::{Context, Database, Error, ErrorKind, params, status::Status};

use crate::{
    harness::{Backend, insert, poll_once},
    support::waits::PATIENCE,
};

/// What ends a statement's wait for a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum WaitEnd {
    ComesFree,
    PoolTime,
    BlockTime,
    Deadline,
}

/// How a block comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Ok,
    Err,
    Dropped,
}

const ENDS: [End; 3] = [End::Ok, End::Err, End::Dropped];

/// The context inside a block that was ended so, after one statement in it.
async fn captured(db: &Database, end: End) -> Context {
    let context = Mutex::new(None);
    {
        let mut block = pin!(db.atomic(|| async {
            db.query("select 1", params![]).await?;
            *context.lock().expect("no panic") = Some(Context::current());
            match end {
                End::Ok => Ok(()),
                End::Err => Err(some_error(db).await),
                End::Dropped => std::future::pending().await,
            }
        }));
        match end {
            End::Ok => block.await.expect("it commits"),
            End::Err => assert_eq!(block.await.expect_err("the body's own").kind(), ErrorKind::NoTransaction),
            End::Dropped => {
                wait_while!(context.lock().expect("no panic").is_none(), {
                    assert!(poll_once(block.as_mut()).await.is_pending());
                    tokio::task::yield_now().await;
                });
            }
        }
    }
    context.into_inner().expect("no panic").expect("the body has run")
}

async fn some_error(db: &Database) -> Error {
    nestling::scope(db.savepoint(|| async { Ok::<_, Error>(()) })).await.expect_err("no transaction")
}

/// What all calls say in the context.
async fn all_calls(db: &Database, context: &Context) -> Vec<(&'static str, ErrorKind)> {
    let ours = db.clone();
    let calls = async {
        assert_eq!(
            (db.depth(), db.in_transaction(), db.status()),
            (0, false, Status::None),
            "rule 12: nothing is open"
        );
        let never = || async { Err::<(), _>(some_error(db).await) };
        let late = db.clone();
        vec![
            ("execute", insert(db, 9, "late").await.map(|_| ())),
            ("query", db.query("select 1", params![]).await.map(|_| ())),
            ("batch", db.batch("insert into item values (9, 'late')").await),
            ("stream", db.stream("select 1", params![]).await.map(|_| ())),
            ("atomic", db.atomic(never).await),
            ("savepoint", db.savepoint(never).await),
            ("transaction", ours.transaction(move || async move { insert(&late, 9, "late").await.map(|_| ()) }).await),
            ("eager", db.build_transaction().eager().atomic(never).await),
            ("connection", db.connection(|| async { insert(db, 9, "late").await.map(|_| ()) }).await),
            ("set_rollback_only", db.set_rollback_only()),
            ("native", native(db).await),
        ]
    };
    let results = context.clone().enter(calls).await;
    results.into_iter().map(|(call, result)| (call, result.expect_err("the frame has closed").kind())).collect()
}

async fn native(db: &Database) -> Result<(), Error> {
    if db.dialect() == nestling::Dialect::Postgres {
        db.with_postgres(|_| async { Ok::<_, Error>(()) }).await
    } else {
        db.with_sqlite(|_| Ok::<_, Error>(())).await
    }
}

test_on! {
    every_backend;

    /// rule 6
    async fn a_captured_context_is_closed_with_its_block_for_every_call(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for end in ENDS {
            let context = captured(db, end).await;
            backend.settled().await;
            for (call, kind) in all_calls(db, &context).await {
                assert_eq!(kind, ErrorKind::FrameClosed, "{call} after {end:?}");
            }
            assert!(backend.items().await.is_empty(), "never autocommitted");
            backend.settled().await;
        }
    }
}

test_on! {
    every_backend;

    /// rule 6: never the transaction of whoever has that connection now
    async fn a_late_statement_does_not_reach_the_transaction_that_has_the_connection_now(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        for (round, end) in (1..).zip(ENDS) {
            let context = captured(db, end).await;
            let next = db.atomic(|| async {
                insert(db, round, &format!("round {round}")).await?;
                for (call, kind) in all_calls(db, &context).await {
                    assert_eq!(kind, ErrorKind::FrameClosed, "{call} after {end:?}");
                }
                assert_eq!(db.status(), Status::Open, "it is not marked either");
                Ok::<_, Error>(db.query("select id from item", params![]).await?.len())
            });
            assert_eq!(next.await.expect("it commits"), usize::try_from(round).expect("small"));
        }
        assert_eq!(backend.items().await, ["round 1", "round 2", "round 3"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 6: an inner frame has closed, and the root is open
    async fn a_late_statement_of_an_inner_block_does_not_reach_the_block_around_it(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for (round, end) in (1..).zip(ENDS) {
            let work = db.atomic(|| async {
                insert(db, round, &format!("round {round}")).await?;
                let context = captured(db, end).await;
                for (call, kind) in all_calls(db, &context).await {
                    assert_eq!(kind, ErrorKind::FrameClosed, "{call} after {end:?}");
                }
                assert_eq!((db.depth(), db.status()), (1, Status::Open));
                Ok::<_, Error>(db.query("select id from item", params![]).await?.len())
            });
            assert_eq!(work.await.expect("it commits"), usize::try_from(round).expect("small"));
        }
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 6: on a pinned connection the transactions come one after another
    async fn a_late_failure_of_a_joined_transaction_does_not_mark_the_next_one_on_a_pinned_connection(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let pinned = db.connection(|| async {
            let context = captured(db, End::Err).await;
            let late = Mutex::new(Some(context));
            let joined = {
                let (own, context) = (db.clone(), late.lock().expect("no panic").take().expect("captured"));
                context.enter(async move {
                    let other = own.clone();
                    own.transaction(move || async move { insert(&other, 9, "late").await }).await
                })
            };
            db.atomic(|| async {
                assert_eq!(joined.await.expect_err("late").kind(), ErrorKind::FrameClosed);
                insert(db, 1, "kept").await
            })
            .await
        });
        pinned.await.expect("the second transaction is whole");
        assert_eq!(backend.items().await, ["kept"]);
    }
}

/// rule 6: a joined `transaction` of another task outlives the root on a pinned connection
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joined_body_that_outlives_its_root_marks_nobody_else() {
    let backend = Backend::postgres().await.with_items().await;
    let db = &backend.db;
    let (fail, failing) = tokio::sync::oneshot::channel::<()>();
    let pinned = db.connection(|| async {
        let mut late = None;
        let first = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            let own = db.clone();
            let joined = Context::current().enter(async move {
                let other = own.clone();
                own.transaction(move || async move {
                    failing.await.expect("told to");
                    insert(&other, 9, "late").await
                })
                .await
            });
            let mut joined = Box::pin(joined);
            assert!(poll_once(joined.as_mut()).await.is_pending(), "it has joined");
            late = Some(joined);
            Err::<(), _>(some_error(db).await)
        });
        first.await.expect_err("the body's own");
        let late = late.expect("it was carried out");
        db.atomic(|| async {
            fail.send(()).expect("it listens");
            assert_eq!(late.await.expect_err("late").kind(), ErrorKind::FrameClosed);
            insert(db, 1, "kept").await
        })
        .await
    });
    pinned.await.expect("the second transaction is whole");
    assert_eq!(backend.items().await, ["kept"]);
}

test_on! {
    every_backend;

    /// rule 6: it was waiting for its turn
    async fn a_statement_that_waits_for_its_turn_gets_frame_closed(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let context = Mutex::new(None);
        let mut root = Box::pin(db.atomic(|| async {
            insert(db, 1, "lost").await?;
            *context.lock().expect("no panic") = Some(Context::current());
            db.atomic(std::future::pending::<Result<(), Error>>).await
        }));
        let waiting = |context: &Mutex<Option<Context>>| {
            let context = context.lock().expect("no panic").clone().expect("captured");
            (Box::pin(context.clone().enter(insert(db, 2, "late"))), Box::pin(context.enter(db.atomic(|| insert(db, 3, "late")))))
        };
        wait_while!(context.lock().expect("no panic").is_none(), {
            assert!(poll_once(root.as_mut()).await.is_pending());
            tokio::task::yield_now().await;
        });
        let (mut statement, mut block) = waiting(&context);
        assert!(poll_once(statement.as_mut()).await.is_pending(), "the child has the turn");
        assert!(poll_once(block.as_mut()).await.is_pending());
        drop(root);
        assert_eq!(statement.await.expect_err("closed").kind(), ErrorKind::FrameClosed);
        assert_eq!(block.await.expect_err("closed").kind(), ErrorKind::FrameClosed);
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rule 6: it had its turn and was waiting for a connection
    async fn a_statement_that_waits_for_a_connection_gets_frame_closed(backend) {
        for end in [WaitEnd::ComesFree, WaitEnd::PoolTime, WaitEnd::BlockTime, WaitEnd::Deadline] {
            let short = Duration::from_secs(1);
            let wait = if end == WaitEnd::PoolTime { short } else { PATIENCE };
            let options = |options: nestling::DatabaseBuilder| options.max_connections(1).acquire_timeout(wait);
            let backend = if backend.is_postgres() { Backend::postgres().await } else { Backend::sqlite().await };
            let backend = backend.with_items().await.with(options);
            let db = &backend.db;
            // The time is one for the making of a connection too, and too short for it where the machine is busy.
            wait_while!(db.connect().await.is_err());
            // The holder of the only connection is another task.
            let (free, until) = tokio::sync::oneshot::channel::<()>();
            let (held, holds) = tokio::sync::oneshot::channel::<()>();
            let other = db.clone();
            let holder = nestling::spawn(async move {
                other
                    .atomic(|| async {
                        other.query("select 1", params![]).await?;
                        held.send(()).expect("it is waited for");
                        until.await.expect("it is told");
                        Ok::<_, Error>(())
                    })
                    .await
            });
            holds.await.expect("the connection is taken");
            let context = Mutex::new(None);
            let root = match end {
                WaitEnd::BlockTime => db.build_transaction().acquire_timeout(short),
                WaitEnd::Deadline => db.build_transaction().timeout(short),
                WaitEnd::ComesFree | WaitEnd::PoolTime => db.build_transaction(),
            };
            let mut root = Box::pin(root.atomic(|| async {
                *context.lock().expect("no panic") = Some(Context::current());
                std::future::pending::<Result<(), Error>>().await
            }));
            assert!(poll_once(root.as_mut()).await.is_pending());
            let context = context.lock().expect("no panic").take().expect("captured");
            let mut late = Box::pin(context.enter(insert(db, 1, "late")));
            assert!(poll_once(late.as_mut()).await.is_pending());
            assert_eq!(db.stats().waiting, 1, "it waits for the connection");
            drop(root);
            let free = if end == WaitEnd::ComesFree { free.send(()).expect("it waits"); None } else { Some(free) };
            assert_eq!(late.await.expect_err("closed").kind(), ErrorKind::FrameClosed, "{end:?}");
            free.into_iter().for_each(|free| free.send(()).expect("it waits"));
            holder.await.expect("no panic").expect("it commits");
            backend.settled().await;
            assert!(backend.items().await.is_empty());
            assert_eq!(insert(db, 1, "works").await.expect("the pool is whole"), 1);
        }
    }
}

test_on! {
    every_backend;

    /// rule 6: the frame closes while another task's statement of it is in flight
    async fn a_statement_in_flight_when_its_inner_block_is_dropped_is_undone_with_it(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            let mut late = None;
            {
                let mut block = pin!(db.atomic(|| async {
                    insert(db, 2, "lost").await?;
                    let mut statement = Box::pin(Context::current().enter(insert(db, 3, "lost too")));
                    let sent = poll_once(statement.as_mut()).await;
                    late = Some((statement, sent));
                    std::future::pending::<Result<(), Error>>().await
                }));
                wait_while!(poll_once(block.as_mut()).await.is_pending() && db.stats().statements < 3, by yielding);
            }
            let (statement, sent) = late.expect("it was sent");
            let rows = db.query("select name from item", params![]).await?;
            assert_eq!(rows.len(), 1, "the block is undone");
            if sent.is_pending() {
                // Whatever the answer was: it harms nobody, nor does its being dropped.
                let _ = statement.await;
            }
            insert(db, 4, "kept too").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
        backend.settled().await;
    }
}
