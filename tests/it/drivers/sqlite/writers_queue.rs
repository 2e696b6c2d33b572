//! The queue of those who want to write to one SQLite file: its order, its time-outs, and who leaves it half-way.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use nestling::{Database, Error, ErrorKind, params, scope, status::BlockState};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    harness::{Backend, insert, poll_once},
    support::waits::PATIENCE,
};

/// Longer than a test may take: who waits for so long waits in vain.
const ENDLESS: Duration = Duration::from_secs(600);
const BOUND: Duration = PATIENCE;

/// A block in a task of its own that has the write lock until it is told to end.
struct Holder {
    end: oneshot::Sender<()>,
    task: JoinHandle<nestling::Result<()>>,
}

impl Holder {
    async fn of(db: &Database) -> Self {
        let (db, (locked, begun), (end, ends)) = (db.clone(), oneshot::channel(), oneshot::channel());
        let task = tokio::spawn(async move {
            let block = db.build_transaction().name("holder").atomic(|| async {
                insert(&db, 0, "holder").await?;
                locked.send(()).expect("somebody waits for it");
                ends.await.expect("it is told to end");
                Ok::<_, Error>(())
            });
            block.await
        });
        begun.await.expect("it begins");
        Self { end, task }
    }

    async fn ends(self) {
        self.end.send(()).expect("it is there");
        self.task.await.expect("it does not panic").expect("it commits");
    }
}

async fn ids(backend: &Backend) -> Vec<i64> {
    let rows = backend.db.query("select id from item order by id", params![]).await.expect("the items");
    rows.iter().map(|row| row.get(0).expect("a number")).collect()
}

/// Waits until so many connections are in use: a task that waits for the lock has one.
async fn in_use(db: &Database, count: u64) {
    let used = || db.stats().connections.saturating_sub(db.stats().idle);
    wait_while!(used() < count);
}

/// Ten writers queue behind a holder of the lock. Returns in which order they have written.
async fn ten_write(db: &Database) -> Vec<i64> {
    db.batch("delete from item; delete from log").await.expect("empty tables");
    let holder = Holder::of(db).await;
    let mut tasks = Vec::new();
    for who in 0..10_i64 {
        let own = db.clone();
        tasks.push(tokio::spawn(async move {
            let write = || own.execute("insert into log (who) values ($1)", params![who]);
            // A transaction, or a statement that commits by itself.
            if who % 2 == 0 { own.atomic(write).await } else { own.connection(write).await }
        }));
        // Until it has its place in the queue.
        let waiting = || db.open_blocks().iter().filter(|block| block.state == BlockState::WaitingForLock).count();
        wait_while!(waiting() < tasks.len());
    }
    holder.ends().await;
    for task in tasks {
        task.await.expect("it does not panic").expect("its turn comes");
    }
    let rows = db.query("select who from log order by at", params![]).await.expect("the log");
    rows.iter().map(|row| row.get(0).expect("a number")).collect()
}

