//! The end of a transaction that somebody else brings about: implicit commits, raw access, lost connections, a COMMIT
//! whose caller or whose answer is gone.

use std::time::Duration;

use nestling::{Error, ErrorKind, native::mysql_async::prelude::Queryable as _, params};

use super::value;
use crate::proxy::Side;

test_on! {
    mysql_and_mariadb;

    /// rule 35
    async fn a_change_of_the_schema_is_told_at_that_statement(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let changes = [
            // Along with BEGIN; on its own; one that the server finds at fault only when it has committed.
            (1, "create table one (a int)", false),
            (2, "create table two (a int)", true),
            (3, "create table item (a int)", true),
            (4, "alter table item add column nothing_of_it int", true),
            (5, "truncate table one", true),
            (6, "drop table two", true),
        ];
        for (id, change, writes) in changes {
            let result = db.atomic(|| async {
                if writes {
                    db.execute("insert into item (id, name) values ($1, $2)", params![id, format!("before {id}")]).await?;
                }
                let told = db.atomic(|| db.execute(change, params![])).await.expect_err("it commits");
                assert_eq!(told.kind(), ErrorKind::ImplicitCommit, "{change}: {told:?}");
                assert_eq!(told.statement(), Some(change));
                let later = db.execute("insert into item (id, name) values (100, 'later')", params![]).await;
                let later = later.expect_err("the transaction has ended");
                assert_eq!(later.kind(), ErrorKind::Aborted, "{change}");
                Ok::<_, Error>(())
            });
            let error = result.await.expect_err("it was not the block that committed");
            assert_eq!(error.kind(), ErrorKind::RolledBack, "{change}");
        }
        assert!(!backend.items().await.contains(&"later".to_owned()), "nothing autocommits");
        backend.settled().await;
    }

    /// rule 35: both servers would end a read-only transaction ahead of such a statement, and carry it out
    async fn a_change_of_the_schema_in_a_read_only_transaction_is_not_sent(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        let told = |result: Result<(), Error>, what: &str| {
            assert_eq!(result.expect_err("it may not write").kind(), ErrorKind::ImplicitCommit, "{what}");
        };
        for sql in ["create table t (a int)", "/* all */ drop table item", "truncate item", "alter table item add column b int"] {
            let alone = db.build_transaction().read_only().atomic(|| async { db.execute(sql, params![]).await.map(|_| ()) });
            told(alone.await, sql);
            let behind = db.build_transaction().read_only().atomic(|| async {
                db.query("select * from item", params![]).await?;
                db.atomic(|| async { db.query(sql, params![]).await.map(|_| ()) }).await
            });
            told(behind.await, sql);
            told(db.build_transaction().read_only().atomic(|| db.batch(sql)).await, sql);
            let streamed = db.build_transaction().read_only().atomic(|| async {
                let mut rows = db.stream(sql, params![]).await?;
                rows.next().await.expect("an error").map(|_| ())
            });
            told(streamed.await, sql);
            let counts = proxy.counts();
            assert!(!counts.sequence().iter().any(|sent| sent.contains(sql)), "{sql} was sent: {:?}", counts.sequence());
        }
        db.build_transaction().read_only().atomic(|| db.batch("select 1; select 2")).await.expect("it may read");
        db.build_transaction().read_write().atomic(|| db.execute("insert into item (id, name) values (1, 'a')", params![])).await.expect("it may write");
        db.batch("truncate item").await.expect("outside of any");
        backend.settled().await;
    }

    /// rule 35: what stands behind such a statement in a batch would run outside of any transaction
    async fn a_batch_that_would_commit_half_way_is_not_sent(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            db.batch("insert into item values (2, 'in it'); create table t (a int); insert into item values (3, 'behind')").await
        });
        assert_eq!(result.await.expect_err("it is refused").kind(), ErrorKind::ImplicitCommit);
        assert!(backend.items().await.is_empty(), "nothing was sent, so all of it is rolled back");
        db.atomic(|| async {
            db.batch("create temporary table mine (a int); insert into mine values (1); drop temporary table mine").await
        })
        .await
        .expect("temporary tables commit nothing");
        db.batch("insert into item values (2, 'a'); create table t (a int); insert into item values (3, 'b')").await.expect("outside");
        backend.settled().await;
    }

    /// rule 36
    async fn raw_control_statements_are_found_out(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for (id, raw) in [(1, "rollback"), (2, "commit"), (3, "begin"), (4, "create table raw (a int)")] {
            let result = db.atomic(|| async {
                db.execute("insert into item values ($1, $2)", params![id, format!("before {raw}")]).await?;
                let lent = db.with_mysql(|mut client| async move {
                    client.query_drop(raw).await.expect("the server does it");
                    Ok::<_, Error>(())
                });
                let error = lent.await.expect_err("it is found out");
                assert_eq!(error.kind(), ErrorKind::Aborted, "{raw}: {error:?}");
                db.execute("insert into item values (100, 'later')", params![]).await.expect_err("the block has failed");
                Ok::<_, Error>(())
            });
            assert_eq!(result.await.expect_err("it cannot commit").kind(), ErrorKind::RolledBack, "{raw}");
        }
        assert!(!backend.items().await.contains(&"later".to_owned()));
        assert!(!backend.items().await.contains(&"before rollback".to_owned()));
        backend.settled().await;
    }

    /// rule 36
    async fn what_raw_access_leaves_behind_outside_a_block_is_nobodys(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let lent = db.with_mysql(|mut client| async move {
            client.query_drop("begin").await.expect("a transaction");
            client.query_drop("insert into item values (1, 'raw')").await.expect("a row");
            client.query_drop("set @mine = 7, time_zone = '+03:00', sql_mode = ''").await.expect("variables");
            Ok::<_, Error>(())
        });
        lent.await.expect("given back");
        assert!(value::<Option<i64>>(db, "select cast(@mine as signed)", params![]).await.is_none());
        assert_eq!(value::<String>(db, "select @@time_zone", params![]).await, "+00:00");
        assert!(value::<String>(db, "select @@sql_mode", params![]).await.contains("STRICT_ALL_TABLES"));
        assert!(backend.items().await.is_empty(), "it was rolled back");
        backend.settled().await;
    }

    /// rule 36
    async fn a_native_client_that_is_kept_costs_its_block(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let mut kept = None;
        let result = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            let keeper = &mut kept;
            db.with_mysql(|client| async move {
                *keeper = Some(client);
                Ok::<_, Error>(())
            })
            .await
        });
        assert!(result.await.expect_err("it was kept").is_connection_lost());
        drop(kept);
        assert!(backend.items().await.is_empty());
        assert_eq!(value::<i64>(db, "select 7", params![]).await, 7);
        backend.settled().await;
    }

    /// rules 33 and 37: what the native client is dropped in the middle of takes the connection along
    async fn a_native_client_that_is_dropped_half_way_costs_the_blocks_around_it(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        let parent = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            proxy.stall_when(|message| message.text.contains("'native'"));
            let child = db.atomic(|| async {
                db.with_mysql(|mut client| async move {
                    client.query_drop("insert into item values (2, 'native')").await.expect("nobody waits for it");
                    Ok::<_, Error>(())
                })
                .await
            });
            tokio::select! {
                biased;
                _ = proxy.stalled() => {}
                out = child => panic!("it is held: {out:?}"),
            }
            proxy.release();
            let behind = db.execute("insert into item values ($1, $2)", params![3, "behind"]).await;
            assert!(behind.expect_err("the connection has gone").is_connection_lost());
            Ok::<_, Error>(())
        });
        assert!(parent.await.expect_err("it cannot commit").is_connection_lost());
        backend.settled().await;
        assert!(backend.items().await.is_empty(), "nothing is kept, nothing autocommits");
    }

    /// rule 33
    async fn a_session_that_is_ended_fails_its_block_and_nothing_autocommits(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let result = db.atomic(|| async {
            db.execute("insert into item values ($1, $2)", params![1, "before"]).await?;
            let id: u64 = value(db, "select connection_id()", params![]).await;
            backend.observer().batch(&format!("kill {id}")).await.expect("the session ends");
            for _ in 0..3 {
                let insert = db.execute("insert into item values ($1, $2)", params![2, "behind"]).await;
                assert!(insert.expect_err("the session has ended").is_connection_lost());
            }
            let nested = db.atomic(|| db.execute("insert into item values (3, 'nested')", params![])).await;
            assert!(nested.expect_err("the session has ended").is_connection_lost());
            Ok::<_, Error>(())
        });
        let error = result.await.expect_err("it cannot commit");
        assert!(error.is_connection_lost(), "{error:?}");
        db.atomic(|| db.execute("insert into item values ($1, $2)", params![4, "next"])).await.expect("the next works");
        assert_eq!(backend.items().await, ["next"]);
        backend.settled().await;
    }

    /// rules 16 and 52
    async fn a_connection_that_breaks_at_commit_leaves_the_outcome_unknown(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        for (id, side) in [(1, Side::Client), (2, Side::Server)] {
            let mut asked = false;
            proxy.stall_when(move |message| {
                asked |= message.from == Side::Client && message.text == "COMMIT";
                asked && message.from == side
            });
            let block = db.atomic(|| db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]));
            let (result, ()) = tokio::join!(block, async {
                proxy.stalled().await;
                proxy.cut();
                wait_while!(proxy.open_connections() > 0);
                // Not before: what is held would reach its end after all.
                proxy.release();
            });
            let error = result.expect_err("nobody knows");
            assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error:?}");
            assert!(error.is_connection_lost() && !error.is_retryable());
        }
        assert_eq!(backend.items().await, ["item 2"], "the first COMMIT never reached the server, the second did");
        backend.settled().await;
    }

    /// rule 40
    async fn a_dropped_commit_runs_on(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy();
        let db = &backend.db;
        for (id, side) in [(1, Side::Client), (2, Side::Server)] {
            let mut asked = false;
            proxy.stall_when(move |message| {
                asked |= message.from == Side::Client && message.text == "COMMIT";
                asked && message.from == side
            });
            let block = db.atomic(|| db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")]));
            tokio::select! {
                result = block => panic!("it is held: {result:?}"),
                _ = proxy.stalled() => {}
            }
            proxy.release();
            backend.settled().await;
        }
        assert_eq!(backend.items().await, ["item 1", "item 2"]);
        assert_eq!(proxy.counts().cancels, 0, "a COMMIT is not cancelled");
    }

    /// rule 44
    async fn the_end_of_the_runtime_commits_nothing(backend) {
        let backend = backend.with_items().await;
        let url = backend.url().to_owned();
        let (tell, told) = tokio::sync::oneshot::channel();
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
            runtime.spawn(async move {
                let db = nestling::Database::open(&url).expect("a valid URL");
                db.atomic(|| async {
                    db.execute("insert into item values (1, 'open')", params![]).await?;
                    tell.send(()).expect("the test waits");
                    std::future::pending::<Result<(), Error>>().await
                })
                .await
            });
            told.blocking_recv().expect("the block is open");
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        tokio::task::spawn_blocking(move || ended.join()).await.expect("no panic").expect("no panic in any drop");
        wait_while!(backend.open_at_server().await > 0);
        assert!(backend.items().await.is_empty());
    }
}
