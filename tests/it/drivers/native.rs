//! A connection goes back to the pool idle, or it is thrown away, whatever was done with the native client: rule 36 of
//! the specification.

use std::{pin::pin, time::Duration};

use nestling::{
    Database, Dialect, Error, ErrorKind,
    native::{MysqlClient, PostgresClient, mysql_async::prelude::Queryable as _},
    params,
};

use crate::harness::{Backend, insert, poll_once};

/// Runs a text by the native client.
async fn raw(db: &Database, sql: &'static str) -> Result<(), Error> {
    if db.dialect() == Dialect::Postgres {
        let run = |client: PostgresClient| async move {
            client.batch_execute(sql).await.expect("the text is good");
            Ok(())
        };
        return db.with_postgres(run).await;
    }
    if db.dialect() == Dialect::Mysql {
        let run = |mut client: MysqlClient| async move {
            client.query_drop(sql).await.expect("the text is good");
            Ok(())
        };
        return db.with_mysql(run).await;
    }
    db.with_sqlite(move |client| {
        client.execute_batch(sql).expect("the text is good");
        Ok(())
    })
    .await
}

async fn one<T: for<'c> nestling::types::FromCell<'c>>(db: &Database, sql: &str) -> Result<T, Error> {
    db.query_one(sql, params![]).await?.get(0)
}

async fn of_one(backend: Backend) -> Backend {
    backend.with_items().await.with(|options| options.max_connections(1))
}

