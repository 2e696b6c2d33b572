//! Locks that others have on a SQLite file: a connection of rusqlite that this library does not know stands for another
//! process. Such a lock is waited for in short steps, between which the task yields.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use nestling::{ErrorKind, native::rusqlite::Connection, params};
use tokio::time::sleep;

use crate::{
    harness::{Backend, insert},
    support::waits::PATIENCE,
};

/// A connection of another process, as far as this one is concerned.
struct Other(Mutex<Connection>);

impl Other {
    fn of(backend: &Backend) -> Self {
        let path = backend.url().strip_prefix("sqlite://").expect("a file");
        Self(Mutex::new(Connection::open(path).expect("it opens")))
    }

    fn run(&self, sql: &str) {
        self.0.lock().expect("nobody has panicked").execute_batch(sql).expect("the lock is free");
    }
}

test_on! {
    sqlite_on_every_thread;

    /// kind: a blocked thread; the lock is given back by a future of the same task
    async fn a_lock_of_another_process_is_awaited(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(PATIENCE));
        let (db, other) = (&backend.db, Other::of(&backend));
        insert(db, 0, "before").await.expect("it writes");
        for round in 1..4 {
            other.run("begin immediate; insert into item (name) values (null)");
            let free = async {
                sleep(Duration::from_millis(30)).await;
                other.run("commit");
            };
            let (alone, block) = (10 * round, 10 * round + 1);
            let batch = format!("insert into item values ({}, 'batch {round}'); select 1", alone + 2);
            let name = format!("alone {round}");
            let (alone, block, batch, ()) = tokio::join!(
                insert(db, alone, &name),
                db.atomic(|| async { insert(db, block, &format!("block {round}")).await }),
                db.batch(&batch),
                free
            );
            alone.and(block).expect("the lock comes free");
            batch.expect("the lock comes free");
        }
        let row = db.query_one("select count(*), count(name) from item", params![]).await.expect("a count");
        assert_eq!(row.to::<(i64, i64)>().expect("two numbers"), (13, 10));
        backend.settled().await;
    }

    /// kind: a blocked thread; others of the only thread go on meanwhile
    async fn others_go_on_while_a_lock_is_awaited(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(PATIENCE));
        let (db, other) = (&backend.db, Other::of(&backend));
        insert(db, 0, "before").await.expect("it writes");
        other.run("begin immediate");
        // The lock comes free only if a sibling of the same task goes on, several times.
        let sibling = async {
            for _ in 0..3 {
                sleep(Duration::from_millis(5)).await;
            }
            other.run("commit");
        };
        let (late, ()) = tokio::join!(biased; insert(db, 1, "late"), sibling);
        late.expect("the lock comes free");
        backend.settled().await;
    }

    /// rule 53: a lock of another process that stays is told as a time-out that may be tried again
    async fn a_lock_that_stays_is_a_time_out(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(Duration::from_millis(100)));
        let (db, other) = (&backend.db, Other::of(&backend));
        insert(db, 0, "before").await.expect("it writes");
        other.run("begin immediate");
        let error = insert(db, 1, "late").await.expect_err("the lock is not free");
        let text = error.to_string();
        assert!(text.contains("database is locked") && text.contains("another process"), "{text}");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("5")));
        assert!(error.is_timeout() && error.is_retryable());
        let error = db.atomic(|| insert(db, 1, "late")).await.expect_err("the lock is not free");
        assert!(error.is_timeout() && error.is_retryable());
        other.run("commit");
        insert(db, 1, "free").await.expect("the lock is free");
        backend.settled().await;
    }

    /// kind: a blocked thread; a file that is not in WAL mode yet is opened while somebody writes to it
    async fn a_file_is_opened_while_another_process_writes(backend) {
        let other = Other::of(&backend);
        other.run("pragma journal_mode = delete; create table item (id integer primary key, name text)");
        let write = "begin exclusive; insert into item (name) values ('the other')";
        other.run(write);
        let db = &backend.builder().busy_timeout(PATIENCE).build().expect("valid options");
        let free = async {
            sleep(Duration::from_millis(30)).await;
            other.run("commit");
        };
        let (opened, written, ()) = tokio::join!(db.connect(), insert(db, 10, "ours"), free);
        opened.expect("the lock comes free");
        written.expect("the lock comes free");
        assert_eq!(backend.items().await, ["ours", "the other"]);
    }

    /// rule 53: a file that stays locked is told as a time-out that may be tried again
    async fn a_file_that_stays_locked_cannot_be_opened(backend) {
        let other = Other::of(&backend);
        other.run("pragma journal_mode = delete; create table item (id integer primary key, name text)");
        other.run("begin exclusive; insert into item (name) values ('the other')");
        let db = &backend.builder().busy_timeout(Duration::from_millis(50)).build().expect("valid options");
        let start = Instant::now();
        for error in [db.connect().await.map(|()| 0), insert(db, 1, "late").await] {
            let error = error.expect_err("the lock is not free");
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert!(error.is_timeout() && error.is_retryable(), "{error}");
            assert!(error.to_string().contains("database is locked"), "{error}");
        }
        assert!(start.elapsed() >= Duration::from_millis(100));
        other.run("rollback");
        insert(db, 1, "free").await.expect("the lock is free");
    }
}
