//! Closing a database while transactions are open: rule 34 of the specification.

use std::time::{Duration, Instant};

use nestling::{Database, Error, ErrorKind, params, status::Status};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    harness::{Backend, insert, poll_once},
    support::waits::PATIENCE,
};

/// A task with a transaction open, two blocks deep, each with a statement. It goes on when told to.
struct Open {
    task: JoinHandle<Outcome>,
    tell: oneshot::Sender<Then>,
}

/// What the body does once it is told to go on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// It returns `Ok` without another statement.
    Return,
    /// It runs a statement, and passes its error on.
    Insert,
    /// It runs a statement, and swallows its error.
    Swallow,
}

#[derive(Debug)]
struct Outcome {
    inner: Result<(), Error>,
    outer: Result<(), Error>,
    depth: u32,
}

async fn open(db: &Database) -> Open {
    let (tell, told) = oneshot::channel();
    let (here, is_here) = oneshot::channel();
    let db = db.clone();
    let task = nestling::spawn(async move {
        let mut inner = Ok(());
        let outer = db.atomic(|| async {
            insert(&db, 1, "outer").await?;
            inner = db
                .atomic(|| async {
                    insert(&db, 2, "inner").await?;
                    here.send(()).expect("it is waited for");
                    let then = told.await.expect("it is told");
                    let result = if then == Then::Return { Ok(1) } else { insert(&db, 3, "late").await };
                    if let (Err(_), Then::Insert) = (&result, then) { result.map(|_| ()) } else { Ok(()) }
                })
                .await;
            inner.clone()
        });
        let outer = outer.await;
        Outcome { inner, outer, depth: db.depth() }
    });
    is_here.await.expect("it is open");
    Open { task, tell }
}

test_on! {
    every_backend;

    /// rule 34
    async fn closing_waits_for_open_transactions_and_takes_no_new_ones(backend) {
        let backend = backend.with_items().await.with(|options| options.close_timeout(PATIENCE));
        let db = &backend.db;
        let Open { task, tell } = open(db).await;
        let (mut first, mut second) = (Box::pin(db.close()), Box::pin(db.close()));
        assert!(poll_once(first.as_mut()).await.is_pending(), "a transaction is open");
        assert!(poll_once(second.as_mut()).await.is_pending(), "every caller waits");
        assert_eq!(db.query("select 1", params![]).await.expect_err("closed").kind(), ErrorKind::Closed);
        let block = db.atomic(|| async { db.query("select 1", params![]).await });
        assert_eq!(block.await.expect_err("closed").kind(), ErrorKind::Closed);
        assert!(poll_once(first.as_mut()).await.is_pending());
        tell.send(Then::Insert).expect("it waits");
        tokio::join!(first, second);
        let outcome = task.await.expect("no panic");
        outcome.outer.expect("it was waited for, and has committed");
        assert_eq!(backend.open_at_server().await, 0);
        assert_eq!(backend.items().await, ["inner", "late", "outer"]);
        db.close().await;
        assert!(!db.is_connected());
    }
}

test_on! {
    every_backend;

    /// rule 34: past the time the blocks end in errors, never in Ok without COMMIT
    async fn past_its_time_closing_ends_transactions_and_their_blocks_return_errors(backend) {
        let mut backend = backend.with_items().await;
        for then in [Then::Return, Then::Insert, Then::Swallow] {
            backend = backend.with(|options| options.close_timeout(Duration::from_millis(30)));
            let db = &backend.db;
            let Open { task, tell } = open(db).await;
            let start = Instant::now();
            db.close().await;
            assert!(start.elapsed() >= Duration::from_millis(30), "it has waited");
            assert!(start.elapsed() < PATIENCE / 2, "and not for the block, which does not end by itself");
            wait_while!(backend.open_at_server().await > 0);
            tell.send(then).expect("it waits");
            let Outcome { inner, outer, depth } = task.await.expect("no panic");
            let inner = inner.expect_err("the block was ended");
            assert!(matches!(inner.kind(), ErrorKind::Closed | ErrorKind::RolledBack), "{then:?}: {inner:?}");
            let outer = outer.expect_err("the block was ended");
            assert!(matches!(outer.kind(), ErrorKind::Closed | ErrorKind::RolledBack), "{then:?}: {outer:?}");
            assert_eq!(depth, 0);
            assert!(backend.items().await.is_empty(), "{then:?}");
        }
    }
}

test_on! {
    every_backend;

    /// rule 34: a root whose body returns Ok
    async fn a_root_that_returns_ok_after_it_was_ended_tells_that_the_database_was_closed(backend) {
        let backend = backend.with_items().await.with(|options| options.close_timeout(Duration::from_millis(10)));
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "lost").await?;
            db.close().await;
            assert_eq!(db.status(), Status::Aborted);
            assert_eq!(insert(db, 2, "late").await.expect_err("closed").kind(), ErrorKind::Closed);
            Ok::<_, Error>(())
        });
        assert_eq!(work.await.expect_err("it was not committed").kind(), ErrorKind::Closed);
        assert!(backend.items().await.is_empty());
        // Opened anew, it works.
        db.connect().await.expect("it connects");
        db.atomic(|| insert(db, 1, "works")).await.expect("it commits");
        assert_eq!(backend.items().await, ["works"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 34: a block that has sent nothing
    async fn a_block_that_has_sent_nothing_cannot_begin_after_the_database_was_closed(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        insert(db, 1, "before").await.expect("an insert");
        let work = db.atomic(|| async {
            db.close().await;
            insert(db, 2, "late").await
        });
        assert_eq!(work.await.expect_err("closed").kind(), ErrorKind::Closed);
        assert_eq!(backend.items().await, ["before"]);
        assert_eq!(backend.open_at_server().await, 0);
    }
}

/// rule 34: a statement is under way
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn past_its_time_closing_stops_the_statement_that_is_under_way() {
    let backend =
        Backend::postgres().await.with_items().await.with(|options| options.close_timeout(Duration::from_millis(30)));
    let db = &backend.db;
    let own = db.clone();
    let task = nestling::spawn(async move {
        own.atomic(|| async {
            insert(&own, 1, "lost").await?;
            own.query("select pg_sleep(300)", params![]).await.map(|_| ())
        })
        .await
    });
    wait_while!(backend.count_running("%pg_sleep(300)%").await == 0);
    let start = Instant::now();
    db.close().await;
    task.await.expect("no panic").expect_err("it was ended");
    assert!(start.elapsed() < PATIENCE / 2, "the server was told to stop");
    assert!(backend.items().await.is_empty());
    wait_while!(backend.sessions_at_server().await > 0);
}
