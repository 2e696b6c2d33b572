//! Entering a block, and the steps that it sends: rules 13, 19 and 22 to 25 of the specification.

use std::{pin::Pin, time::Duration};

use nestling::{Database, Error, ErrorKind, Isolation, params};

use crate::{
    harness::{Backend, insert},
    proxy::Proxy,
};

const INSERT: &str = "insert into item values ($1, $2)";

async fn fails(db: &Database) -> Result<(), Error> {
    nestling::scope(db.savepoint(|| async { Ok::<_, Error>(()) })).await
}

/// What a body does that is not to run.
fn must_not_run() -> Result<(), Error> {
    panic!("the body must not run");
}

/// A database behind a proxy whose insert is warm.
async fn wired() -> (Backend, Proxy) {
    let (backend, proxy) =
        Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    insert(&backend.db, 0, "warm").await.expect("an insert");
    proxy.reset();
    (backend, proxy)
}

/// rules 13 and 22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_root_sends_begin_and_commit_and_a_deeper_block_savepoint_and_release() {
    let (backend, proxy) = wired().await;
    // Behind a delay no answer comes between two requests of one poll, however busy the machine is.
    proxy.set_delay(Duration::from_millis(200));
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(db, 1, "one").await?;
        db.atomic(|| async {
            insert(db, 2, "two").await?;
            db.savepoint(|| insert(db, 3, "three")).await?;
            insert(db, 4, "four").await
        })
        .await?;
        insert(db, 5, "five").await
    });
    work.await.expect("it commits");
    let sent = ["BEGIN", INSERT, "SAVEPOINT _n1", INSERT, "SAVEPOINT _n2", INSERT, "RELEASE SAVEPOINT _n2", INSERT];
    let rest = ["RELEASE SAVEPOINT _n1", INSERT, "COMMIT"];
    assert_eq!(proxy.counts().sequence(), [&sent[..], &rest[..]].concat());
    assert_eq!(proxy.counts().flights, 6, "five statements and the COMMIT");
}

/// rules 13 and 22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_deeper_block_that_fails_sends_rollback_to_and_release_and_a_root_rollback() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    let work = db.atomic(|| async {
        insert(db, 1, "one").await?;
        let inner = db.atomic(|| async {
            insert(db, 2, "two").await?;
            fails(db).await
        });
        inner.await.expect_err("the body's own");
        insert(db, 3, "three").await?;
        fails(db).await
    });
    work.await.expect_err("the body's own");
    let rollback = "ROLLBACK TO SAVEPOINT _n1; RELEASE SAVEPOINT _n1";
    assert_eq!(proxy.counts().sequence(), ["BEGIN", INSERT, "SAVEPOINT _n1", INSERT, rollback, INSERT, "ROLLBACK"]);
    assert_eq!(backend.items().await, ["warm"]);

    // With nothing behind it, the rollback of the savepoint goes along with the COMMIT, and in ROLLBACK it is contained.
    for keep in [true, false] {
        proxy.reset();
        let work = db.atomic(|| async {
            insert(db, 4, "four").await?;
            let inner = db.atomic(|| async {
                insert(db, 5, "five").await?;
                fails(db).await
            });
            inner.await.expect_err("the body's own");
            if keep { Ok(()) } else { fails(db).await }
        });
        assert_eq!(work.await.is_ok(), keep);
        let counts = proxy.counts();
        let last = *counts.sequence().last().expect("an end");
        assert_eq!(last, if keep { "ROLLBACK TO SAVEPOINT _n1; COMMIT" } else { "ROLLBACK" });
        assert_eq!(backend.items().await, ["four", "warm"]);
    }
}

