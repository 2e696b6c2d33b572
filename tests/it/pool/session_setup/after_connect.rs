//! `after_connect`: it has run on each connection before anybody uses that, and what it set stays.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use nestling::{Database, Dialect, Error, ErrorKind, connect::PoolConnection, params};
use tokio::sync::{Barrier, mpsc};

use super::{Count, is_marked, mark, marking, no_session_is_left, read, session, set};
use crate::{dialects::sleeps, harness::insert};

/// Has so many connections at once, all of them marked.
async fn all_are_marked(db: &Database, count: usize) {
    let together = Barrier::new(count);
    // Blocks that only read, as a statement alone on a connection that has just died is told so on MySQL.
    let holds = (0..count).map(|_| {
        db.read_only(|| async {
            assert!(is_marked(db).await?);
            together.wait().await;
            Ok::<_, Error>(())
        })
    });
    try_join_all(holds).await.expect("connections");
}

test_on! {
    every_backend;

    /// rule 60: once for each connection, before its first user, however many want one at the same time
    async fn each_connection_has_run_it_once_before_its_first_user(backend) {
        let count = Count::default();
        let counted = count.clone();
        let is_server = backend.db.dialect() != Dialect::Sqlite;
        let backend = backend.with_items().await.with(|options| {
            options.max_connections(4).after_connect(move |connection: PoolConnection| {
                let number = counted.more();
                async move {
                    connection.execute(mark(connection.dialect()).set, params![]).await?;
                    if is_server {
                        // A second time on one session would be a second row of one key.
                        let own = match connection.dialect() {
                            Dialect::Postgres => "pg_backend_pid()",
                            _ => "connection_id()",
                        };
                        let sql = format!("insert into item values ({own}, '{number}')");
                        connection.execute(&sql, params![]).await?;
                    }
                    Ok::<_, Error>(())
                }
            })
        });
        let db = &backend.db;
        let tasks: Vec<_> = (0..32)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(async move {
                    for round in 0..8 {
                        let marked = match (task + round) % 3 {
                            0 => is_marked(&db).await?,
                            1 => db.read_only(|| is_marked(&db)).await?,
                            _ => db.connection(|| is_marked(&db)).await?,
                        };
                        assert!(marked, "task {task}, round {round}");
                    }
                    Ok::<_, Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("it runs");
        }
        backend.settled().await;
        let made = db.stats().connections;
        assert!((1..=4).contains(&made));
        assert_eq!(count.get() as u64, made);
        if is_server {
            assert_eq!(backend.items().await.len() as u64, made, "the server's own view");
        }
    }

    /// rule 60: what it set is no change that a return undoes, and what a user changes is
    async fn what_it_set_stays_and_is_set_again_behind_a_reset(backend) {
        let (options, count) = marking(backend.builder().max_connections(1));
        let db = options.build().expect("valid options");
        for _ in 0..3 {
            assert!(is_marked(&db).await.expect("a mark"));
            db.atomic(|| is_marked(&db)).await.expect("a block");
        }
        assert_eq!(count.get(), 1, "nothing was reset");
        let before = session(&db).await.expect("a session");
        let Marks { unset, changed } = marks(&db);
        for round in 1..4 {
            db.execute(unset, params![]).await.expect("a change");
            assert!(is_marked(&db).await.expect("a mark"), "round {round}: set again");
            assert_eq!(count.get(), round + 1);
        }
        db.connection(|| async {
            db.execute(unset, params![]).await?;
            assert_eq!(read(&db).await?, changed, "the session belongs to its user");
            Ok::<_, Error>(())
        })
        .await
        .expect("a pinned connection");
        assert!(is_marked(&db).await.expect("a mark"));
        let undone = db.atomic(|| async {
            db.execute(unset, params![]).await.ok();
            Err::<(), _>(db.query_one("select 1 where 1 = 0", params![]).await.expect_err("no row"))
        });
        undone.await.expect_err("the body's own");
        assert!(is_marked(&db).await.expect("a mark"), "behind a rollback");
        if db.dialect() != Dialect::Sqlite {
            assert_eq!(session(&db).await.expect("a session"), before, "it was reset, and not replaced");
        }
        backend.settled_with(&db).await;
    }

    /// rules 19 and 60: the caller gets its error, and no connection is left
    async fn its_error_is_the_source_of_the_callers(backend) {
        let count = Count::default();
        let counted = count.clone();
        let backend = backend.with(|options| {
            options.max_connections(2).after_connect(move |connection| {
                let number = counted.more();
                async move {
                    match number {
                        1 => Err("not today".into()),
                        2 => Ok::<_, Box<dyn StdError + Send + Sync>>(connection.batch("select no_such_column").await?),
                        _ => Ok(set(connection).await?),
                    }
                }
            })
        });
        let db = &backend.db;
        let own = db.query("select 1", params![]).await.expect_err("it fails");
        assert_eq!(own.kind(), ErrorKind::Connect, "{own:?}");
        assert_eq!(own.source().expect("a source").to_string(), "not today");
        let of_server = db.atomic(|| db.query("select 1", params![])).await.expect_err("it fails in a block");
        assert_eq!(of_server.kind(), ErrorKind::Connect, "{of_server:?}");
        let source = of_server.source().and_then(|source| source.downcast_ref::<Error>()).expect("our own error");
        assert_eq!(source.kind(), ErrorKind::Server);
        assert_eq!((db.stats().connections, db.depth()), (0, 0));
        no_session_is_left(&backend).await;
        assert!(is_marked(db).await.expect("the next one is fine"));
        backend.settled().await;
    }

    /// rules 6 and 60: nothing of it runs when somebody else has the connection
    async fn a_handle_that_is_kept_is_dead(backend) {
        let (keep, mut kept) = mpsc::unbounded_channel();
        let backend = backend.with(|options| {
            options.max_connections(1).after_connect(move |connection| {
                let connection = Arc::new(connection);
                let keep = keep.clone();
                async move {
                    connection.batch("select 1").await?;
                    keep.send(Arc::clone(&connection)).expect("the test keeps it");
                    Ok::<_, Error>(())
                }
            })
        });
        let db = &backend.db;
        db.query("select 1", params![]).await.expect("a connection");
        let dead = kept.recv().await.expect("a handle");
        assert_eq!(dead.execute(mark(db.dialect()).set, params![]).await.expect_err("dead").kind(), ErrorKind::FrameClosed);
        assert_eq!(dead.query("select 1", params![]).await.expect_err("dead").kind(), ErrorKind::FrameClosed);
        assert_eq!(dead.batch("select 1").await.expect_err("dead").kind(), ErrorKind::FrameClosed);
        assert!(!is_marked(db).await.expect("a mark"));
        backend.settled().await;
    }

    /// rule 23
    async fn control_statements_are_refused_in_it(backend) {
        let backend = backend.with(|options| options.after_connect(|connection| async move { connection.batch("begin").await }));
        let error = backend.db.query("select 1", params![]).await.expect_err("refused");
        let source = error.source().and_then(|source| source.downcast_ref::<Error>()).expect("our own error");
        assert_eq!(source.kind(), ErrorKind::ControlStatement);
        no_session_is_left(&backend).await;
    }

    /// rule 60: connections that are made ahead of their use, and those of blocking handles
    async fn it_holds_for_connections_that_nobody_asked_for_yet(backend) {
        let (options, count) = marking(backend.builder().max_connections(4).min_connections(3));
        let db = options.build().expect("valid options");
        assert!(is_marked(&db).await.expect("a mark"));
        wait_while!(db.stats().idle < 3);
        all_are_marked(&db, 3).await;
        let made = count.get();
        assert!(made >= 3);
        let sync = db.sync();
        let row = sync.query_one(mark(db.dialect()).read, params![]).expect("a mark");
        assert_eq!(row.get::<String>(0).expect("a text"), mark(db.dialect()).value);
        assert!(count.get() > made, "a connection of its own");
        sync.close();
        db.close().await;
    }

    /// rule 60
    async fn one_that_does_not_end_is_given_up(backend) {
        let backend = backend.with(|options| {
            let options = options.max_connections(1).connect_timeout(Duration::from_secs(3));
            options.after_connect(|_connection| std::future::pending::<Result<(), Error>>())
        });
        let told = async || backend.db.query("select 1", params![]).await.expect_err("its time is over");
        let mut error = told().await;
        // Logging in has as much time, which a busy machine may use up.
        wait_while!(error.to_string().starts_with("no connection"), { error = told().await });
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("after_connect did not end within 3s"), "{error}");
        no_session_is_left(&backend).await;
        assert_eq!(backend.db.stats().connections, 0);
    }
}

