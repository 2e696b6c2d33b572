//! The times of statements and of locks, and the wait for a connection: each is told apart. Rule 54.

use std::time::Duration;

use nestling::{Database, Error, ErrorKind, params, status::Status};
use tokio::time::timeout;

use crate::{
    dialects::endless,
    drops::{BOUND, all_is_well, drop_at_every_await, drop_at_every_message, insert},
    harness::Backend,
    wire::statement,
};

/// A time that is over soon.
const SOON: Duration = Duration::from_millis(100);

/// A time that is over after every test.
const LONG: Duration = Duration::from_secs(600);

/// Runs a future that must come to its end long before any of its statements would.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: no time limit ends it"))
}

#[track_caller]
fn is_late_statement<T: std::fmt::Debug>(result: Result<T, Error>, sql: &str) {
    let error = result.expect_err("its time is over");
    assert_eq!(error.kind(), ErrorKind::StatementTimeout, "{error:?}");
    assert!(error.is_timeout() && !error.is_retryable());
    assert_eq!(error.statement(), Some(sql));
    assert!(error.to_string().contains("100ms"), "{error}");
}

/// Takes the lock of all items.
async fn write(db: &Database) -> Result<u64, Error> {
    db.execute("update item set id = id + 1000", params![]).await
}

/// A block that waits for that lock, for as long as it or its database has asked for.
async fn waits(db: Database, asks: bool) {
    let block = db.build_transaction();
    let block = if asks { block.lock_timeout(SOON) } else { block };
    let error = block.atomic(|| write(&db)).await.expect_err("the lock is held");
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
    assert!(error.is_timeout() && error.code().is_some(), "{error:?}");
}

test_on! {
    every_backend;

    /// rules 2, 38, 54: outside any block, and on a connection that is pinned
    async fn a_statement_outside_a_block_has_its_time(backend) {
        let backend = backend.with_items().await;
        let db = &backend.builder().max_connections(1).statement_timeout(SOON).build().expect("another handle");
        let endless = endless(db.dialect());
        // The next user has more time than a busy machine may take.
        let next_user = async || {
            backend.settled_with(db).await;
            let next = db.build_transaction().statement_timeout(LONG).atomic(|| statement(db)).await;
            next.expect("the connection is of use");
        };
        is_late_statement(soon("a query", db.query(endless, params![])).await, endless);
        next_user().await;
        is_late_statement(soon("execute", db.execute(endless, params![])).await, endless);
        is_late_statement(soon("a batch", db.batch(endless)).await, endless);
        let pinned = db.connection(|| async {
            is_late_statement(db.query(endless, params![]).await, endless);
            let kept = db.build_transaction().statement_timeout(LONG);
            kept.atomic(|| insert(db, "kept")).await
        });
        soon("a pinned connection", pinned).await.expect("the connection is of use");
        next_user().await;
        all_is_well(&backend, "after all").await;
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rules 31, 38, 54: the block of a statement that is late is aborted; the block around it is not
    async fn a_late_statement_aborts_its_block(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let endless = endless(db.dialect());
        let body = async || {
            db.build_transaction().statement_timeout(LONG).atomic(|| insert(db, "late")).await?;
            is_late_statement(soon("a statement", db.query(endless, params![])).await, endless);
            assert_eq!(db.status(), Status::Aborted);
            let error = insert(db, "behind").await.expect_err("the block is aborted");
            assert_eq!(error.kind(), ErrorKind::Aborted, "{error:?}");
            Ok::<_, Error>(())
        };
        let root = db.build_transaction().statement_timeout(SOON).atomic(body).await.expect_err("it is rolled back");
        assert_eq!(root.kind(), ErrorKind::RolledBack, "{root:?}");
        let cause = std::error::Error::source(&root).and_then(Error::find_in).map(Error::kind);
        assert_eq!(cause, Some(ErrorKind::StatementTimeout), "{root:?}");
        all_is_well(&backend, "after a root").await;
        let outer = db.atomic(|| async {
            insert(db, "outer").await?;
            let inner = db.build_transaction().statement_timeout(SOON).atomic(body).await;
            assert_eq!(inner.expect_err("it is rolled back").kind(), ErrorKind::RolledBack);
            insert(db, "behind").await?;
            // It has the time of the block around it, which is none.
            db.atomic(|| insert(db, "sibling")).await
        });
        outer.await.expect("the outer block goes on");
        assert_eq!(backend.items().await, ["behind", "outer", "sibling"]);
        all_is_well(&backend, "after all").await;
    }

    /// rule 54: a block's own time comes before the database's, and nested blocks have that of the block around them
    async fn a_statements_time_is_that_of_the_nearest_block(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1).statement_timeout(LONG));
        let db = &backend.db;
        let endless = endless(db.dialect());
        let late = async || {
            is_late_statement(soon("a statement", db.query(endless, params![])).await, endless);
            Ok::<_, Error>(())
        };
        let short = || db.build_transaction().statement_timeout(SOON);
        let rolled_back = |result: Result<(), Error>| {
            assert_eq!(result.expect_err("it is aborted").kind(), ErrorKind::RolledBack);
        };
        rolled_back(short().atomic(late).await);
        rolled_back(short().atomic(|| db.atomic(late)).await);
        rolled_back(db.atomic(|| short().atomic(late)).await);
        rolled_back(short().timeout(LONG).atomic(|| db.atomic(late)).await);
        let both = db.build_transaction().timeout(SOON).atomic(|| db.query(endless, params![]));
        assert_eq!(soon("a block", both).await.expect_err("late").kind(), ErrorKind::Timeout);
        all_is_well(&backend, "after all").await;
    }

    /// rules 54, 55: whoever waits for a lock is told so
    async fn a_lock_has_its_time(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(2));
        let db = &backend.db;
        insert(db, "row").await.expect("an item");
        let holder = backend.builder().build().expect("another handle");
        let held = holder.atomic(|| async {
            write(&holder).await?;
            // Tasks of their own: whoever waits is not the one that holds the lock.
            soon("a block", tokio::spawn(waits(db.clone(), true))).await.expect("it does not panic");
            let by_default = backend.builder().lock_timeout(SOON).build().expect("another handle");
            soon("a default", tokio::spawn(waits(by_default, false))).await.expect("it does not panic");
            Ok::<_, Error>(())
        });
        held.await.expect("the holder is not disturbed");
        let free = db.build_transaction().lock_timeout(SOON).atomic(|| write(db)).await;
        assert_eq!(free.expect("the lock is free"), 1);
        all_is_well(&backend, "after all").await;
    }

    /// rule 54: the time of a statement does not run while its block waits for a connection
    async fn the_wait_for_a_connection_is_no_time_of_a_statement(backend) {
        let time = Duration::from_secs(4);
        let backend = backend.with_items().await.with(|b| b.max_connections(1).statement_timeout(time));
        let db = &backend.db;
        let (holds, held) = tokio::sync::oneshot::channel();
        let owner = db.clone();
        let holder = tokio::spawn(async move {
            owner.build_transaction().statement_timeout(LONG).atomic(|| async {
                statement(&owner).await?;
                holds.send(()).expect("somebody waits");
                tokio::time::sleep(time * 3 / 2).await;
                Ok::<_, Error>(())
            })
            .await
        });
        held.await.expect("it holds the connection");
        let waited = tokio::join!(db.atomic(|| statement(db)), statement(db));
        waited.0.and(waited.1).expect("each waited longer than a statement may take");
        holder.await.expect("it does not panic").expect("in time");
    }
}

