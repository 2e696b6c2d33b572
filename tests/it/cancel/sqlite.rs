//! Statements of SQLite that are dropped while it is at work on them: rule 38, and what that means for their block (rule 37).

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use nestling::{
    Database, Error,
    native::rusqlite::{self, functions},
    params,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::yield_now,
    time::timeout,
};

use crate::{
    drops::{all_is_well, insert, polled},
    harness::Backend,
};

/// A statement that takes far longer than any test waits.
const ENDLESS: &str = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n";

/// rule 38: SQLite computes on a thread of its own where a runtime has only one, and can be stopped there
#[tokio::test]
async fn a_long_computation_of_sqlite_is_stopped() {
    let backend = Backend::sqlite().await.with_items().await.with(|b| b.max_connections(1));
    let db = &backend.db;
    for _ in 0..3 {
        let query = timeout(Duration::from_millis(30), db.query(ENDLESS, params![])).await;
        query.expect_err("it has no end");
        all_is_well(&backend, "after a query").await;
        let streamed =
            timeout(Duration::from_millis(30), async { db.stream(ENDLESS, params![]).await?.next().await.transpose() });
        streamed.await.expect_err("it has no end");
        all_is_well(&backend, "after a stream").await;
        let batch = timeout(Duration::from_millis(30), db.batch(ENDLESS)).await;
        batch.expect_err("it has no end");
        all_is_well(&backend, "after a batch").await;
        let native =
            db.with_sqlite(|sqlite| Ok::<_, Error>(sqlite.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)).is_err()));
        timeout(Duration::from_millis(30), native).await.expect_err("it has no end");
        all_is_well(&backend, "after the native connection").await;
    }
}

/// A function of SQL, `at_work(x, millis)`, which gives `x` after that time. At `x = 1` it tells so, and waits to be let go.
#[derive(Clone)]
struct AtWork {
    begin: UnboundedSender<()>,
    going: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl AtWork {
    /// Makes it on the connection of the transaction.
    async fn make(&self, db: &Database) -> Result<(), Error> {
        let Self { begin, going } = self.clone();
        let at_work = move |context: &functions::Context<'_>| -> rusqlite::Result<i64> {
            let x = context.get::<i64>(0)?;
            if x == 1 {
                let _ = begin.send(());
                // Until it is let go, or the test has failed.
                let _ = going.lock().unwrap().recv();
            }
            std::thread::sleep(Duration::from_millis(context.get::<u32>(1)?.into()));
            Ok(x)
        };
        let flags = functions::FunctionFlags::SQLITE_UTF8;
        let made =
            db.with_sqlite(move |sqlite| Ok::<_, Error>(sqlite.create_scalar_function("at_work", 2, flags, at_work)));
        made.await?.expect("a function");
        Ok(())
    }

    /// The insert of so many rows.
    fn insert(count: u32, millis: u32) -> String {
        format!(
            "insert into item with recursive n(x) as (select 1 union all select x + 1 from n limit {count}) \
             select -at_work(x, {millis}), 'row ' || x from n"
        )
    }
}

/// Drops statements while they are at work.
struct Dropper {
    begun: UnboundedReceiver<()>,
    go: mpsc::Sender<()>,
}

impl Dropper {
    fn new() -> (Self, AtWork) {
        let ((begin, begun), (go, going)) = (unbounded_channel(), mpsc::channel());
        (Self { begun, go }, AtWork { begin, going: Arc::new(Mutex::new(going)) })
    }

    /// Drops a future whose statement is at its first row, and lets that go on.
    async fn drop_at_work<T: std::fmt::Debug>(&mut self, future: impl Future<Output = T>) {
        tokio::select! {
            begun = self.begun.recv() => begun.expect("somebody may begin"),
            out = future => panic!("it cannot have ended: {out:?}"),
        }
        // The runtime has one thread: what the drop has spawned to stop the statement runs meanwhile.
        for _ in 0..5 {
            yield_now().await;
        }
        self.go.send(()).expect("the row waits");
    }
}

