//! What `docs/limits.md` says of a stream and a slow loop in branches of one task.

use std::time::{Duration, Instant};

use nestling::{Error, ErrorKind, params};
use tokio::sync::oneshot;

use crate::{
    dialects::numbers,
    harness::{insert, poll_once},
};

test_on! {
    every_backend;

    /// rule 9; limits: "ends in `TurnTimeout` if the loop reads no row for 200 ms"
    async fn a_statement_beside_a_loop_that_reads_no_row_ends_in_a_turn_timeout(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let (told, is_told) = oneshot::channel();
        let start = Instant::now();
        let block = db.atomic(|| async {
            let mut rows = db.stream(numbers(db.dialect()), params![3]).await?;
            rows.next().await.expect("there are rows")?;
            let slow = async {
                is_told.await.expect("the other branch has an answer");
                let mut count = 1;
                while let Some(row) = rows.next().await {
                    row?;
                    count += 1;
                }
                Ok::<_, Error>(count)
            };
            let other = async {
                let error = insert(db, 1, "beside").await.expect_err("the loop reads no row");
                told.send(()).expect("the loop waits");
                Ok(error.kind())
            };
            tokio::try_join!(slow, other)
        });
        let (count, kind) = block.await.expect("the block goes on");
        assert_eq!((count, kind), (3, ErrorKind::TurnTimeout), "the stream is not harmed");
        assert!(start.elapsed() < Duration::from_secs(50), "the turn's own time-out is longer");
    }

    /// rule 9: a loop that reads on is waited for
    async fn a_statement_beside_a_loop_that_reads_on_waits_for_its_end(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let block = db.atomic(|| async {
            let mut rows = db.stream(numbers(db.dialect()), params![500]).await?;
            rows.next().await.expect("there are rows")?;
            let mut beside = std::pin::pin!(insert(db, 1, "beside"));
            assert!(poll_once(beside.as_mut()).await.is_pending(), "the stream has the turn");
            let reads = async move {
                let mut count = 1;
                while let Some(row) = rows.next().await {
                    row?;
                    count += 1;
                    tokio::task::yield_now().await;
                }
                Ok::<_, Error>(count)
            };
            tokio::try_join!(reads, beside)
        });
        assert_eq!(block.await.expect("both succeed"), (500, 1));
        assert_eq!(backend.items().await, ["beside"]);
    }
}

test_on! {
    every_backend;

    /// rule 9; limits: "Rows that are taken one by one in a blocking block have the block's turn"
    async fn a_statement_between_the_rows_of_a_blocking_block_ends_in_a_turn_timeout(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.sync();
        let start = Instant::now();
        let block = db.atomic(|| {
            let mut rows = db.stream(numbers(db.dialect()), params![3])?;
            rows.next().expect("there are rows")?;
            let between = db.execute("insert into item values (1, 'between')", params![]);
            assert_eq!(between.expect_err("the rows have the turn").kind(), ErrorKind::TurnTimeout);
            assert_eq!(rows.by_ref().count(), 2, "the rows go on");
            db.execute("insert into item values (2, 'behind')", params![])
        });
        block.expect("the block goes on");
        assert!(start.elapsed() < Duration::from_secs(50), "the turn's own time-out is longer");
        assert_eq!(backend.items().await, ["behind"]);
    }
}
