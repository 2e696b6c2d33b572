//! Transactions that send nothing for too long. Rule 54.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use nestling::{Dialect, Error, ErrorKind, params, status::Status};
use tokio::time::{sleep, timeout};

use crate::{
    dialects::sleeps,
    drops::{all_is_well, insert},
    harness::Backend,
    support::waits::PATIENCE,
    wire::statement,
};

/// How long a transaction of these tests may be idle.
const IDLE: Duration = Duration::from_millis(100);

#[track_caller]
fn is_idle<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("it was idle for too long");
    assert_eq!(error.kind(), ErrorKind::IdleTimeout, "{error:?}");
    assert!(error.is_timeout() && !error.is_retryable());
}

/// Waits until the transaction is gone at the server and its connection is back, while its block is still open.
async fn until_ended(backend: &Backend) {
    wait_while!(backend.open_at_server().await > 0 || backend.db.stats().idle < backend.db.stats().connections);
}

/// A block that was polled, by its own wakes, until `progress` had grown by `far`. On a busy machine it may have been idle for
/// too long before, and is begun anew.
async fn kept_at<F>(begin: impl Fn() -> F, progress: impl Fn() -> u64, far: u64) -> Pin<Box<F>>
where
    F: Future<Output = Result<(), Error>>,
{
    let mut kept = None;
    wait_while!(kept.is_none(), {
        let (mut block, before) = (Box::pin(begin()), progress());
        let ended = poll_fn(|cx| match block.as_mut().poll(cx) {
            Poll::Pending if progress() < before + far => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(out) => Poll::Ready(Some(out)),
        })
        .await;
        match ended {
            Some(out) => is_idle(out),
            None => kept = Some(block),
        }
    });
    kept.expect("it was just begun")
}

/// When a block was at work last, and the longest time that it was not.
struct Pace(Cell<(Instant, Duration)>);

impl Pace {
    /// It is at work now, and for so long.
    fn works_for(&self, time: Duration) {
        let (last, longest) = self.0.get();
        self.0.set((Instant::now() + time, longest.max(last.elapsed())));
    }
}

/// Runs a block that is not to be idle for so long, and again only if a busy machine has held it up for half of that time.
async fn is_never_idle(time: Duration, block: impl AsyncFn(&Pace) -> Result<(), Error>) {
    let mut is_kept = false;
    wait_while!(!is_kept, {
        let pace = Pace(Cell::new((Instant::now(), Duration::ZERO)));
        let result = block(&pace).await;
        pace.works_for(Duration::ZERO);
        match result {
            Err(error) if error.kind() == ErrorKind::IdleTimeout && pace.0.get().1 > time / 2 => {}
            result => {
                result.expect("it has never been idle for so long");
                is_kept = true;
            }
        }
    });
}

