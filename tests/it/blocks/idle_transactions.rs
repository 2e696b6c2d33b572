//! Transactions that send nothing for too long. Rule 54.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use nestling::{Dialect, Error, ErrorKind, params, status::Status};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    dialects::sleeps,
    drops::{all_is_well, insert},
    harness::{Backend, poll_once},
    wire::statement,
};

/// How long a transaction of these tests may be idle.
const IDLE: Duration = Duration::from_millis(100);

/// How long the watch may take on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

#[track_caller]
fn is_idle<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("it was idle for too long");
    assert_eq!(error.kind(), ErrorKind::IdleTimeout, "{error:?}");
    assert!(error.is_timeout() && !error.is_retryable());
}

/// Waits until the transaction is gone at the server and its connection is back, while its block is still open.
async fn until_ended(backend: &Backend) {
    let start = Instant::now();
    while backend.open_at_server().await > 0 || backend.db.stats().idle < backend.db.stats().connections {
        assert!(start.elapsed() < BOUND, "an idle transaction is still open");
        sleep(Duration::from_millis(5)).await;
    }
}

test_on! {
    every_backend;

    /// rule 54: its statements and its end are told so, and its connection is somebody else's
    async fn an_idle_transaction_is_rolled_back_and_told_so(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let block = || db.build_transaction().idle_in_transaction_timeout(IDLE);
        let kept = block().atomic(|| async {
            insert(db, "idle").await?;
            until_ended(&backend).await;
            assert_eq!(db.status(), Status::Aborted);
            is_idle(insert(db, "too late").await);
            let other = db.clone();
            // The pool has one connection.
            tokio::spawn(async move { insert(&other, "other").await }).await.expect("it does not panic")?;
            Ok::<_, Error>(())
        });
        is_idle(kept.await);
        let failed = block().atomic(|| async {
            insert(db, "idle").await?;
            until_ended(&backend).await;
            insert(db, "too late").await
        });
        is_idle(failed.await);
        let nested = block().atomic(|| async {
            insert(db, "idle").await?;
            let inner = db.atomic(|| async {
                insert(db, "nested").await?;
                until_ended(&backend).await;
                insert(db, "too late").await
            });
            is_idle(inner.await);
            Ok::<_, Error>(())
        });
        is_idle(nested.await);
        all_is_well(&backend, "after all").await;
        assert_eq!(backend.items().await, ["other"]);
    }

    /// rules 6, 54: a future that nobody polls does not keep its transaction open
    async fn a_kept_block_is_ended_at_the_server(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1).idle_in_transaction_timeout(IDLE));
        let db = &backend.db;
        let (answers, mut answered) = oneshot::channel();
        let mut kept = Box::pin(db.atomic(|| async {
            insert(db, "kept").await?;
            answers.send(()).expect("somebody waits");
            pending::<Result<(), Error>>().await
        }));
        tokio::select! {
            told = &mut answered => told.expect("it was inserted"),
            out = kept.as_mut() => panic!("it cannot have ended: {out:?}"),
        }
        until_ended(&backend).await;
        timeout(BOUND, insert(db, "other")).await.expect("the connection is free").expect("an item");
        drop(kept);
        all_is_well(&backend, "after all").await;
        assert_eq!(backend.items().await, ["other"]);
    }

    /// rule 54: a transaction that is at work, or has sent nothing yet, is not idle
    async fn a_transaction_that_goes_on_is_kept(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let long = Duration::from_secs(2);
        let block = db.build_transaction().idle_in_transaction_timeout(long).atomic(|| async {
            insert(db, "first").await?;
            let start = Instant::now();
            let mut number = 0;
            while start.elapsed() < long * 3 / 2 {
                sleep(Duration::from_millis(50)).await;
                db.atomic(|| statement(db)).await?;
                number += 1;
            }
            assert!(number > 0);
            insert(db, "last").await
        });
        block.await.expect("it has never been idle for so long");
        let lazy = db.build_transaction().idle_in_transaction_timeout(IDLE).atomic(|| async {
            sleep(IDLE * 3).await;
            insert(db, "lazy").await
        });
        lazy.await.expect("nothing was open meanwhile");
        assert_eq!(backend.items().await, ["first", "last", "lazy"]);
    }

    /// rules 3, 54: a pinned connection is gone with its transaction
    async fn an_idle_transaction_on_a_pinned_connection_ends_both(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let pinned = db.connection(|| async {
            let idle = db.build_transaction().idle_in_transaction_timeout(IDLE).atomic(|| async {
                insert(db, "idle").await?;
                until_ended(&backend).await;
                Ok::<_, Error>(())
            });
            is_idle(idle.await);
            is_idle(insert(db, "on the pinned connection").await);
            Ok::<_, Error>(())
        });
        pinned.await.expect("the body has ended");
        all_is_well(&backend, "after all").await;
        assert!(backend.items().await.is_empty());
    }
}

/// rules 6, 54: the answer to its statement is here, or at the server, and nobody takes it. MySQL has no such time of its own.
async fn kept_in_a_statement(backend: Backend) {
    let backend = backend.with_items().await.with(|b| b.max_connections(1).idle_in_transaction_timeout(IDLE));
    let db = &backend.db;
    let slow = backend.choose("select pg_sleep(0.5)::text", "select sleep(0.5)", "select 1");
    let mut kept = Box::pin(db.atomic(|| async {
        insert(db, "kept").await?;
        db.query(slow, params![]).await
    }));
    let start = Instant::now();
    // On SQLite the insert itself is on its way: it ends on another thread.
    let is_at_work = async || match db.dialect() {
        Dialect::Sqlite => db.stats().transactions > 0 && backend.open_at_server().await > 0,
        _ => backend.count_running("%sleep(0.5)%").await > 0,
    };
    let mut is_sent = false;
    while !is_at_work().await {
        assert!(start.elapsed() < BOUND);
        is_sent |= db.stats().transactions > 0 && db.dialect() == Dialect::Sqlite;
        assert!(is_sent || poll_once(kept.as_mut()).await.is_pending());
        sleep(Duration::from_millis(1)).await;
    }
    while backend.open_at_server().await > 0 {
        assert!(start.elapsed() < BOUND, "an idle transaction is still open");
        sleep(Duration::from_millis(5)).await;
    }
    drop(kept);
    all_is_well(&backend, "after all").await;
    assert!(backend.items().await.is_empty());
}

test_on! {
    [postgres postgres_without_names mariadb sqlite_on_one_thread];

    /// rules 6, 54
    async fn a_block_that_is_kept_in_a_statement_is_ended_at_the_server(backend) {
        kept_in_a_statement(backend).await;
    }
}

test_on! {
    every_server;

    /// rule 54: a statement that takes longer than the transaction may be idle
    async fn a_statement_under_way_is_not_idle(backend) {
        let idle = Duration::from_secs(2);
        let backend = backend.with_items().await.with(|b| b.max_connections(1).idle_in_transaction_timeout(idle));
        let db = &backend.db;
        let slow = sleeps(db.dialect(), 4.0);
        let block = db.atomic(|| async {
            insert(db, "kept").await?;
            db.query(&slow, params![]).await?;
            // Its time begins with the end of the statement.
            sleep(idle / 4).await;
            statement(db).await
        });
        block.await.expect("the server was at work");
        assert_eq!(backend.items().await, ["kept"]);
    }
}
