//! Statements that the server is stopped at, where that may hit more than the statement. SQLite rolls the whole
//! transaction back with a write that is stopped, and a BEGIN may be stopped while it waits for another's lock (on a
//! current-thread runtime only: elsewhere a statement runs on the spot and cannot be dropped half-way). On PostgreSQL a
//! cancel request hits whatever the session is at when it comes.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use nestling::{Database, Error, ErrorKind, params};

use crate::{
    harness::Backend,
    proxy::{Proxy, Side},
    support::waits::PATIENCE,
};

/// Polls a statement until it is sent, and drops it.
async fn drop_in_flight(db: &Database, sql: &str) {
    let flights = db.stats().flights;
    let mut statement = pin!(db.execute(sql, params![]));
    poll_fn(|cx| match statement.as_mut().poll(cx) {
        Poll::Ready(result) => panic!("the statement ended by itself: {result:?}"),
        Poll::Pending if db.stats().flights > flights => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
}

/// rules 32 and 37: the blocks around a write that was dropped are told what ended them, and nothing of them is kept
#[tokio::test]
async fn a_write_dropped_in_a_nested_block_never_lets_the_outer_one_commit_a_part() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    let endless = "insert into item with recursive n(x) as (select 100 union all select x + 1 from n)
        select x, 'endless' || x from n";
    let result = db.atomic(|| async {
        db.execute("insert into item values (1, $1)", params!["first"]).await?;
        let nested = db.atomic(|| async {
            db.execute("insert into item values (2, $1)", params!["second"]).await?;
            drop_in_flight(db, endless).await;
            Ok::<_, Error>(())
        });
        assert_eq!(nested.await.expect_err("its statement was dropped").kind(), ErrorKind::RolledBack);
        // If SQLite is at the write already it is let run on for a while, and then stopped, which rolls back everything.
        let next = db.execute("insert into item values (3, $1)", params!["third"]).await;
        if let Err(error) = &next {
            assert!(!error.to_string().contains("savepoint"), "{error}");
            let last = db.execute("insert into item values (4, $1)", params!["fourth"]).await;
            assert_eq!(last.expect_err("the transaction is gone").kind(), ErrorKind::Aborted);
        }
        Ok::<_, Error>(next.is_ok())
    });
    match result.await {
        Ok(whole) => {
            assert!(whole, "a transaction that was gone has said it was committed");
            assert_eq!(backend.items().await, ["first", "third"]);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::RolledBack);
            assert!(backend.items().await.is_empty());
        }
    }
    backend.settled().await;
}

/// rules 37 and 40: the block around still begins its transaction when the lock is free
#[tokio::test]
async fn a_begin_dropped_while_it_waits_for_a_lock_is_made_up_for() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    let (locked, release) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let other = backend.observer().build_transaction().eager();
    let other = other.atomic(|| async {
        locked.notify_one();
        release.notified().await;
        Ok::<_, Error>(())
    });
    let outer = async {
        locked.notified().await;
        db.atomic(|| async {
            let nested = db.atomic(|| async {
                drop_in_flight(db, "insert into item values (1, 'dropped')").await;
                Ok::<_, Error>(())
            });
            assert_eq!(nested.await.expect_err("its statement was dropped").kind(), ErrorKind::RolledBack);
            let next = db.execute("insert into item values (2, $1)", params!["kept"]);
            let free = async {
                // The server is told to stop, and the statement waits for that, before the lock comes free.
                tokio::time::sleep(Duration::from_millis(20)).await;
                release.notify_one();
            };
            tokio::join!(next, free).0
        })
        .await
    };
    let (other, outer) = tokio::join!(other, outer);
    other.expect("it only holds the lock");
    outer.expect("the nested block alone was dropped");
    assert_eq!(backend.items().await, ["kept"]);
    backend.settled().await;
}

/// rules 19 and 38: a cancel request that comes ahead of BEGIN, or hits it, lets nothing run behind it
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_cancel_request_that_comes_with_begin_lets_nothing_run_outside_a_transaction() {
    let backend = Backend::postgres().await.with_items().await;
    let proxy = Proxy::before(backend.url());
    let db = Database::builder(&proxy.url_for(backend.url())).max_connections(1).build().expect("a valid URL");
    let slow = "insert into item select 1, 'dropped' from pg_sleep($1)";
    db.execute(slow, params![0.0]).await.expect("it is prepared");
    backend.observer().batch("delete from item").await.expect("the table is free");
    proxy.stall_when(|message| message.text.starts_with("BEGIN"));
    let stalled = proxy.stalled();
    let block = db.atomic(|| async { db.execute(slow, params![60.0]).await });
    tokio::select! {
        result = block => panic!("it cannot have ended: {result:?}"),
        _ = stalled => {}
    }
    wait_while!(proxy.counts().cancels == 0);
    proxy.release();
    db.atomic(|| db.execute("insert into item values (2, 'kept')", params![])).await.expect("the next is not hit");
    assert_eq!(backend.items().await, ["kept"]);
    backend.settled().await;
}

/// rules 37 and 38: a server may be slow to come to the SAVEPOINT of a dropped block: the cancel request is held back, as it would hit
/// that, and with it the blocks around
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_cancel_request_is_held_back_for_a_savepoint() {
    let backend = Backend::postgres().await.with_items().await;
    let (backend, proxy) = backend.behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    let insert = async |id: i64, name: &str| db.execute("insert into item values ($1, $2)", params![id, name]).await;
    let (start, waited) = (Instant::now(), Cell::new(Duration::ZERO));
    for round in 0.. {
        backend.settled().await;
        proxy.reset();
        let outer = db.atomic(|| async {
            insert(2 * round, "kept").await?;
            proxy.stall_when(|message| message.from == Side::Client && message.text.starts_with("SAVEPOINT"));
            tokio::select! {
                out = db.atomic(|| insert(-1, "dropped")) => panic!("it is held: {out:?}"),
                _ = proxy.stalled() => {}
            }
            let dropped = Instant::now();
            tokio::time::sleep(Duration::from_millis(100)).await;
            let requests = proxy.counts().cancels;
            waited.set(dropped.elapsed());
            proxy.release();
            insert(2 * round + 1, "kept too").await?;
            Ok::<_, Error>(requests)
        });
        let outcome = outer.await;
        // On a busy machine the look may come later than it is held back for, though not each time.
        if waited.get() > Duration::from_millis(200) {
            assert!(start.elapsed() < PATIENCE, "{waited:?}");
            continue;
        }
        assert_eq!(outcome.expect("the block around goes on"), 0, "a request for a statement that was not begun");
        break;
    }
    assert!(!backend.items().await.contains(&"dropped".to_owned()));
}