test_on! {
    every_backend;

    /// rule 13
    async fn blocks_at_every_depth_keep_or_undo_exactly_their_own(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "a").await?;
            db.atomic(|| async {
                insert(db, 2, "b").await?;
                let undone = db.atomic(|| async {
                    insert(db, 3, "undone").await?;
                    db.atomic(|| insert(db, 4, "undone with it")).await?;
                    fails(db).await
                });
                undone.await.expect_err("the body's own");
                insert(db, 3, "c").await
            })
            .await?;
            insert(db, 4, "d").await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["a", "b", "c", "d"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 19: no connection is free
    async fn a_begin_without_a_connection_is_the_error_of_the_first_statement(backend) {
        let backend = backend
            .with_items()
            .await
            .with(|options| options.max_connections(1).acquire_timeout(Duration::from_secs(1)));
        let db = &backend.db;
        // The time is one for the making of a connection too.
        wait_while!(db.connect().await.is_err());
        let holder = db.atomic(|| async {
            db.query("select 1", params![]).await?;
            let other = db.clone();
            let late = nestling::spawn(async move {
                let result = other.atomic(|| async {
                    let first = insert(&other, 1, "never").await.expect_err("no connection is free");
                    assert_eq!(first.kind(), ErrorKind::PoolTimeout);
                    assert_eq!(insert(&other, 2, "never").await.expect_err("nor now").kind(), ErrorKind::PoolTimeout);
                    Err::<(), _>(first)
                });
                let eager = other.build_transaction().eager().atomic(|| async { must_not_run() });
                (result.await, eager.await, other.depth())
            });
            let (result, eager, depth) = late.await.expect("no panic");
            assert_eq!(result.expect_err("its own").kind(), ErrorKind::PoolTimeout);
            assert_eq!(eager.expect_err("it cannot begin").kind(), ErrorKind::PoolTimeout);
            assert_eq!(depth, 0);
            Ok::<_, Error>(())
        });
        holder.await.expect("it commits");
        backend.settled().await;
        assert!(backend.items().await.is_empty());
        assert_eq!(insert(db, 1, "works").await.expect("no connection has leaked"), 1);
    }
}

/// rule 19: the server cannot be reached
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_begin_without_a_server_is_a_connect_error() {
    let (backend, proxy) =
        Backend::postgres().await.with_items().await.behind_proxy_with(|options| options.max_connections(1));
    let db = &backend.db;
    proxy.refuse(true);
    for eager in [false, true] {
        let block = db.build_transaction();
        let block = if eager { block.eager() } else { block };
        let result = block.atomic(|| async {
            assert!(!eager, "it has not begun");
            let first = insert(db, 1, "never").await;
            insert(db, 2, "never").await.expect_err("nor now");
            first
        });
        assert_eq!(result.await.expect_err("nobody answers").kind(), ErrorKind::Connect);
        assert_eq!(db.depth(), 0);
    }
    proxy.refuse(false);
    db.atomic(|| insert(db, 1, "works")).await.expect("the next one works");
    assert_eq!(backend.items().await, ["works"]);
    backend.settled().await;
}

/// rule 19: the server refuses what rides with BEGIN
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn nothing_runs_outside_a_transaction_behind_a_begin_with_settings_that_the_server_refuses() {
    let (backend, proxy) = wired().await;
    let db = &backend.db;
    for eager in [false, true] {
        for swallowed in [false, true] {
            let block = db.build_transaction().isolation(Isolation::Serializable).set_local("no_such_setting", "1");
            let block = if eager { block.eager() } else { block };
            let result = block.atomic(|| async {
                assert!(!eager, "it has not begun");
                let first = insert(db, 1, "never").await.expect_err("the setting is unknown");
                assert_eq!(first.code(), Some("42704"), "the error of the setting, not what followed from it");
                proxy.reset();
                let second = insert(db, 2, "never").await.expect_err("nothing was begun");
                assert_eq!((second.kind(), second.code()), (ErrorKind::Aborted, Some("42704")));
                let inner = db.atomic(|| insert(db, 3, "never")).await.expect_err("nothing was begun");
                assert_eq!(inner.kind(), ErrorKind::Aborted);
                assert_eq!(proxy.counts().flights, 0, "nothing more is sent");
                if swallowed { Ok(()) } else { Err(first) }
            });
            let error = result.await.expect_err("it has not begun");
            assert_eq!(error.code(), Some("42704"));
            let expected = if swallowed && !eager { ErrorKind::RolledBack } else { ErrorKind::Server };
            assert_eq!(error.kind(), expected);
            backend.settled().await;
            assert_eq!(backend.items().await, ["warm"]);
        }
    }
}

/// rule 19: another process has the lock that BEGIN IMMEDIATE asks for
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_outside_a_transaction_behind_a_begin_that_found_sqlite_busy() {
    let backend =
        Backend::sqlite().await.with_items().await.with(|options| options.busy_timeout(Duration::from_millis(10)));
    let (db, observer) = (&backend.db, backend.observer());
    for eager in [false, true] {
        let lock = observer.build_transaction().eager().atomic(|| async {
            let block = db.build_transaction();
            let block = if eager { block.eager() } else { block };
            let result = block.atomic(|| async {
                assert!(!eager, "it has not begun");
                let first = insert(db, 1, "never").await.expect_err("busy");
                assert!(first.is_retryable() && first.is_timeout());
                assert_eq!(insert(db, 2, "never").await.expect_err("nothing was begun").kind(), ErrorKind::Aborted);
                Err::<(), _>(first)
            });
            assert!(result.await.expect_err("busy").is_retryable());
            Ok::<_, Error>(())
        });
        lock.await.expect("it commits");
    }
    // The lock goes while the body still runs: what comes now must not be committed on its own.
    let result = db.atomic(|| async {
        let lock =
            observer.build_transaction().eager().atomic(|| async { Ok::<_, Error>(insert(db, 1, "never").await) });
        lock.await?.expect_err("busy");
        insert(db, 2, "never").await.expect_err("nothing was begun");
        db.atomic(|| insert(db, 3, "never")).await.expect_err("nothing was begun");
        Ok::<_, Error>(())
    });
    assert_eq!(result.await.expect_err("it was not begun").kind(), ErrorKind::RolledBack);
    assert!(backend.items().await.is_empty());
    backend.settled().await;
    assert_eq!(insert(db, 1, "works").await.expect("no connection has leaked"), 1);
}

test_on! {
    every_backend;

    /// rule 23
    async fn control_statements_as_plain_sql_are_refused_by_every_call_and_name_the_right_one(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let statements = [
            ("begin", "atomic"), ("BEGIN IMMEDIATE", "atomic"), ("start transaction read only", "atomic"),
            ("/* x */ commit", "Ok"), ("-- x\n  END", "Ok"), ("rollback", "set_rollback_only"), (" ; abort", "set_rollback_only"),
            ("savepoint s1", "savepoint"), ("release s1", "Ok"), ("rollback to s1", "set_rollback_only"),
            ("set autocommit = 0", "atomic"), ("set transaction read only", "build_transaction"),
        ];
        let all = async |depth: u32| {
            for (sql, call) in statements {
                let flights = db.stats().flights;
                let results = [
                    db.execute(sql, params![]).await.map(|_| ()),
                    db.query(sql, params![]).await.map(|_| ()),
                    db.query_opt(sql, params![]).await.map(|_| ()),
                    db.stream(sql, params![]).await.map(|_| ()),
                    db.batch(sql).await,
                    db.batch(&format!("select 1; {sql}")).await,
                ];
                for result in results {
                    let error = result.expect_err("a control statement");
                    assert_eq!(error.kind(), ErrorKind::ControlStatement, "{sql}");
                    assert!(error.to_string().contains(call), "{sql}: {error}");
                    assert_eq!(error.statement().map(|text| text.contains(sql)), Some(true));
                }
                assert_eq!((db.stats().flights, db.depth()), (flights, depth), "nothing is sent");
            }
        };
        all(0).await;
        let work = db.atomic(|| async {
            insert(db, 1, "kept").await?;
            all(1).await;
            insert(db, 2, "kept too").await
        });
        work.await.expect("the block is whole");
        assert_eq!(backend.items().await, ["kept", "kept too"]);
    }
}

/// A function that opens a block and calls itself in it.
fn nest(db: &Database, left: i64) -> Pin<Box<dyn Future<Output = Result<u32, Error>> + Send + '_>> {
    Box::pin(async move {
        let work = db.atomic(|| async move {
            insert(db, left, &format!("{left}")).await?;
            let depth = if left > 1 { nest(db, left - 1).await? } else { db.depth() };
            // One level undoes itself and all below it, but for the error that says so.
            if left == 15 {
                fails(db).await?;
            }
            Ok::<_, Error>(depth)
        });
        match work.await {
            Err(error) if error.kind() == ErrorKind::NoTransaction => Ok(0),
            result => result,
        }
    })
}