struct Marks {
    unset: &'static str,
    /// How it reads when it is unset.
    changed: &'static str,
}

fn marks(db: &Database) -> Marks {
    let changed = match db.dialect() {
        Dialect::Postgres => "no",
        Dialect::Mysql => "8888",
        _ => "0",
    };
    Marks { unset: mark(db.dialect()).unset, changed }
}

test_on! {
    every_server;

    /// rules 33 and 60: the server ends all sessions, and new ones are as the old ones were
    async fn it_runs_again_when_the_server_has_ended_the_session(backend) {
        let (options, count) = marking(backend.builder().max_connections(2));
        let db = options.build().expect("valid options");
        all_are_marked(&db, 2).await;
        assert_eq!(count.get(), 2);
        let sessions = backend.sessions_query().await.expect("a server");
        for row in backend.observer().query(&sessions, params![]).await.expect("the sessions") {
            let id: i64 = row.get(0).expect("a number");
            let own = session(backend.observer()).await.expect("its own session");
            if id != own {
                let kill = backend.choose(format!("select pg_terminate_backend({id})"), format!("kill {id}"), String::new());
                backend.observer().batch(&kill).await.expect("killed");
            }
        }
        backend.sessions_come_to(0).await;
        all_are_marked(&db, 2).await;
        assert_eq!(count.get(), 4);
        backend.settled_with(&db).await;
    }

    /// rules 38 and 60: what it has under way is stopped at the server
    async fn a_statement_of_one_that_is_given_up_is_stopped(backend) {
        let slow = sleeps(backend.db.dialect(), 300.0);
        let backend = backend.with(|options| {
            let options = options.max_connections(1).connect_timeout(Duration::from_secs(3));
            options.after_connect(move |connection| {
                let slow = slow.clone();
                async move { connection.query(&slow, params![]).await.map(drop) }
            })
        });
        let error = backend.db.query("select 1", params![]).await.expect_err("its time is over");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        backend.none_running("%sleep(300)%").await;
        no_session_is_left(&backend).await;
    }

    /// rules 6 and 60: a call that it does not wait for costs the connection, and does not reach anybody else
    async fn a_call_that_is_left_under_way_costs_the_connection(backend) {
        let slow = sleeps(backend.db.dialect(), 300.0);
        let backend = backend.with(|options| {
            options.max_connections(1).after_connect(move |connection| {
                let slow = slow.clone();
                async move {
                    connection.batch("select 1").await?;
                    let (begun, has_begun) = tokio::sync::oneshot::channel();
                    tokio::spawn(async move {
                        let mut call = Box::pin(connection.query(&slow, params![]));
                        assert!(crate::harness::poll_once(call.as_mut()).await.is_pending());
                        begun.send(()).expect("it is waited for");
                        call.await
                    });
                    has_begun.await.expect("it begins");
                    Ok::<_, Error>(())
                }
            })
        });
        let error = backend.db.query("select 1", params![]).await.expect_err("a call is under way");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(error.to_string().contains("left"), "{error}");
        backend.none_running("%sleep(300)%").await;
        no_session_is_left(&backend).await;
    }
}

