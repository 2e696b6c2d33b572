//! Connecting: one attempt for all who ask, and what becomes of it. Section H, rule 57.

use std::time::{Duration, Instant};

use nestling::{Error, ErrorKind};
use tokio::task::JoinHandle;

use crate::{
    proxy::Side,
    wire::{Wire, statement},
};

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

impl Wire {
    /// A caller of `connect` in a task of its own.
    fn connecting(&self) -> JoinHandle<nestling::Result<()>> {
        let db = self.db.clone();
        tokio::spawn(async move { db.connect().await })
    }

    /// Holds the next connection as soon as the server has answered its start-up, which comes behind the question for TLS.
    fn stall_start_up(&self) {
        self.proxy.stall_when(|message| message.from == Side::Server && message.tag == 'R');
    }

    /// Has the pool lose its one connection, and see it.
    async fn lose_all(&self) {
        self.proxy.cut();
        self.proxy.left_with(0).await;
        self.proxy.refuse(true);
        statement(&self.db).await.expect_err("it is lost, and no other is made");
        self.proxy.refuse(false);
    }
}

test_on! {
    every_backend;

    /// rule 57
    async fn connecting_twice_connects_once(backend) {
        let db = &backend.db;
        assert!(!db.is_connected());
        for _ in 0..2 {
            db.connect().await.expect("the server is there");
            assert!(db.is_connected());
            let stats = db.stats();
            assert_eq!((stats.connections, stats.idle, stats.flights), (1, 1, 0));
        }
        statement(db).await.expect("a query");
        db.connect().await.expect("the server is there");
        assert_eq!(db.stats().connections, 1);
    }

    /// rule 57
    async fn callers_at_once_share_one_attempt(backend) {
        let db = &backend.db;
        let all = futures_util::future::join_all((0..8).map(|_| db.connect())).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!((db.stats().connections, db.stats().idle), (1, 1));
    }
}

/// rule 57
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn three_callers_make_one_connection() {
    let wire = Wire::with(|builder| builder).await;
    wire.proxy.set_delay(Duration::from_millis(3));
    let (one, two, three) = tokio::join!(wire.db.connect(), wire.db.connect(), wire.db.connect());
    one.and(two).and(three).expect("the server is there");
    assert_eq!(wire.proxy.counts().connections, 1);
    wire.db.connect().await.expect("connected already");
    statement(&wire.db).await.expect("a query");
    assert_eq!(wire.proxy.counts().connections, 1);
}

/// rule 57: whoever drove the attempt can go; the others drive it on
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn cancelling_one_caller_does_not_cancel_the_others() {
    let wire = Wire::with(|builder| builder.connect_timeout(LONG)).await;
    wire.stall_start_up();
    let first = wire.connecting();
    wire.proxy.stalled().await;
    let others = [wire.connecting(), wire.connecting()];
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    wire.proxy.release();
    for other in others {
        other.await.expect("no panic").expect("the server is there");
    }
    assert_eq!((wire.proxy.counts().connections, wire.proxy.open_connections()), (1, 1));
}

/// rules 40, 57: with the last caller the attempt is gone, and the next one begins anew
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn an_attempt_that_nobody_waits_for_is_given_up() {
    let wire = Wire::with(|builder| builder.connect_timeout(LONG)).await;
    wire.stall_start_up();
    let callers = [wire.connecting(), wire.connecting()];
    wire.proxy.stalled().await;
    assert_eq!(wire.proxy.open_connections(), 1);
    for caller in callers {
        caller.abort();
        assert!(caller.await.expect_err("aborted").is_cancelled());
    }
    wire.proxy.release();
    wire.proxy.left_with(0).await;
    assert!(!wire.db.is_connected());
    wire.db.connect().await.expect("a new attempt");
    assert_eq!((wire.proxy.counts().connections, wire.proxy.open_connections()), (2, 1));
}

/// rule 57: a failure is everybody's, and is told at once; the next caller tries again
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn after_a_failure_the_next_may_try_again() {
    let wire = Wire::with(|builder| builder.acquire_timeout(LONG)).await;
    wire.proxy.refuse(true);
    let start = Instant::now();
    let failures = tokio::join!(wire.db.connect(), wire.db.connect(), wire.db.connect());
    for failure in [failures.0, failures.1, failures.2] {
        assert_eq!(failure.expect_err("refused").kind(), ErrorKind::Connect);
    }
    let query = statement(&wire.db).await.expect_err("refused");
    let block = wire.db.atomic(|| statement(&wire.db)).await.expect_err("refused");
    assert_eq!((query.kind(), block.kind()), (ErrorKind::Connect, ErrorKind::Connect));
    assert!(start.elapsed() < LONG, "told after {:?}", start.elapsed());
    assert!(!wire.db.is_connected());
    let stats = wire.db.stats();
    assert_eq!((stats.connections, stats.waiting, stats.transactions, stats.flights), (0, 0, 0, 0));
    wire.proxy.refuse(false);
    wire.db.connect().await.expect("the server takes connections again");
    wire.db.atomic(|| statement(&wire.db)).await.expect("a block");
}

