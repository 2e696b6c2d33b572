//! Health checks, and the goodbye of a database that closes. Section H, rules 34 and 58.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use nestling::{Database, Error, ErrorKind, params};
use tokio::sync::Barrier;

use crate::{
    harness::Backend,
    proxy::Side,
    recorder::Recorder,
    test_servers::PrivateServer,
    wire::{Wire, statement},
};

/// Longer than any of these tests takes if nothing waits in vain.
const LONG: Duration = Duration::from_secs(60);

/// Has so many connections at once.
async fn warm(db: &Database, count: usize) {
    let together = Barrier::new(count);
    let holds = (0..count).map(|_| {
        db.connection(|| async {
            statement(db).await?;
            together.wait().await;
            Ok::<_, Error>(())
        })
    });
    try_join_all(holds).await.expect("connections");
    assert_eq!(db.stats().connections, count as u64);
}

test_on! {
    every_backend;

    /// rule 60: it needs one connection for a moment, and leaves blocks alone
    async fn a_database_that_answers_is_well(backend) {
        let db = &backend.db;
        db.ping().await.expect("it answers");
        db.ping().await.expect("it answers");
        assert_eq!((db.stats().connections, db.stats().idle, db.stats().transactions), (1, 1, 0));
        db.atomic(|| async {
            db.ping().await?;
            assert_eq!(db.stats().transactions, 0, "the block has begun nothing");
            statement(db).await?;
            db.ping().await
        })
        .await
        .expect("it answers in a block, too");
        db.close().await;
        assert_eq!(db.ping().await.expect_err("closed").kind(), ErrorKind::Closed);
        let never = backend.builder().autoconnect(false).build().expect("valid options");
        assert_eq!(never.ping().await.expect_err("not connected").kind(), ErrorKind::Closed);
    }
}

for_every_kind! {
    /// A server that is gone is not well, though `connect` did its work once; when it is back, so is the health.
    async fn a_server_that_is_gone_is_not_well(kind) {
        let server = PrivateServer::start(kind).await;
        let db = Database::builder(&server.url()).max_connections(4).acquire_timeout(LONG).build().expect("a valid URL");
        warm(&db, 4).await;
        server.stop().await;
        let error = db.ping().await.expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains(&server.addr().to_string()), "{error}");
        server.restart().await;
        db.ping().await.expect("it is back");
        warm(&db, 4).await;
        // Now all connections are dead, and nobody has noticed.
        server.restart().await;
        db.ping().await.expect("dead connections are replaced");
    }
}

/// A server that takes the question and says nothing is not well.
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_server_that_is_silent_is_not_well() {
    let wait = Duration::from_millis(200);
    let wire = Wire::with(|builder| builder.max_connections(1).connect_timeout(wait).acquire_timeout(LONG)).await;
    // To connect it has no more time than to answer.
    wait_while!(statement(&wire.db).await.is_err());
    wire.proxy.stall_when(|message| message.from == Side::Client && message.text.contains("SELECT 1"));
    let start = Instant::now();
    let error = wire.db.ping().await.expect_err("silent");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Connect, "the database did not answer within 200ms".into())
    );
    assert!((wait..LONG).contains(&start.elapsed()));
    wire.proxy.release();
    // By another connection.
    wait_while!(wire.db.ping().await.is_err());
}

/// The server has no session of a pool that was closed. MySQL's table of threads, where the tests look, has it for a moment
/// longer than the list of processes, where the pool looks.
async fn none_is_left(backend: &Backend, what: &str) {
    if backend.is_mysql() && !backend.is_mariadb().await {
        backend.sessions_come_to(0).await;
    }
    assert_eq!(backend.sessions_at_server().await, 0, "{what}");
}

test_on! {
    every_server;

    /// rule 58: closed means that the server has no session of the pool any more
    async fn a_closed_database_has_no_session_at_the_server(backend) {
        for round in 0..10 {
            let min = if round % 2 == 0 { 0 } else { 3 };
            let options = backend.builder().max_connections(5).min_connections(min).close_timeout(LONG);
            let db = options.build().expect("valid options");
            warm(&db, 5).await;
            backend.sessions_come_to(5).await;
            db.close().await;
            none_is_left(&backend, &format!("round {round}")).await;
        }
    }

    /// rules 34, 58: also with blocks that end while it waits, and with one that has to be ended
    async fn nor_has_it_with_blocks_that_were_open(backend) {
        let backend = backend.with_items().await;
        for overdue in [false, true] {
            let wait = if overdue { Duration::from_millis(200) } else { LONG };
            let db = backend.builder().max_connections(3).close_timeout(wait).build().expect("valid options");
            warm(&db, 3).await;
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let (end, ends) = tokio::sync::oneshot::channel::<()>();
            let own = db.clone();
            let block = tokio::spawn(async move {
                own.atomic(|| async {
                    own.execute("insert into item values ($1, $2)", params![i64::from(overdue), overdue.to_string()]).await?;
                    let _ = begun.send(());
                    let _ = ends.await;
                    Ok::<_, Error>(())
                })
                .await
            });
            has_begun.await.expect("it has begun");
            let start = Instant::now();
            if overdue {
                db.close().await;
                // It does not wait for long.
                backend.sessions_come_to(0).await;
            } else {
                tokio::join!(db.close(), async { end.send(()).expect("it waits") });
                none_is_left(&backend, "a block that ends").await;
            }
            assert!(start.elapsed() < LONG);
            if overdue {
                block.abort();
                assert!(block.await.expect_err("aborted").is_cancelled());
            } else {
                block.await.expect("no panic").expect("it had its time");
            }
        }
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 58: MySQL cannot make its list of processes while any session sends bytes that are no text
    async fn the_end_of_sessions_is_seen_beside_bytes_that_are_no_text(backend) {
        let (recorder, _guard) = Recorder::start();
        let other = backend.builder().build().expect("valid options");
        let closing = async {
            backend.runs_at_server("sleep", true).await;
            let db = backend.builder().close_timeout(LONG).build().expect("valid options");
            warm(&db, 2).await;
            db.close().await;
            backend.sessions_come_to(1).await;
        };
        tokio::select! {
            slow = other.query("select sleep($1), length($2)", params![600, vec![0xff_u8, 0xc3]]) => panic!("it takes long: {slow:?}"),
            () = closing => {}
        }
        let not_asked = |line: &String| line.contains("could not be asked");
        assert!(!recorder.messages().iter().any(not_asked), "{:?}", recorder.messages());
    }
}

/// How long a close takes whose goodbye is not answered.
async fn close_unanswered(wait: Duration) -> Duration {
    let wire = Wire::with(|builder| builder.close_timeout(wait)).await;
    statement(&wire.db).await.expect("a connection");
    wire.proxy.stall_when(|message| message.from == Side::Client && message.tag == 'X');
    let start = Instant::now();
    wire.db.close().await;
    start.elapsed()
}

/// rule 58: a server that never closes its side costs no more than the time for it
#[tokio::test]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_goodbye_that_is_not_answered_ends_with_the_time_for_it() {
    let wait = Duration::from_millis(300);
    assert!(close_unanswered(wait).await >= wait);
    // Five seconds are the time that a goodbye has where nobody waits. A busy machine needs as long, but not each time.
    wait_while!(close_unanswered(wait).await >= Duration::from_secs(5));
}
