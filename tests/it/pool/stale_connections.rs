//! Connections that died: while they were idle, which no caller sees wherever nothing of the caller's can have run (rule
//! 60), and in the middle of a transaction, which its block is told (rule 33). PostgreSQL, MariaDB and MySQL; what needs
//! several answers in flight at once, on PostgreSQL alone.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use nestling::{Database, Dialect, Error, ErrorKind, params};
use tokio::{sync::Barrier, time::sleep};

use crate::{
    harness::Backend,
    proxy::{Proxy, Side},
    test_servers::{Kind, PrivateServer},
};

const INSERT: &str = "insert into item values ($1, $2)";

async fn insert(db: &Database, id: i64) -> Result<u64, Error> {
    db.execute(INSERT, params![id, format!("name {id}")]).await
}

/// Makes `count` connections, all idle and with the statement prepared.
async fn warm(db: &Database, count: i64) {
    let together = Barrier::new(count as usize);
    let holds = (1..=count).map(|number| {
        let together = &together;
        db.connection(move || async move {
            insert(db, -number).await?;
            db.execute("delete from item where id = $1", params![-number]).await?;
            together.wait().await;
            Ok::<_, Error>(())
        })
    });
    try_join_all(holds).await.expect("connections");
    assert_eq!(db.stats().idle, count as u64);
}

/// Ends all sessions while this runtime is kept from seeing it: what is sent next goes to a dead connection.
async fn kill_unseen(backend: &Backend) {
    let before = backend.sessions_at_server().await;
    let spared = match backend.db.dialect() {
        Dialect::Mysql => {
            let row = backend.observer().query_one("select connection_id()", params![]).await.expect("its session");
            row.get::<i64>(0).expect("a number")
        }
        // The observer has another name there.
        _ => 0,
    };
    std::thread::scope(|threads| {
        let killer = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let other = Database::builder(backend.url()).max_connections(1).build().expect("a valid URL");
                let victims = others(&other, spared).await;
                assert_eq!(victims.len() as i64, before);
                for id in victims {
                    let kill = match other.dialect() {
                        Dialect::Mysql => format!("kill {id}"),
                        _ => format!("select pg_terminate_backend({id})"),
                    };
                    other.batch(&kill).await.expect("killed");
                }
                wait_while!(!others(&other, spared).await.is_empty());
            });
        });
        killer.join().expect("the killer does its work");
    });
}

/// The sessions of the same program but one's own, and but one that is spared.
async fn others(db: &Database, spared: i64) -> Vec<i64> {
    let sql = match db.dialect() {
        Dialect::Mysql => {
            "select cast(id as signed) from information_schema.processlist
             where db = database() and id <> connection_id() and id <> $1"
        }
        _ => {
            "select pid::bigint from pg_stat_activity where pid <> pg_backend_pid() and pid <> $1
             and application_name = current_setting('application_name')"
        }
    };
    let rows = db.query(sql, params![spared]).await.expect("the sessions");
    rows.iter().map(|row| row.get(0).expect("a number")).collect()
}

async fn with_dead_connections(backend: Backend, count: i64) -> Backend {
    let backend = backend.with_items().await;
    warm(&backend.db, count).await;
    kill_unseen(&backend).await;
    backend
}

test_on! {
    every_server_on_one_thread;

    /// rule 60
    async fn four_joined_statements_as_the_first_flight_of_a_root_are_sent_again_on_another_connection(backend) {
        let backend = with_dead_connections(backend, 5).await;
        let db = &backend.db;
        let four = db.atomic(|| async { tokio::try_join!(insert(db, 1), insert(db, 2), insert(db, 3), insert(db, 4)) });
        assert_eq!(four.await.expect("nobody sees it"), (1, 1, 1, 1));
        assert_eq!(backend.items().await, ["name 1", "name 2", "name 3", "name 4"]);
        backend.settled().await;
    }
}