test_on! {
    sqlite_on_every_thread;

    /// rule 59, for the write lock: first come, first served
    async fn writers_are_served_in_order_of_arrival(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(ENDLESS));
        let db = &backend.db;
        db.batch("create table log (at integer primary key autoincrement, who integer)").await.expect("a table");
        let mut orders = vec![ten_write(db).await];
        // The free lock waits for the first in the queue only for a moment. On a busy machine that may be held up for longer: not
        // each time. Without a queue there would be hardly a chance for this order.
        while orders[orders.len() - 1] != (0..10).collect::<Vec<_>>() {
            assert!(orders.len() < 5, "{orders:?}");
            orders.push(ten_write(db).await);
        }
        backend.settled().await;
    }

    /// rule 39, for the write lock; rule 6: a future that is kept and not polled keeps nobody waiting
    async fn who_leaves_the_queue_or_is_not_polled_keeps_nobody_waiting(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(ENDLESS));
        let db = &backend.db;
        let holder = Holder::of(db).await;
        let (mut kept, mut kept_block) = (pin!(insert(db, 1, "kept")), pin!(db.atomic(|| insert(db, 2, "kept too"))));
        for _ in 0..3 {
            assert!(poll_once(kept.as_mut()).await.is_pending());
            assert!(poll_once(kept_block.as_mut()).await.is_pending());
            sleep(Duration::from_millis(5)).await;
        }
        timeout(Duration::from_millis(20), insert(db, 3, "dropped")).await.expect_err("the lock is not free");
        let dropped = timeout(Duration::from_millis(20), db.atomic(|| insert(db, 4, "dropped too")));
        dropped.await.expect_err("the lock is not free");
        holder.ends().await;
        timeout(BOUND, insert(db, 5, "next")).await.expect("nobody stands in its way").expect("it writes");
        timeout(BOUND, db.atomic(|| insert(db, 6, "block"))).await.expect("nor here").expect("it writes");
        kept.await.expect("it has kept its place");
        kept_block.await.expect("it has kept its place");
        assert_eq!(ids(&backend).await, [0, 1, 2, 5, 6]);
        backend.settled().await;
    }

    /// rules 53 and 54; the text tells who has the lock, and what to do about it
    async fn a_lock_that_does_not_come_free_is_a_time_out_that_names_its_holder(backend) {
        let backend = backend.with_items().await;
        let holder = Holder::of(&backend.db).await;
        let backend = backend.with(|options| options.busy_timeout(Duration::from_millis(60)));
        let db = &backend.db;
        let start = Instant::now();
        let alone = insert(db, 1, "late").await.expect_err("the lock is not free");
        let in_block = db.atomic(|| insert(db, 1, "late")).await.expect_err("the lock is not free");
        let batch = db.batch("insert into item values (1, 'late')").await.expect_err("the lock is not free");
        let streamed = async {
            let mut rows = db.stream("insert into item values (1, 'late') returning id", params![]).await?;
            rows.next().await.transpose()
        };
        let streamed = streamed.await.expect_err("the lock is not free");
        assert!(start.elapsed() >= 4 * Duration::from_millis(60), "each waited for its time");
        for error in [alone, in_block, batch, streamed] {
            let text = error.to_string();
            assert!(text.contains("database is locked") && text.contains("\"holder\"") && text.contains("read_only"), "{text}");
            assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("5")));
            assert!(error.is_timeout() && error.is_retryable());
        }
        // Who only reads does not wait.
        for _ in 0..2 {
            db.query("select * from item", params![]).await.expect("a reader does not wait");
            db.batch("select * from item; pragma user_version").await.expect("a reader does not wait");
            let read = db.build_transaction().read_only().atomic(|| db.query("select * from item", params![]));
            read.await.expect("a reader does not wait");
        }
        holder.ends().await;
        insert(db, 1, "free").await.expect("the lock is free");
        backend.settled().await;
    }

    /// rule 61, for the write lock: a wait for oneself is an error at once
    async fn a_task_that_would_wait_for_its_own_block_is_told_so(backend) {
        let backend = backend.with_items().await.with(|options| options.busy_timeout(ENDLESS));
        let db = &backend.db;
        let block = db.atomic(|| async {
            insert(db, 1, "outer").await?;
            let alone = scope(insert(db, 2, "other")).await.expect_err("it would wait for this block");
            let block = scope(db.atomic(|| insert(db, 3, "other"))).await.expect_err("it would wait for this block");
            for error in [alone, block] {
                assert_eq!(error.kind(), ErrorKind::TurnTimeout, "{error}");
                assert!(error.is_timeout() && !error.is_retryable());
            }
            // What only reads is let in.
            scope(db.query("select * from item", params![])).await?;
            insert(db, 4, "outer too").await
        });
        timeout(BOUND, block).await.expect("nobody has waited").expect("it is not harmed");
        assert_eq!(ids(&backend).await, [1, 4]);
        backend.settled().await;
    }

    /// rule 34: closing does not wait for those who wait
    async fn closing_the_database_ends_the_wait(backend) {
        let backend = backend.with_items().await;
        let holder = Holder::of(&backend.db).await;
        let backend = backend.with(|options| options.close_timeout(Duration::from_millis(20)).busy_timeout(ENDLESS));
        let db = backend.db.clone();
        let waits = tokio::spawn(async move { db.atomic(|| insert(&db, 1, "late")).await });
        in_use(&backend.db, 1).await;
        backend.db.close().await;
        let ended = timeout(BOUND, waits).await.expect("it does not wait for the lock");
        assert!(ended.expect("it does not panic").is_err());
        holder.ends().await;
        assert_eq!(backend.items().await, ["holder"]);
    }
}