/// rule 60: a database in memory has one connection, which is set up again in place
#[tokio::test]
async fn a_database_in_memory_is_set_up_again_in_place() {
    let (options, count) = marking(Database::builder("sqlite::memory:"));
    let db = options.build().expect("valid options");
    db.batch("create table item (id integer primary key, name text)").await.expect("a table");
    insert(&db, 1, "kept").await.expect("a row");
    db.execute(SQLITE_OFF, params![]).await.expect("a change");
    assert!(is_marked(&db).await.expect("a mark"));
    assert_eq!(count.get(), 2);
    assert_eq!(db.query("select * from item", params![]).await.expect("rows").len(), 1, "the database is the same");
    let sync = db.sync();
    sync.execute(SQLITE_OFF, params![]).expect("a change");
    assert!(is_marked(&db).await.expect("a mark"), "shared with its blocking handle");
}

const SQLITE_OFF: &str = "pragma recursive_triggers = off";

/// rule 60: without a callback nothing is added, and with one nothing to a statement
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_statement_costs_what_it_did() {
    use crate::wire::{Wire, statement};
    let wire = Wire::with(|options| options.max_connections(1).after_connect(set)).await;
    let (counts, _) = wire.warm(async || statement(&wire.db).await.expect("it runs")).await;
    assert_eq!((counts.flights, counts.connections), (1, 0));
    let (counts, _) = wire.warm(async || wire.db.atomic(|| statement(&wire.db)).await.expect("it commits")).await;
    assert_eq!(counts.flights, 2);
}