/// A block with all limits there are, none of which is reached, and a nested one.
async fn limited(db: &Database, name: &str) -> Result<(), Error> {
    let limits = || db.build_transaction().timeout(LONG).statement_timeout(LONG).lock_timeout(LONG);
    let nested = format!("{name}'");
    let body = || async {
        insert(db, name).await?;
        limits().atomic(|| insert(db, &nested)).await
    };
    limits().acquire_timeout(LONG).idle_in_transaction_timeout(LONG).atomic(body).await
}

/// Both items of [`limited`], or none.
async fn is_whole(backend: &Backend, name: &str, must_be_there: bool) {
    backend.settled().await;
    let items = backend.items().await;
    let kept = [items.contains(&name.to_owned()), items.contains(&format!("{name}'"))];
    assert_eq!(kept[0], kept[1], "{name}: half of the block is kept");
    assert!(kept[0] || !must_be_there, "{name} has committed");
    all_is_well(backend, name).await;
}

test_on! {
    every_backend;

    /// rules 37 to 40, 54: dropped at every await
    async fn a_block_with_limits_is_kept_whole_or_not_at_all(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let name = |point: usize| format!("await {point}");
        drop_at_every_await(
            |point| {
                let db = backend.db.clone();
                async move { limited(&db, &name(point)).await }
            },
            async |point, out| {
                let has_ended = out.map(|out| out.expect("in time")).is_some();
                is_whole(&backend, &name(point), has_ended).await;
            },
        )
        .await;
    }
}

test_on! {
    every_server;

    /// rules 37 to 40, 54: dropped at every message
    async fn a_block_with_limits_is_kept_whole_whichever_message_is_held(backend) {
        let (backend, proxy) = backend.with_items().await.behind_proxy_with(|b| b.max_connections(1));
        limited(&backend.db, "warm").await.expect("in time");
        backend.settled().await;
        let name = |message: usize| format!("message {message}");
        let dropped = drop_at_every_message(
            &proxy,
            |message| {
                let db = backend.db.clone();
                async move { limited(&db, &name(message)).await }
            },
            async |message, out| {
                let has_ended = out.map(|out| out.expect("in time")).is_some();
                is_whole(&backend, &name(message), has_ended).await;
            },
        )
        .await;
        assert!(dropped > 5, "it was held {dropped} times only");
    }
}