/// rules 37 and 38: SQLite undoes the whole transaction when it interrupts a write; in a savepoint that may not be
#[tokio::test]
async fn a_write_of_sqlite_that_is_dropped_in_a_savepoint_leaves_the_transaction_alone() {
    let (mut dropper, at_work) = Dropper::new();
    let backend = Backend::sqlite().await.with_items().await.with(|b| b.max_connections(1));
    let db = &backend.db;
    let result = db.atomic(|| async {
        at_work.make(db).await?;
        insert(db, "parent").await?;
        let write = AtWork::insert(10_000, 0);
        dropper.drop_at_work(db.atomic(|| db.execute(&write, params![]))).await;
        insert(db, "after the write").await?;
        let read = ENDLESS.replace("count(*)", "max(at_work(x, 0))");
        dropper.drop_at_work(db.atomic(|| db.query(&read, params![]))).await;
        insert(db, "after the read").await
    });
    result.await.expect("the parent commits");
    assert_eq!(backend.items().await, ["after the read", "after the write", "parent"]);
    // With the whole transaction dropped there is nothing to spare. What is spared goes on for hours.
    let write = AtWork::insert(u32::MAX, 20);
    let all = db.atomic(|| async {
        at_work.make(db).await?;
        db.atomic(|| db.execute(&write, params![])).await
    });
    dropper.drop_at_work(all).await;
    all_is_well(&backend, "after all").await;
}

/// rules 37 and 38: what such a write is allowed is computing, and not time, of which a busy machine gives little (fault 1.12)
#[tokio::test]
async fn a_write_of_sqlite_that_is_dropped_in_a_savepoint_may_take_long_if_it_computes_little() {
    let (mut dropper, at_work) = Dropper::new();
    let backend = Backend::sqlite().await.with_items().await.with(|b| b.max_connections(1));
    let db = &backend.db;
    let result = db.atomic(|| async {
        at_work.make(db).await?;
        insert(db, "parent").await?;
        // Each row takes its time, as if others had the processor meanwhile: 250 of them take more than three seconds.
        let slow = AtWork::insert(250, 20);
        dropper.drop_at_work(db.atomic(|| db.execute(&slow, params![]))).await;
        insert(db, "after the write").await
    });
    result.await.expect("the parent commits");
    assert_eq!(backend.items().await, ["after the write", "parent"]);
}

/// rules 37 and 40: a BEGIN that waits for another's lock is dropped with the block in which it became due
#[tokio::test]
async fn a_begin_of_sqlite_that_was_dropped_with_a_child_is_still_the_parents() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    let result = db.atomic(|| async {
        backend
            .observer()
            .atomic(|| async {
                insert(backend.observer(), "the other's").await?;
                let child = timeout(Duration::from_millis(30), db.atomic(|| insert(db, "child"))).await;
                child.expect_err("the other has the lock");
                Ok::<_, Error>(())
            })
            .await?;
        insert(db, "parent").await
    });
    result.await.expect("the parent begins once the lock is free");
    assert_eq!(backend.items().await, ["parent", "the other's"]);
    // Dropped altogether, nothing of it may be left for the next user of the connection.
    let other = backend.observer().atomic(|| async {
        insert(backend.observer(), "the other's too").await?;
        timeout(Duration::from_millis(30), db.atomic(|| insert(db, "lost"))).await.expect_err("no lock");
        Ok::<_, Error>(())
    });
    other.await.expect("the other commits");
    all_is_well(&backend, "after all").await;
    insert(db, "on its own").await.expect("autocommitted");
    assert!(backend.items().await.contains(&"on its own".to_owned()), "no transaction was left open");
}

/// rule 38: on a multi-thread runtime SQLite runs on the spot: there is no point at which it could be dropped
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_spot_sqlite_has_no_await_point() {
    let backend = Backend::sqlite().await.with_items().await;
    let db = &backend.db;
    assert!(polled(1, insert(db, "at once")).await.is_some());
    // A connection that has been idle for a while is looked at, which a slow machine may make of this one: then once more.
    wait_while!(polled(1, db.atomic(|| db.atomic(|| insert(db, "in blocks")))).await.is_none());
    assert_eq!(backend.items().await, ["at once", "in blocks"]);
}