/// rules 36 and 60: a role and a library belong to the session; what drops the driver's own statements is refused
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn what_no_reset_undoes_may_belong_to_the_session() {
    let backend = crate::harness::Backend::postgres().await;
    let with = |sql: &'static str| {
        let callback = move |connection: PoolConnection| async move { connection.batch(sql).await };
        backend.builder().max_connections(1).after_connect(callback).build().expect("valid options")
    };
    let db = with("load 'plpgsql'; set role pg_monitor");
    let seen = async || {
        let row = db.query_one("select current_user::text, pg_backend_pid()", params![]).await?;
        row.to::<(String, i32)>()
    };
    let (role, first) = seen().await.expect("a session");
    db.execute("set app.mine = 'no'", params![]).await.expect("a change");
    assert_eq!((role.as_str(), seen().await.expect("a session")), ("pg_monitor", ("pg_monitor".to_owned(), first)));
    db.close().await;
    for sql in ["discard all", "deallocate all"] {
        let error = with(sql).query("select 1", params![]).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Connect, "{sql}: {error:?}");
    }
    backend.sessions_come_to(0).await;
}

test_on! {
    [postgres postgres_without_names];

    /// rules 6 and 60: so does one that is kept unpolled, though its answer is here: it might send more
    async fn a_call_that_is_kept_costs_the_connection(backend) {
        let (keep, mut kept) = mpsc::unbounded_channel();
        // A server that is quick answers within the first poll.
        let slow = sleeps(backend.db.dialect(), 0.1);
        let backend = backend.with(|options| {
            options.max_connections(1).after_connect(move |connection| {
                let (connection, keep, slow) = (Arc::new(connection), keep.clone(), slow.clone());
                async move {
                    let own = Arc::clone(&connection);
                    let mut call = Box::pin(async move { own.query(&slow, params![]).await });
                    assert!(crate::harness::poll_once(call.as_mut()).await.is_pending());
                    // It is answered behind the other one.
                    connection.batch("select 2").await?;
                    keep.send(call).expect("the test keeps it");
                    Ok::<_, Error>(())
                }
            })
        });
        let error = backend.db.query("select 1", params![]).await.expect_err("a call is kept");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(error.to_string().contains("left"), "{error}");
        // It has the description of its statement, and would run that now.
        let over = kept.recv().await.expect("a call").await.expect_err("its callback has ended");
        assert_eq!(over.kind(), ErrorKind::FrameClosed, "{over:?}");
        no_session_is_left(&backend).await;
    }
}