test_on! {
    every_backend;

    /// rule 54: its statements and its end are told so, and its connection is somebody else's
    async fn an_idle_transaction_is_rolled_back_and_told_so(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let block = || db.build_transaction().idle_in_transaction_timeout(IDLE);
        // On a busy machine it may be idle for too long within its first statement.
        wait_while!(backend.items().await.is_empty(), {
            let kept = block().atomic(|| async {
                insert(db, "idle").await?;
                until_ended(&backend).await;
                assert_eq!(db.status(), Status::Aborted);
                is_idle(insert(db, "too late").await);
                let other = db.clone();
                // The pool has one connection.
                tokio::spawn(async move { insert(&other, "other").await }).await.expect("it does not panic")?;
                Ok::<_, Error>(())
            });
            is_idle(kept.await);
        });
        let failed = block().atomic(|| async {
            insert(db, "idle").await?;
            until_ended(&backend).await;
            insert(db, "too late").await
        });
        is_idle(failed.await);
        let nested = block().atomic(|| async {
            insert(db, "idle").await?;
            let inner = db.atomic(|| async {
                insert(db, "nested").await?;
                until_ended(&backend).await;
                insert(db, "too late").await
            });
            is_idle(inner.await);
            Ok::<_, Error>(())
        });
        is_idle(nested.await);
        all_is_well(&backend, "after all").await;
        assert_eq!(backend.items().await, ["other"]);
    }

    /// rules 6, 54: a future that nobody polls does not keep its transaction open
    async fn a_kept_block_is_ended_at_the_server(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1).idle_in_transaction_timeout(IDLE));
        let db = &backend.db;
        let answered = &AtomicU64::new(0);
        let begin = || {
            db.atomic(move || async move {
                insert(db, "kept").await?;
                answered.fetch_add(1, Ordering::Relaxed);
                pending::<Result<(), Error>>().await
            })
        };
        let kept = kept_at(begin, || answered.load(Ordering::Relaxed), 1).await;
        until_ended(&backend).await;
        timeout(PATIENCE, insert(db, "other")).await.expect("the connection is free").expect("an item");
        drop(kept);
        all_is_well(&backend, "after all").await;
        assert_eq!(backend.items().await, ["other"]);
    }

    /// rule 54: a transaction that is at work, or has sent nothing yet, is not idle
    async fn a_transaction_that_goes_on_is_kept(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let long = Duration::from_secs(2);
        is_never_idle(long, async |pace| {
            let block = db.build_transaction().idle_in_transaction_timeout(long).atomic(|| async {
                insert(db, "first").await?;
                let start = Instant::now();
                while start.elapsed() < long * 3 / 2 {
                    pace.works_for(Duration::ZERO);
                    sleep(Duration::from_millis(50)).await;
                    db.atomic(|| statement(db)).await?;
                }
                pace.works_for(Duration::ZERO);
                insert(db, "last").await
            });
            block.await
        })
        .await;
        let lazy = db.build_transaction().idle_in_transaction_timeout(long).atomic(|| async {
            sleep(long * 3 / 2).await;
            insert(db, "lazy").await
        });
        lazy.await.expect("nothing was open meanwhile");
        assert_eq!(backend.items().await, ["first", "last", "lazy"]);
    }

    /// rules 3, 54: a pinned connection is gone with its transaction
    async fn an_idle_transaction_on_a_pinned_connection_ends_both(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let pinned = db.connection(|| async {
            let idle = db.build_transaction().idle_in_transaction_timeout(IDLE).atomic(|| async {
                insert(db, "idle").await?;
                until_ended(&backend).await;
                Ok::<_, Error>(())
            });
            is_idle(idle.await);
            is_idle(insert(db, "on the pinned connection").await);
            Ok::<_, Error>(())
        });
        pinned.await.expect("the body has ended");
        all_is_well(&backend, "after all").await;
        assert!(backend.items().await.is_empty());
    }
}

/// rules 6, 54: the answer to its statement is here, or at the server, and nobody takes it. MySQL has no such time of its own.
async fn kept_in_a_statement(backend: Backend) {
    let backend = backend.with_items().await.with(|b| b.max_connections(1).idle_in_transaction_timeout(IDLE));
    let db = &backend.db;
    let slow = backend.choose("select pg_sleep(0.5)", "select sleep(0.5)", "select 1");
    // A batch, which is not prepared ahead of being sent.
    let begin = || {
        db.atomic(move || async move {
            insert(db, "kept").await?;
            db.batch(slow).await
        })
    };
    // On SQLite the insert itself is on its way: it ends on another thread.
    let kept = kept_at(begin, || db.stats().statements, backend.choose(2, 2, 1)).await;
    // What SQLite has not begun yet is counted as open, until it is ended.
    let is_sqlite = db.dialect() == Dialect::Sqlite;
    wait_while!((is_sqlite && db.stats().transactions > 0) || backend.open_at_server().await > 0);
    drop(kept);
    all_is_well(&backend, "after all").await;
    assert!(backend.items().await.is_empty());
}

test_on! {
    [postgres postgres_without_names mariadb sqlite_on_one_thread];

    /// rules 6, 54
    async fn a_block_that_is_kept_in_a_statement_is_ended_at_the_server(backend) {
        kept_in_a_statement(backend).await;
    }
}

test_on! {
    every_server;

    /// rule 54: a statement that takes longer than the transaction may be idle
    async fn a_statement_under_way_is_not_idle(backend) {
        let idle = Duration::from_secs(2);
        let backend = backend.with_items().await.with(|b| b.max_connections(1).idle_in_transaction_timeout(idle));
        let db = &backend.db;
        let slow = sleeps(db.dialect(), 4.0);
        is_never_idle(idle, async |pace| {
            let block = db.atomic(|| async {
                insert(db, "kept").await?;
                pace.works_for(Duration::from_secs(4));
                db.query(&slow, params![]).await?;
                // Its time begins with the end of the statement.
                sleep(idle / 4).await;
                statement(db).await
            });
            block.await
        })
        .await;
        assert_eq!(backend.items().await, ["kept"]);
    }
}