test_on! {
    every_backend;

    /// rule 36
    async fn a_transaction_that_was_begun_behind_our_back_is_rolled_back_at_the_return(backend) {
        let backend = of_one(backend).await;
        let db = &backend.db;
        for id in [1, 2] {
            raw(db, "begin; insert into item values (9, 'never')").await.expect("the client itself is fine");
            // The next user of the only connection has a transaction of its own, or none.
            insert(db, id, &format!("kept {id}")).await.expect("an insert");
            assert_eq!(backend.items().await.len(), usize::try_from(id).expect("small"), "committed on its own");
            backend.settled().await;
        }
        raw(db, "begin").await.expect("the client itself is fine");
        db.atomic(|| insert(db, 3, "kept 3")).await.expect("it commits");
        assert_eq!(backend.items().await, ["kept 1", "kept 2", "kept 3"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 36
    async fn a_transaction_that_was_ended_behind_our_back_is_found_out(backend) {
        let backend = of_one(backend).await;
        let db = &backend.db;
        for (sql, kept) in [("rollback", 0), ("rollback; begin", 0), ("commit", 1), ("commit; begin", 1)] {
            for swallowed in [false, true] {
                let work = db.atomic(|| async {
                    insert(db, 1, "before it").await?;
                    let inner = db.atomic(|| async {
                        let error = raw(db, sql).await.expect_err("it is found out");
                        assert_eq!(error.kind(), ErrorKind::Aborted);
                        assert_eq!(insert(db, 2, "late").await.expect_err("gone").kind(), ErrorKind::Aborted);
                        if swallowed { Ok(()) } else { Err(error) }
                    });
                    let error = inner.await.expect_err("the block fails");
                    assert_eq!(insert(db, 3, "late").await.expect_err("gone").kind(), ErrorKind::Aborted, "{sql}");
                    db.atomic(|| insert(db, 4, "late")).await.expect_err("gone");
                    if swallowed { Ok(()) } else { Err(error) }
                });
                let expected = if swallowed { ErrorKind::RolledBack } else { ErrorKind::Aborted };
                assert_eq!(work.await.expect_err("the block fails").kind(), expected, "{sql}");
                backend.settled().await;
                assert_eq!(backend.items().await.len(), kept, "{sql}: nothing later was committed");
                db.execute("delete from item", params![]).await.expect("the next one works");
            }
        }
    }
}

test_on! {
    every_backend;

    /// rule 36
    async fn a_native_client_takes_part_in_the_block_around_it(backend) {
        let backend = of_one(backend).await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            raw(db, "insert into item values (1, 'kept')").await?;
            let undone = db.atomic(|| async {
                raw(db, "insert into item values (2, 'undone')").await?;
                one::<i64>(db, "select 1 where 1 = 2").await
            });
            undone.await.expect_err("its own");
            assert!(backend.items().await.is_empty(), "not committed yet");
            insert(db, 2, "kept too").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
        backend.settled().await;
        let wrong = if backend.is_postgres() {
            db.with_sqlite(|_| Ok::<_, Error>(())).await
        } else {
            db.with_postgres(|_| async { Ok::<_, Error>(()) }).await
        };
        assert_eq!(wrong.expect_err("another driver").kind(), ErrorKind::Unsupported);
        assert_eq!(backend.open_at_server().await, 0);
    }
}

test_on! {
    every_backend;

    /// rule 36
    async fn temporary_tables_of_a_native_client_do_not_meet_the_next_user(backend) {
        let backend = of_one(backend).await;
        let db = &backend.db;
        let sees = async || db.query("select * from mine", params![]).await.is_ok();
        raw(db, "create temporary table mine (x integer)").await.expect("a table");
        assert!(!sees().await, "outside a block");
        db.atomic(|| raw(db, "create temporary table mine (x integer)")).await.expect("it commits");
        assert!(!sees().await, "in a block that has committed");
        let pinned = db.connection(|| async {
            raw(db, "create temporary table mine (x integer)").await?;
            db.atomic(|| insert(db, 1, "kept")).await?;
            let failed = db.atomic(|| async {
                insert(db, 2, "lost").await?;
                one::<i64>(db, "select 1 where 1 = 2").await
            });
            failed.await.expect_err("its own");
            assert!(sees().await, "as long as the connection is pinned it stays");
            Ok::<_, Error>(())
        });
        pinned.await.expect("nothing fails");
        assert!(!sees().await, "after the pinned connection was given back");
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

/// rule 36: the rest of a session's state
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_listeners_and_locks_of_a_native_client_are_reset() {
    let backend = of_one(Backend::postgres().await).await;
    let db = &backend.db;
    let pid: i32 = one(db, "select pg_backend_pid()").await.expect("a number");
    let before: String = one(db, "select current_setting('work_mem')").await.expect("a setting");
    for in_block in [false, true] {
        let text = "set work_mem = '77MB'; listen news; select pg_advisory_lock(4711); prepare mine as select 1";
        if in_block { db.atomic(|| raw(db, text)).await } else { raw(db, text).await }.expect("it is fine");
        assert_eq!(one::<String>(db, "select current_setting('work_mem')").await.expect("a setting"), before);
        assert_eq!(one::<i64>(db, "select count(*) from pg_listening_channels()").await.expect("a count"), 0);
        let locks = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
        assert_eq!(one::<i64>(db, locks).await.expect("a count"), 0);
        let prepared = "select count(*) from pg_prepared_statements where name = 'mine'";
        assert_eq!(one::<i64>(db, prepared).await.expect("a count"), 0);
        assert_eq!(one::<i32>(db, "select pg_backend_pid()").await.expect("a number"), pid, "the connection is kept");
        backend.settled().await;
    }
}

/// rule 36
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_client_that_is_kept_makes_the_connection_be_thrown_away() {
    let backend = of_one(Backend::postgres().await).await;
    let db = &backend.db;
    for in_block in [false, true] {
        let pid: i32 = one(db, "select pg_backend_pid()").await.expect("a number");
        let lend = || db.with_postgres(|client| async move { Ok::<_, Error>(client) });
        let kept = if in_block { db.atomic(lend).await } else { lend().await }.expect("it is fine");
        // Whatever is done with it now, it is nobody else's connection.
        kept.batch_execute("begin; insert into item values (9, 'never')").await.expect("its own session");
        let next: i32 = one(db, "select pg_backend_pid()").await.expect("a number");
        assert_ne!(next, pid, "the next user has another session");
        insert(db, i64::from(in_block), &format!("kept {in_block}")).await.expect("an insert");
        drop(kept);
        backend.settled().await;
        wait_while!(backend.sessions_at_server().await > 1);
    }
    assert_eq!(backend.items().await, ["kept false", "kept true"]);
}

/// rule 36: dropped half-way
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_client_that_is_dropped_half_way_leaves_nothing_open() {
    let backend = of_one(Backend::postgres().await).await;
    let db = &backend.db;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    {
        let mut lent = pin!(db.with_postgres(|client| async move {
            client.batch_execute("begin; insert into item values (1, 'never')").await.expect("it is fine");
            begun.send(()).expect("it is waited for");
            client.batch_execute("select pg_sleep(60)").await.expect("it is dropped before");
            Ok::<_, Error>(())
        }));
        tokio::select! {
            _ = &mut lent => panic!("it sleeps"),
            begun = has_begun => begun.expect("it has begun"),
        }
        assert!(poll_once(lent.as_mut()).await.is_pending());
    }
    let work = db.atomic(|| async {
        insert(db, 2, "kept").await?;
        let mut lent = Box::pin(db.atomic(|| {
            db.with_postgres(|client| async move {
                client.batch_execute("insert into item values (3, 'undone')").await.expect("it is fine");
                std::future::pending::<Result<(), Error>>().await
            })
        }));
        wait_while!(db.stats().steps_sent < 2, {
            assert!(poll_once(lent.as_mut()).await.is_pending());
            tokio::task::yield_now().await;
        });
        drop(lent);
        insert(db, 4, "kept too").await
    });
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("nobody waits for a sleeper").expect("it commits");
    assert_eq!(backend.items().await, ["kept", "kept too"]);
    backend.settled().await;
}

/// rule 36: what SQLite keeps for a connection
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pragmas_of_a_native_sqlite_connection_do_not_meet_the_next_user() {
    let backend = of_one(Backend::sqlite().await).await;
    let memory = Database::open("sqlite::memory:").expect("a valid URL");
    memory.batch("create table item (id integer primary key, name text)").await.expect("a table");
    insert(&memory, 1, "it stays").await.expect("an insert");
    for db in [&backend.db, &memory] {
        raw(db, "pragma foreign_keys = off; pragma query_only = on").await.expect("it is fine");
        assert_eq!(one::<i64>(db, "pragma foreign_keys").await.expect("a number"), 1);
        assert_eq!(one::<i64>(db, "pragma query_only").await.expect("a number"), 0);
        db.atomic(|| insert(db, 7, "works")).await.expect("it commits");
    }
    assert_eq!(
        one::<i64>(&memory, "select count(*) from item").await.expect("a count"),
        2,
        "the database is still there"
    );
}
