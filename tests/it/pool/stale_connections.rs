//! Connections that died: while they were idle, which no caller sees wherever nothing of the caller's can have run (rule
//! 60), and in the middle of a transaction, which its block is told (rule 33). PostgreSQL, MariaDB and MySQL; what needs
//! several answers in flight at once, on PostgreSQL alone.

use std::{
    mem,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use nestling::{Database, Error, ErrorKind, params};
use tokio::{sync::Barrier, time::sleep};

use crate::{
    harness::{Backend, poll_once},
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
    let all = backend.sessions_query().await.expect("a server");
    let others = if backend.is_mysql() {
        let row = backend.observer().query_one("select connection_id()", params![]).await.expect("its session");
        format!("{all} and id <> {}", row.get::<i64>(0).expect("a number"))
    } else {
        // The observer has another name there.
        format!("{all} and pid <> pg_backend_pid()")
    };
    std::thread::scope(|threads| {
        let killer = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let other = Database::builder(backend.url()).max_connections(1).build().expect("a valid URL");
                let victims = ids(&other, &others).await;
                assert_eq!(victims.len() as i64, before);
                for id in victims {
                    let end = format!("select pg_terminate_backend({id})");
                    let kill = if backend.is_mysql() { format!("kill {id}") } else { end };
                    other.batch(&kill).await.expect("killed");
                }
                wait_while!(!ids(&other, &others).await.is_empty());
            });
        });
        killer.join().expect("the killer does its work");
    });
}

/// The numbers of the sessions that a query lists.
async fn ids(db: &Database, query: &str) -> Vec<i64> {
    let rows = db.query(query, params![]).await.expect("the sessions");
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
    // It is a short look, which may be in vain on a busy machine, but not each time.
    for _ in 0..5 {
        let backend = with_dead_connections(Backend::postgres().await, 1).await;
        // Longer than a connection is trusted.
        std::thread::sleep(Duration::from_millis(600));
        if let Err(error) = insert(&backend.db, 1).await {
            assert!(error.is_connection_lost(), "{error:?}");
            continue;
        }
        assert_eq!(backend.items().await, ["name 1"], "over another connection");
        backend.settled().await;
        return;
    }
    panic!("it is never looked at");
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
        let admin = backend.observer();
        // Neither is answered before both are sent, in this order.
        let locked = admin.atomic(|| async {
            admin.batch("lock table item").await?;
            wait_while!(proxy.counts().executed().iter().filter(|sql| **sql == INSERT).count() < 3, {
                assert!(poll_once(first.as_mut()).await.is_pending());
                assert!(poll_once(second.as_mut()).await.is_pending());
                tokio::task::yield_now().await;
            });
            Ok::<_, Error>(())
        });
        locked.await.expect("a lock");
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
        let mut has_missed = false;
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
            if let Err(error) = insert(&db, round * 10).await {
                // It is looked at for a short time, which may be too short on a busy machine, but not each time.
                assert!(error.is_connection_lost() && !mem::replace(&mut has_missed, true), "{error:?}");
                insert(&db, round * 10).await.expect("never sent over a dead connection");
            }
            let four = db.atomic(|| async {
                let first = round * 10;
                tokio::try_join!(insert(&db, first + 1), insert(&db, first + 2), insert(&db, first + 3), async {
                    db.query_one("select 1", params![]).await
                })
            });
            four.await.expect("nobody sees it");
            assert!(back.elapsed() < Duration::from_secs(20), "{:?}", back.elapsed());
        }
        let count = db.query_one("select count(*) from item", params![]).await.expect("a count");
        assert_eq!(count.get::<i64>(0).expect("a count"), 8);
    }
}