test_on! {
    every_server_on_one_thread;

    /// rule 60: a block that loses its connection is told so; nobody else meets the dead ones beside it
    async fn after_a_loss_that_is_told_the_idle_connections_are_checked(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        warm(db, 3).await;
        let block = db.atomic(|| async {
            insert(db, 1).await?;
            kill_unseen(&backend).await;
            insert(db, 2).await
        });
        let error = block.await.expect_err("its transaction is gone");
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
        assert_eq!(insert(db, 3).await.expect("over another connection"), 1);
        assert_eq!(backend.items().await, ["name 3"]);
        backend.settled().await;
    }
}

/// rule 60: what is sent outside a block is not sent again, so it must not be sent over a connection that is known to be dead
/// as soon as the runtime, which was kept busy, looks at it
#[tokio::test]
async fn a_connection_that_died_while_it_lay_idle_for_long_is_looked_at_before_it_is_used() {
    let backend = with_dead_connections(Backend::postgres().await, 1).await;
    // Longer than a connection is trusted.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(insert(&backend.db, 1).await.expect("over another connection"), 1);
    assert_eq!(backend.items().await, ["name 1"]);
    backend.settled().await;
}

test_on! {
    every_server_on_one_thread;

    /// rule 60: the savepoints go along
    async fn the_first_flight_of_a_nested_block_is_sent_again_with_all_that_it_stands_in(backend) {
        let backend = with_dead_connections(backend, 5).await;
        let db = &backend.db;
        let root = db.atomic(|| async {
            let nested = db.atomic(|| async {
                insert(db, 1).await?;
                Err::<(), _>(db.savepoint(|| insert(db, 1)).await.expect_err("it is taken"))
            });
            assert!(nested.await.expect_err("passed on").is_unique_violation());
            insert(db, 2).await
        });
        root.await.expect("nobody sees it");
        assert_eq!(backend.items().await, ["name 2"]);
        backend.settled().await;
    }
}

test_on! {
    every_server_on_one_thread;

    /// rule 60
    async fn an_eager_begin_is_sent_again_on_another_connection(backend) {
        let backend = with_dead_connections(backend, 1).await;
        let db = &backend.db;
        db.build_transaction().eager().atomic(|| insert(db, 1)).await.expect("nobody sees it");
        assert_eq!(backend.items().await, ["name 1"]);
        backend.settled().await;
    }
}

test_on! {
    every_server_on_one_thread;

    /// rule 33: an eager BEGIN that was answered is a promise: what was seen or locked since then is gone
    async fn an_eager_transaction_whose_connection_dies_before_its_first_statement_fails(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let eager = db.build_transaction().eager().atomic(|| async {
            kill_unseen(&backend).await;
            insert(db, 1).await
        });
        assert_eq!(eager.await.expect_err("its transaction is gone").kind(), ErrorKind::ConnectionLost);
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }
}

test_on! {
    every_server_on_one_thread;

    /// rule 33
    async fn a_root_whose_connection_dies_after_its_first_answer_fails(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let root = db.atomic(|| async {
            insert(db, 1).await?;
            kill_unseen(&backend).await;
            for id in 2..4 {
                let lost = insert(db, id).await.expect_err("its transaction is gone");
                assert_eq!(lost.kind(), ErrorKind::ConnectionLost);
            }
            let nested = db.atomic(|| insert(db, 4)).await.expect_err("so is all of it");
            assert_eq!(nested.kind(), ErrorKind::ConnectionLost);
            Ok::<_, Error>(())
        });
        let error = root.await.expect_err("nothing can be committed");
        assert_eq!(error.kind(), ErrorKind::RolledBack);
        assert!(error.is_connection_lost());
        assert!(backend.items().await.is_empty());
        db.atomic(|| insert(db, 5)).await.expect("the next transaction works");
        assert_eq!(backend.items().await, ["name 5"]);
        backend.settled().await;
    }
}