test_on! {
    every_backend;

    /// rule 24
    async fn a_function_that_opens_a_block_may_call_itself(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        assert_eq!(nest(db, 14).await.expect("it commits"), 14);
        assert_eq!(backend.items().await.len(), 14);
        assert_eq!(db.depth(), 0);
        db.execute("delete from item", params![]).await.expect("emptied");
        nest(db, 20).await.expect("it commits");
        assert_eq!(backend.items().await.len(), 5, "the levels above the one that undid itself");
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 25
    async fn a_durable_block_inside_another_one_is_an_error(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        db.build_transaction().durable().atomic(|| insert(db, 1, "durable")).await.expect("the outermost one");
        let pinned = db.connection(|| async { db.build_transaction().durable().atomic(|| insert(db, 2, "pinned")).await });
        pinned.await.expect("a pinned connection is no block");
        let work = db.atomic(|| async {
            let never = || async { must_not_run() };
            let before = db.stats().steps_owed;
            let atomic = db.build_transaction().durable().atomic(never).await;
            assert_eq!(atomic.expect_err("a block is open").kind(), ErrorKind::NotDurable);
            let joined = db.build_transaction().durable().transaction(never).await;
            assert_eq!(joined.expect_err("a block is open").kind(), ErrorKind::NotDurable);
            assert_eq!(db.stats().steps_owed, before);
            insert(db, 3, "around").await
        });
        work.await.expect("the block around is whole");
        assert_eq!(backend.items().await, ["around", "durable", "pinned"]);
    }
}