/// rules 57, 58: a connect that began before a close does not open the database again
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn closing_ends_an_attempt_to_connect() {
    let wire = Wire::with(|builder| builder.connect_timeout(LONG)).await;
    for round in 0..2 {
        wire.stall_start_up();
        let connecting = wire.connecting();
        wire.proxy.stalled().await;
        wire.db.close().await;
        wire.proxy.release();
        let error = connecting.await.expect("no panic").expect_err("closed meanwhile");
        assert_eq!(error.kind(), ErrorKind::Closed, "round {round}");
        assert!(!wire.db.is_connected());
        assert_eq!(statement(&wire.db).await.expect_err("closed").kind(), ErrorKind::Closed);
        wire.proxy.left_with(0).await;
        // In the second round the database is open, and has lost all its connections.
        wire.db.connect().await.expect("opened anew");
        wire.lose_all().await;
    }
    wire.db.connect().await.expect("opened anew");
    statement(&wire.db).await.expect("a query");
}

/// rule 58: nor does a query or a block that is still waiting for its connection to be made
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn closing_ends_a_wait_for_a_connection() {
    let wire = Wire::with(|builder| builder.connect_timeout(LONG).acquire_timeout(LONG)).await;
    for in_block in [false, true] {
        wire.stall_start_up();
        let db = wire.db.clone();
        let query =
            tokio::spawn(
                async move { if in_block { db.atomic(|| statement(&db)).await } else { statement(&db).await } },
            );
        wire.proxy.stalled().await;
        wire.db.close().await;
        wire.proxy.release();
        assert_eq!(query.await.expect("no panic").expect_err("closed meanwhile").kind(), ErrorKind::Closed);
        assert!(wire.proxy.counts().sequence().is_empty());
        wire.proxy.left_with(0).await;
        wire.db.connect().await.expect("opened anew");
        wire.lose_all().await;
    }
}

/// How long connecting may take: the builder's word, unless the URL has one.
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_server_that_does_not_answer_is_given_up() {
    let short = Duration::from_millis(60);
    let wire = Wire::with(|builder| builder.connect_timeout(short).acquire_timeout(LONG)).await;
    wire.stall_start_up();
    let late = |wait| format!("no connection to {} was made within {wait}", wire.proxy.addr());
    let error = wire.db.connect().await.expect_err("no answer");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Connect, late("60ms")));
    wire.proxy.release();
    wire.proxy.left_with(0).await;
    // The URL's own bound is in whole seconds.
    let url = format!("{}&connect_timeout=1", wire.proxy.url_for(wire.backend.url()));
    let told = nestling::Database::builder(&url).connect_timeout(short).acquire_timeout(LONG).build().expect("a URL");
    wire.stall_start_up();
    let start = Instant::now();
    let error = statement(&told).await.expect_err("no answer");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Connect, late("1s")));
    assert!(start.elapsed() >= Duration::from_secs(1));
    wire.proxy.release();
    // The next one is answered; on a busy machine, one of the next.
    wait_while!(statement(&told).await.is_err());
}

/// How long a task waits for a connection, be it for a free one or for one to be made.
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_connection_that_is_not_made_in_time_is_a_pool_timeout() {
    let wire = Wire::with(|builder| builder.acquire_timeout(Duration::from_millis(300)).connect_timeout(LONG)).await;
    wire.stall_start_up();
    let error = statement(&wire.db).await.expect_err("no answer");
    assert_eq!(error.to_string(), "no new connection was made within 300ms");
    assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::PoolTimeout, true));
    wire.proxy.release();
    wire.proxy.left_with(0).await;
    // The next one is answered; on a busy machine, one of the next.
    wait_while!(statement(&wire.db).await.is_err());
}

test_on! {
    every_backend;

    /// rule 57: what cannot be reached is told with its reason
    async fn an_unreachable_database_says_why(backend) {
        let bad = if backend.is_postgres() { "postgres://nobody@127.0.0.1:1/none" } else { "sqlite:///proc/none/none.db" };
        let db = nestling::Database::builder(bad).acquire_timeout(LONG).build().expect("a valid URL");
        let start = Instant::now();
        let error: Error = db.connect().await.expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(std::error::Error::source(&error).is_some());
        assert!(start.elapsed() < LONG);
    }
}
