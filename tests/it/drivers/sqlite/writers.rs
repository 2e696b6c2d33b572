//! Writers of one SQLite file in one process, on one thread: a wait for a lock that another future of the same task has is
//! an await, never a blocked thread. Nothing in these tests lasts as long as their time-outs do.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use nestling::{Database, Error, params};
use tokio::time::sleep;

use crate::{
    harness::{Backend, insert},
    support::waits::PATIENCE,
};

/// A database with items, whose time-outs are over only where somebody waits in vain.
async fn patient(backend: Backend) -> Backend {
    backend.with_items().await.with(|options| options.busy_timeout(PATIENCE).acquire_timeout(PATIENCE))
}

/// A block that has the write lock across an await.
async fn block(db: &Database, id: i64) -> nestling::Result<()> {
    db.atomic(|| async {
        insert(db, 2 * id, &format!("{id} first")).await?;
        sleep(Duration::from_millis(5)).await;
        insert(db, 2 * id + 1, &format!("{id} second")).await?;
        Ok::<_, Error>(())
    })
    .await
}

async fn count(db: &Database) -> i64 {
    let row = db.query_one("select count(*) from item", params![]).await.expect("a count");
    row.get(0).expect("a number")
}

test_on! {
    sqlite_on_every_thread;

    /// rule 9 for whole transactions; kind: a blocked thread waits for what only its own runtime can bring about
    async fn blocks_of_one_task_write_one_after_the_other(backend) {
        let backend = patient(backend).await;
        let db = &backend.db;
        try_join_all((0..6).map(|id| block(db, id))).await.expect("each has its turn");
        assert_eq!(count(db).await, 12);
        // More of them than there are connections.
        try_join_all((6..46).map(|id| block(db, id))).await.expect("each has its turn");
        assert_eq!(count(db).await, 92);
        backend.settled().await;
    }

    /// the same kind: a block beside statements on their own, of every sort
    async fn statements_outside_blocks_wait_for_a_block_of_their_task(backend) {
        let backend = patient(backend).await;
        let db = &backend.db;
        let stream = async {
            let mut rows = db.stream("insert into item values (200, 'streamed') returning id", params![]).await?;
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok(())
        };
        let statements = [100, 101, 102].map(|id| async move { insert(db, id, &id.to_string()).await });
        let batch = db.batch("insert into item values (300, 'x'); create table other (id integer); drop table other");
        let returning = db.query("insert into item values (400, 'r') returning id", params![]);
        let (blocks, alone, streamed, batch, returned) =
            tokio::join!(try_join_all((0..3).map(|id| block(db, id))), join_all(statements), stream, batch, returning);
        blocks.expect("each has its turn");
        assert!(alone.iter().all(Result::is_ok), "{alone:?}");
        streamed.and(batch).expect("each has its turn");
        assert_eq!(returned.expect("its turn comes").len(), 1);
        assert_eq!(count(db).await, 6 + 3 + 3);
        backend.settled().await;
    }

    /// the same kind: tasks of one worker, with pinned connections, nested blocks and a block that is rolled back
    async fn tasks_of_one_worker_write_one_after_the_other(backend) {
        let backend = patient(backend).await;
        let tasks = (0..20).map(|id| {
            let db = backend.db.clone();
            tokio::spawn(async move {
                match id % 4 {
                    0 => block(&db, id).await,
                    1 => db.connection(|| block(&db, id)).await,
                    2 => db.atomic(|| db.atomic(|| block(&db, id))).await,
                    _ => {
                        let undone = db.atomic(|| async {
                            block(&db, id).await?;
                            db.query_one("select 1 where 1 = 0", params![]).await
                        });
                        undone.await.map(|_| ()).or_else(|error| match error.kind() {
                            nestling::ErrorKind::NoRow => Ok(()),
                            _ => Err(error),
                        })
                    }
                }
            })
        });
        for task in join_all(tasks).await {
            task.expect("it does not panic").expect("each has its turn");
        }
        assert_eq!(count(&backend.db).await, 30);
        backend.settled().await;
    }

    /// the same kind: handles of the same file, by other paths too
    async fn handles_of_one_file_share_its_queue(backend) {
        let backend = patient(backend).await;
        let path = backend.url().strip_prefix("sqlite://").expect("a file").to_owned();
        let link = format!("{path}.link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let others: Vec<_> = [backend.url().to_owned(), format!("sqlite://{link}"), format!("sqlite:{path}?mode=rw")]
            .iter()
            .map(|url| Database::builder(url).busy_timeout(PATIENCE).build().expect("a valid URL"))
            .collect();
        let blocks = (0..12).zip(others.iter().cycle()).map(|(id, db)| block(db, id));
        try_join_all(blocks).await.expect("each has its turn");
        assert_eq!(count(&backend.db).await, 24);
        std::fs::remove_file(&link).expect("it is there");
    }

    /// the same kind: what was begun by another call than the first statement, and a transaction outside any scope
    async fn eager_blocks_and_transactions_queue_as_well(backend) {
        let backend = patient(backend).await;
        let db = &backend.db;
        let eager = |id| db.build_transaction().eager().atomic(move || block(db, id));
        let streamed = |id: i64| db.atomic(move || async move {
            let sql = format!("insert into item values ({id}, 's{id}') returning id");
            let mut rows = db.stream(&sql, params![]).await?;
            while let Some(row) = rows.next().await {
                row?;
            }
            drop(rows);
            sleep(Duration::from_millis(5)).await;
            Ok::<_, Error>(())
        });
        let transactions = (20..24).map(|id| {
            let own = db.clone();
            db.transaction(move || async move { block(&own, id).await })
        });
        let (eager, streamed, transactions) = tokio::join!(
            try_join_all((0..4).map(eager)),
            try_join_all((1_000..1_004).map(streamed)),
            try_join_all(transactions),
        );
        eager.and(streamed).and(transactions).expect("each has its turn");
        assert_eq!(count(db).await, 8 + 4 + 8);
        backend.settled().await;
    }
}

/// the same kind: a blocking call, which waits on a thread of its own for a block of a task
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_blocking_call_waits_for_a_block_of_a_task() {
    let backend = patient(Backend::sqlite().await).await;
    let db = backend.db.clone();
    let (locked, begun) = tokio::sync::oneshot::channel();
    let holder = tokio::spawn(async move {
        db.atomic(|| async {
            insert(&db, 1, "one").await?;
            locked.send(()).expect("somebody waits for it");
            sleep(Duration::from_millis(30)).await;
            insert(&db, 2, "two").await
        })
        .await
    });
    begun.await.expect("it begins");
    let sync = backend.db.sync();
    let blocking = tokio::task::spawn_blocking(move || {
        sync.execute("insert into item values (3, 'three')", params![])?;
        sync.atomic(|| sync.execute("insert into item values (4, 'four')", params![]))
    });
    blocking.await.expect("it does not panic").expect("its turn comes");
    holder.await.expect("it does not panic").expect("it is first");
    assert_eq!(count(&backend.db).await, 4);
}