/// rule 60: the first flight's statements are answered one by one. If the connection dies between two answers, and it is
/// the later statement that is looked at first, then the earlier one must be sent again too.
#[tokio::test]
async fn an_answer_of_a_connection_that_was_replaced_is_not_taken_for_good() {
    let backend = Backend::postgres().await.with_items().await;
    let proxy = Proxy::before(backend.url());
    let db = Database::open(&proxy.url_for(backend.url())).expect("a valid URL");
    warm(&db, 1).await;
    let mut done = 0;
    proxy.stall_when(move |message| {
        done += usize::from(message.from == Side::Server && message.text == "INSERT 0 1");
        done == 2
    });
    let result = db.atomic(|| async {
        let (mut first, mut second) = (pin!(insert(&db, 1)), pin!(insert(&db, 2)));
        // Sent in this order.
        let sent = poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            Poll::Ready(second.as_mut().poll(cx).is_pending())
        });
        assert!(sent.await);
        wait_while!(proxy.counts().executed().iter().filter(|sql| **sql == INSERT).count() < 3, by yielding);
        // The first answer is on its way, the second never comes.
        let stalled = proxy.stalled();
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on(stalled);
                proxy.cut();
                while proxy.open_connections() > 0 {
                    std::thread::yield_now();
                }
            });
            waiting.join().expect("the answer is held");
        });
        let second = second.await;
        first.await.and(second)
    });
    result.await.expect("nobody sees it");
    assert_eq!(backend.items().await, ["name 1", "name 2"]);
}

/// rule 60: outside a transaction what was sent may have been committed
#[tokio::test]
async fn an_autocommitted_statement_that_was_sent_is_never_sent_again() {
    for pinned in [false, true] {
        let backend = Backend::postgres().await;
        backend.observer().batch("create table note (text text)").await.expect("a table that takes a row twice");
        let proxy = Proxy::before(backend.url());
        let db = Database::open(&proxy.url_for(backend.url())).expect("a valid URL");
        db.connect().await.expect("a connection");
        proxy.stall_when(|message| message.from == Side::Server && message.text == "INSERT 0 1");
        let cut = async {
            proxy.stalled().await;
            proxy.cut();
        };
        let write = || db.execute("insert into note values ($1)", params!["once"]);
        let written = async { if pinned { db.connection(write).await } else { write().await } };
        let (written, ()) = tokio::join!(written, cut);
        assert_eq!(written.expect_err("nobody knows").kind(), ErrorKind::ConnectionLost, "pinned: {pinned}");
        let rows = backend.observer().query("select text from note", params![]).await.expect("the notes");
        assert_eq!(rows.len(), 1, "pinned: {pinned}");
    }
}

for_every_kind! {
    /// rule 60, over a restart of the server
    async fn connections_that_went_stale_over_a_restart_are_replaced_unseen(kind) {
        let server = PrivateServer::start(kind).await;
        let db = Database::builder(&server.url()).max_connections(8).build().expect("a valid URL");
        db.batch("create table item (id integer primary key, name varchar(99) unique)").await.expect("a table");
        for (round, hard) in [(0, true), (1, false)] {
            warm(&db, 6).await;
            if hard {
                server.kill_hard().await;
            } else {
                server.stop().await;
            }
            server.restart().await;
            let back = Instant::now();
            if kind != Kind::Postgres {
                // What has been at rest for so short a time is trusted there: see `mysql::idle`.
                sleep(Duration::from_millis(600)).await;
            }
            insert(&db, round * 10).await.expect("never sent over a dead connection");
            let four = db.atomic(|| async {
                let first = round * 10;
                tokio::try_join!(insert(&db, first + 1), insert(&db, first + 2), insert(&db, first + 3), async {
                    db.query_one("select 1", params![]).await
                })
            });
            four.await.expect("nobody sees it");
            assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
        }
        let count = db.query_one("select count(*) from item", params![]).await.expect("a count");
        assert_eq!(count.get::<i64>(0).expect("a count"), 8);
    }
}
