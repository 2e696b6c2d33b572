//! Settings of a transaction, and those of every session.

use std::time::{Duration, Instant};

use nestling::{Error, ErrorKind, Isolation, params};

use super::value;
use crate::{harness::Backend, proxy::Side, support::waits::PATIENCE};

/// What the next user of the one connection finds.
async fn next_user(backend: &Backend) -> (i64, String, i64) {
    let db = &backend.db;
    let wait = value(db, "select @@session.lock_wait_timeout", params![]).await;
    let zone = value(db, "select @@session.time_zone", params![]).await;
    (wait, zone, value(db, "select @@session.sql_safe_updates", params![]).await)
}

test_on! {
    mysql_and_mariadb;

    /// rule 55
    async fn what_is_set_for_a_transaction_is_gone_for_the_next_user(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let before = next_user(&backend).await;
        let options = || db.build_transaction().set_local("lock_wait_timeout", "3").set_local("time_zone", "+02:00").set_local("sql_safe_updates", "1");
        let set = || async {
            let row = db.query_one("select @@lock_wait_timeout, @@time_zone, @@sql_safe_updates", params![]).await?;
            assert_eq!(row.to::<(i64, String, i64)>()?, (3, "+02:00".to_owned(), 1));
            Ok::<_, Error>(())
        };
        options().atomic(set).await.expect("it commits");
        assert_eq!(next_user(&backend).await, before, "behind a commit");

        let failed = options().atomic(|| async {
            set().await?;
            db.query_one("select 1 from item", params![]).await
        });
        failed.await.expect_err("no row");
        assert_eq!(next_user(&backend).await, before, "behind a rollback");

        let block = options().atomic(|| async {
            set().await?;
            std::future::pending::<Result<(), Error>>().await
        });
        tokio::select! {
            _ = block => unreachable!("it ends only by being dropped"),
            () = async {
                wait_while!(backend.open_at_server().await == 0 && db.stats().transactions == 0, by yielding);
            } => {}
        }
        assert_eq!(next_user(&backend).await, before, "behind a drop");

        let inner = options().atomic(|| async {
            set().await?;
            let undone = db.atomic(|| async {
                set().await?;
                db.query_one("select 1 from item", params![]).await
            });
            undone.await.expect_err("no row");
            set().await
        });
        inner.await.expect("a block that was rolled back inside changes nothing");
        assert_eq!(next_user(&backend).await, before);
        // By one session all along.
        backend.sessions_come_to(1).await;
        backend.settled().await;
    }

    /// rule 55: what cannot be set back is reset, or its connection goes
    async fn what_cannot_be_set_back_is_not_the_next_users(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|options| options.max_connections(1));
        let db = &backend.db;
        let before = next_user(&backend).await;
        let write = |id: i64| async move {
            let options = db.build_transaction().set_local("lock_wait_timeout", "3").set_local("sql_safe_updates", "1");
            options.atomic(|| db.execute("insert into item values ($1, $2)", params![id, format!("item {id}")])).await
        };
        // The server refuses it, as it would if a KILL had hit it.
        for (id, forgery) in [(1, ("timeout = DEFAULT", "timeout = WRONGED")), (2, ("updates = DEFAULT", "updates = WRONGED"))] {
            proxy.forge(Some(forgery));
            write(id).await.expect("it was committed");
            proxy.forge(None);
            assert_eq!(next_user(&backend).await, before, "{forgery:?}");
        }
        // Of several answers, all but the first are held: the server seems to have gone on with nothing behind the COMMIT.
        let session: u64 = value(db, "select connection_id()", params![]).await;
        let mut answers = None;
        proxy.stall_when(move |message| {
            if message.from == Side::Client && message.text.starts_with("COMMIT") {
                answers = Some(0);
            }
            answers = answers.map(|count| count + i32::from(message.from == Side::Server));
            answers == Some(2)
        });
        let start = Instant::now();
        write(3).await.expect("it was committed");
        assert!(start.elapsed() < Duration::from_secs(11), "nobody asked whether it has stopped: {:?}", start.elapsed());
        assert_eq!(next_user(&backend).await, before, "another connection");
        assert_ne!(value::<u64>(db, "select connection_id()", params![]).await, session);
        proxy.release();
        // The connection breaks where it can only have been committed.
        let mut answered = false;
        proxy.stall_when(move |message| {
            let is_committing = message.from == Side::Client && message.text.starts_with("COMMIT");
            answered |= is_committing;
            answered && message.from == Side::Server
        });
        let (told, ()) = tokio::join!(write(4), async {
            proxy.stalled().await;
            proxy.cut();
        });
        assert_eq!(told.expect_err("no answer came").kind(), ErrorKind::CommitUnknown);
        assert_eq!(next_user(&backend).await, before, "another connection");
        assert_eq!(backend.items().await, ["item 1", "item 2", "item 3", "item 4"]);
        backend.settled().await;
    }

    /// rule 55
    async fn a_setting_that_fails_keeps_the_block_from_running(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let before = next_user(&backend).await;
        let hostile = "1; insert into item values (666, 'hostile'); -- ' \" ` \\";
        let wrong = [("no_such_variable", "1"), ("lock_wait_timeout", hostile), ("time_zone", "nowhere/secret"), ("sql_safe_updates", "secret")];
        for (key, text) in wrong {
            let options = db.build_transaction().isolation(Isolation::Serializable).set_local("lock_wait_timeout", "3").set_local(key, text);
            let result = options.atomic(|| db.execute("insert into item values (1, 'inside')", params![])).await;
            let error = result.expect_err("it cannot be set");
            assert_eq!(error.kind(), ErrorKind::Server, "{key}: {error:?}");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("secret") && !told.contains("hostile") && !told.contains("736563726574"), "{told}");
            assert_eq!(next_user(&backend).await, before, "{key}");
            let level = db.atomic(|| async {
                db.query("select * from item for update", params![]).await?;
                isolation_is(&backend, "REPEATABLE READ").await;
                Ok::<_, Error>(())
            });
            level.await.expect("the level of the failed one is gone");
        }
        for key in ["", "a b", "global.x", "x = 1, y", "autocommit", "CHARACTER_SET_RESULTS", "tx_isolation", "completion_type"] {
            let refused = db.build_transaction().set_local(key, "0").atomic(|| async { Ok::<_, Error>(()) }).await;
            assert_eq!(refused.expect_err("it is no variable to set").kind(), ErrorKind::Config, "{key}");
        }
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }

    /// rule 55
    async fn isolation_and_access_hold_for_one_transaction(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        db.batch("insert into item values (1, 'a')").await.expect("a row");
        let levels = [
            (Isolation::ReadUncommitted, "READ UNCOMMITTED"),
            (Isolation::ReadCommitted, "READ COMMITTED"),
            (Isolation::RepeatableRead, "REPEATABLE READ"),
            (Isolation::Serializable, "SERIALIZABLE"),
        ];
        for (asked, wanted) in levels {
            let level = db.build_transaction().isolation(asked).atomic(|| async {
                db.query("select * from item for update", params![]).await?;
                isolation_is(&backend, wanted).await;
                Ok::<_, Error>(())
            });
            level.await.expect("it commits");
        }
        let level = db.atomic(|| async {
            db.query("select * from item for update", params![]).await?;
            isolation_is(&backend, "REPEATABLE READ").await;
            Ok::<_, Error>(())
        });
        level.await.expect("the server's own again");
        let read_only = db.build_transaction().read_only().atomic(|| db.execute("delete from item", params![])).await;
        assert_eq!(read_only.expect_err("it is read-only").code(), Some("1792"));
        assert_eq!(backend.items().await, ["a"]);
        db.execute("delete from item", params![]).await.expect("the next may write");
        backend.settled().await;
    }

    /// rule 55: every session is strict, in UTC
    async fn values_that_do_not_fit_are_errors(backend) {
        let db = &backend.db;
        db.batch(
            "create table narrow (t varchar(3), tiny tinyint, small smallint unsigned, big bigint, ubig bigint unsigned,
             d decimal(4, 2), day date, e enum('a', 'b'))",
        )
        .await
        .expect("a table");
        let wrong: [(&str, nestling::Value); 9] = [
            ("t", "four".into()),
            ("tiny", 128.into()),
            ("small", (-1).into()),
            ("small", 65_536.into()),
            ("big", u64::MAX.into()),
            ("ubig", (-1_i64).into()),
            ("d", "1000.00".into()),
            ("day", "2024-02-30".into()),
            ("e", "c".into()),
        ];
        for (column, wrong) in wrong {
            let insert = db.execute(&format!("insert into narrow ({column}) values ($1)"), params![wrong]).await;
            let error = insert.expect_err("it does not fit");
            assert_eq!((error.kind(), error.column()), (ErrorKind::Server, Some(column)), "{error:?}");
        }
        db.query("select cast(0 as unsigned) - $1", params![1]).await.expect_err("below zero, unsigned");
        assert_eq!(value::<i64>(db, "select count(*) from narrow", params![]).await, 0);
        assert_eq!(value::<String>(db, "select @@time_zone", params![]).await, "+00:00");
    }
}

/// Waits until the one transaction that is open has this level, as the server sees it.
async fn isolation_is(backend: &Backend, wanted: &str) {
    static ONE_LOOKS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let sql = "select t.trx_isolation_level from information_schema.innodb_trx t join performance_schema.threads p
               on p.processlist_id = t.trx_mysql_thread_id where p.processlist_db = $1 and p.processlist_id <> connection_id()";
    let start = Instant::now();
    loop {
        // The server's table is a copy, renewed only when nobody has looked at it for a tenth of a second.
        let looks = ONE_LOOKS.lock().await;
        tokio::time::sleep(Duration::from_millis(130)).await;
        let row = backend.observer().query_opt(sql, params![backend.name()]).await.expect("the server's transactions");
        drop(looks);
        let level: Option<String> = row.map(|row| row.get(0).expect("a level"));
        if level.as_deref() == Some(wanted) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{wanted} was asked for, the server has {level:?}");
    }
}
