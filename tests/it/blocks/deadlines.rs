//! The time of a transaction: `timeout` and `deadline` of a block, and the default of a database. Rule 54.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use nestling::{Error, ErrorKind, params};
use tokio::time::timeout;

use crate::{
    dialects::{endless, numbers},
    drops::{BOUND, all_is_well, insert, polled},
    wire::statement,
};

/// A time that is over soon.
pub(super) const SOON: Duration = Duration::from_millis(100);

/// A time that is over after every test.
pub(super) const LONG: Duration = Duration::from_secs(600);

/// Runs a future that must come to its end long before any of its statements, or its wait in the pool, would.
pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: its deadline does not end it"))
}

/// The error of a caller.
#[derive(Debug)]
enum Mine {
    Database(Error),
    Own,
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

pub(super) fn is_late<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("its time is over");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.is_timeout() && !error.is_retryable());
}

test_on! {
    every_backend;

    /// rules 37, 54: a body that awaits something else than the database
    async fn a_body_is_dropped_at_its_deadline_and_rolled_back(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let body = async || {
            insert(db, "late").await?;
            pending::<Result<(), Error>>().await
        };
        is_late(soon("a timeout", db.build_transaction().timeout(SOON).atomic(body)).await);
        all_is_well(&backend, "after a timeout").await;
        is_late(soon("a deadline", db.build_transaction().deadline(Instant::now() + SOON).atomic(body)).await);
        let both = db.build_transaction().timeout(LONG).deadline(Instant::now() + SOON).atomic(body);
        is_late(soon("the earlier of both", both).await);
        let (owned, deadline) = (db.clone(), Instant::now() + SOON);
        let spawned = db.build_transaction().deadline(deadline).transaction(move || async move {
            insert(&owned, "late").await?;
            pending::<Result<(), Error>>().await
        });
        is_late(soon("a transaction in a task of its own", spawned).await);
        let eager = db.build_transaction().timeout(SOON).eager().atomic(pending::<Result<(), Error>>);
        is_late(soon("an eager block", eager).await);
        let mine = db.build_transaction().timeout(SOON).atomic(pending::<Result<(), Mine>>).await;
        assert!(matches!(mine, Err(Mine::Database(late)) if late.kind() == ErrorKind::Timeout), "by the caller's own type");
        let lazy = db.build_transaction().timeout(SOON).atomic(pending::<Result<(), Error>>);
        is_late(soon("a block without statements", lazy).await);
        all_is_well(&backend, "after all").await;
        assert!(backend.items().await.is_empty());
    }

    /// rule 54: what ends in time is kept, and an error of the body is the caller's
    async fn a_block_that_ends_in_time_is_as_any_other(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let block = || db.build_transaction().timeout(LONG);
        block().atomic(|| insert(db, "kept")).await.expect("in time");
        block().atomic(|| db.atomic(|| insert(db, "nested"))).await.expect("in time");
        let own = block().atomic(|| async {
            insert(db, "undone").await?;
            Err::<(), _>(Mine::Own)
        });
        assert!(matches!(own.await, Err(Mine::Own)));
        let unbounded = db.build_transaction().timeout(Duration::MAX).atomic(|| insert(db, "unbounded"));
        unbounded.await.expect("a time beyond the clock is none");
        assert_eq!(backend.items().await, ["kept", "nested", "unbounded"]);
        all_is_well(&backend, "after all").await;
    }

    /// rules 38, 54: the server, or SQLite in this process, ends the statement
    async fn a_statement_at_work_is_ended_at_the_deadline(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let endless = endless(db.dialect());
        for _ in 0..2 {
            let late = db.build_transaction().timeout(SOON).atomic(|| async {
                insert(db, "late").await?;
                db.query(endless, params![]).await.map(|_| ())
            });
            is_late(soon("a query", late).await);
            let late = db.build_transaction().timeout(SOON).atomic(|| db.batch(endless));
            is_late(soon("a batch", late).await);
        }
        all_is_well(&backend, "after all").await;
        assert!(backend.items().await.is_empty());
    }

    /// rules 8, 54
    async fn statements_that_are_joined_end_together(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let endless = endless(db.dialect());
        let late = db.build_transaction().timeout(SOON).atomic(|| async {
            let query = || db.query(endless, params![]);
            let (one, other, third) = tokio::join!(query(), query(), insert(db, "late"));
            one.and(other).map(|_| ()).and(third)
        });
        is_late(soon("a join", late).await);
        all_is_well(&backend, "after all").await;
        assert!(backend.items().await.is_empty());
    }

    /// rules 37, 43, 54: only the block whose time is over
    async fn a_nested_block_ends_alone_at_a_deadline_of_its_own(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let endless = endless(db.dialect());
        for outer in [db.build_transaction(), db.build_transaction().timeout(LONG)] {
            let result = outer.atomic(|| async {
                insert(db, "before").await?;
                let idle = db.build_transaction().timeout(SOON).atomic(|| async {
                    insert(db, "late").await?;
                    pending::<Result<(), Error>>().await
                });
                is_late(soon("an idle block", idle).await);
                insert(db, "between").await?;
                let busy = db.build_transaction().timeout(SOON).atomic(|| async {
                    insert(db, "late").await?;
                    db.query(endless, params![]).await.map(|_| ())
                });
                is_late(soon("a busy block", busy).await);
                insert(db, "behind").await?;
                db.build_transaction().timeout(LONG).atomic(|| insert(db, "in time")).await?;
                insert(db, "last").await
            });
            result.await.expect("the outer block has time");
            assert_eq!(backend.items().await, ["before", "behind", "between", "in time", "last"]);
            backend.observer().execute("delete from item", params![]).await.expect("an empty table");
        }
        all_is_well(&backend, "after all").await;
    }

    /// rule 54
    async fn a_longer_time_of_a_nested_block_is_cut_by_the_outer_one(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let endless = endless(db.dialect());
        let late = db.build_transaction().timeout(SOON).atomic(|| async {
            let inner = db.build_transaction().timeout(LONG).atomic(|| async {
                insert(db, "late").await?;
                db.query(endless, params![]).await.map(|_| ())
            });
            // What the inner block tells is not the end of it.
            let _ = inner.await;
            pending::<Result<(), Error>>().await
        });
        is_late(soon("the outer block", late).await);
        let swallowed = db.build_transaction().timeout(SOON).atomic(|| async {
            let _ = db.query(endless, params![]).await;
            Ok::<_, Error>(())
        });
        is_late(soon("a body that goes on", swallowed).await);
        all_is_well(&backend, "after all").await;
        assert!(backend.items().await.is_empty());
    }

    /// rule 54: the COMMIT of a body that has blocked its thread beyond its deadline is not sent
    async fn a_body_that_returns_too_late_is_not_kept(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let late = db.build_transaction().timeout(SOON).atomic(|| async {
            insert(db, "late").await?;
            std::thread::sleep(SOON * 2);
            Ok::<_, Error>(())
        });
        is_late(late.await);
        let refused = db.build_transaction().timeout(SOON).atomic(|| async {
            insert(db, "late").await?;
            std::thread::sleep(SOON * 2);
            // Nothing is sent any more.
            let error = insert(db, "too late").await.expect_err("its time is over");
            assert_eq!(error.kind(), ErrorKind::Timeout);
            let nested = db.atomic(|| insert(db, "too late")).await.expect_err("its time is over");
            assert_eq!(nested.kind(), ErrorKind::Timeout);
            Ok::<_, Error>(())
        });
        is_late(refused.await);
        assert!(backend.items().await.is_empty());
        all_is_well(&backend, "after all").await;
    }

    /// rules 39, 54: the wait for a connection counts
    async fn the_wait_in_the_pool_counts(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let held = db.atomic(|| async {
            insert(db, "holder").await?;
            let other = db.clone();
            let waiting = tokio::spawn(async move {
                let late = other.build_transaction().timeout(SOON).atomic(|| statement(&other)).await;
                // A time of its own for the wait is told as such.
                let wait = other.build_transaction().acquire_timeout(SOON).timeout(LONG);
                (late, wait.atomic(|| statement(&other)).await)
            });
            let (late, waited) = soon("a wait", waiting).await.expect("it does not panic");
            is_late(late);
            assert_eq!(waited.expect_err("no connection came free").kind(), ErrorKind::PoolTimeout);
            assert_eq!(db.stats().waiting, 0);
            Ok::<_, Error>(())
        });
        held.await.expect("the holder has no deadline");
        all_is_well(&backend, "after all").await;
    }

    /// rules 9, 54: so does the wait for a turn
    async fn the_wait_for_a_turn_counts(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let outer = db.atomic(|| async {
            let mut sibling = Box::pin(db.atomic(|| async {
                insert(db, "sibling").await?;
                pending::<Result<(), Error>>().await
            }));
            assert!(polled(1, sibling.as_mut()).await.is_none());
            let waiting = db.build_transaction().timeout(SOON).atomic(|| insert(db, "late"));
            is_late(soon("a wait for a sibling", waiting).await);
            drop(sibling);
            insert(db, "kept").await
        });
        outer.await.expect("the outer block has time");
        assert_eq!(backend.items().await, ["kept"]);
    }

    /// rules 6, 54: a stream is part of the body
    async fn a_stream_ends_with_its_block(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        let numbers = numbers(db.dialect());
        let late = db.build_transaction().timeout(SOON * 3).atomic(|| async {
            let mut rows = db.stream(numbers, params![1_000_000_000_i64]).await?;
            while rows.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        });
        is_late(soon("a stream that is read", late).await);
        let late = db.build_transaction().timeout(SOON * 3).atomic(|| async {
            let _rows = db.stream(numbers, params![1_000_000_000_i64]).await?;
            pending::<Result<(), Error>>().await
        });
        is_late(soon("a stream that is not read", late).await);
        all_is_well(&backend, "after all").await;
    }

    /// rule 54: for the roots of a database that say nothing else
    async fn a_database_has_a_default(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1).default_timeout(SOON));
        let db = &backend.db;
        let idle = || async {
            insert(db, "late").await?;
            pending::<Result<(), Error>>().await
        };
        is_late(soon("atomic", db.atomic(idle)).await);
        is_late(soon("nested", db.atomic(|| db.atomic(idle))).await);
        is_late(soon("read-only", db.read_only(pending::<Result<(), Error>>)).await);
        let longer = db.build_transaction().timeout(LONG).atomic(|| async {
            insert(db, "kept").await?;
            // Time passes.
            tokio::time::sleep(SOON * 3).await;
            db.atomic(|| insert(db, "nested")).await
        });
        longer.await.expect("it has a time of its own");
        assert_eq!(backend.items().await, ["kept", "nested"]);
        all_is_well(&backend, "after all").await;
    }

    /// rules 26, 54: a `transaction` that joins can have a time, and no other limits
    async fn a_transaction_that_joins_marks_the_root_at_its_deadline(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let root = db.atomic(|| async {
            insert(db, "root").await?;
            let late = db.build_transaction().timeout(SOON).transaction(pending::<Result<(), Error>>);
            is_late(soon("a joined transaction", late).await);
            Ok::<_, Error>(())
        });
        assert_eq!(root.await.expect_err("it is marked").kind(), ErrorKind::UnexpectedRollback);
        let refused = db.atomic(|| async {
            let refused = db.build_transaction().statement_timeout(LONG).transaction(async || Ok::<_, Error>(())).await;
            assert_eq!(refused.expect_err("it has no end of its own").kind(), ErrorKind::SettingsMismatch);
            let own = db.clone();
            let joined = db.build_transaction().timeout(LONG).transaction(move || async move {
                insert(&own, "joined").await
            });
            joined.await
        });
        refused.await.expect("in time");
        assert_eq!(backend.items().await, ["joined"]);
    }

    /// rules 37, 54: nothing is left of a block with limits that is dropped before
    async fn a_block_that_is_dropped_leaves_no_timer(backend) {
        let backend = backend.with_items().await.with(|b| b.max_connections(1));
        let db = &backend.db;
        insert(db, "warm").await.expect("an item");
        backend.settled().await;
        let metrics = tokio::runtime::Handle::current().metrics();
        let before = metrics.num_alive_tasks();
        for polls in 1..6 {
            let block = db.build_transaction().timeout(LONG).idle_in_transaction_timeout(LONG).atomic(|| async {
                insert(db, "dropped").await?;
                // It is polled again and again, so that it is dropped at each of its polls.
                loop {
                    tokio::task::yield_now().await;
                }
                #[expect(unreachable_code, reason = "it tells the type")]
                Ok::<(), Error>(())
            });
            assert!(timeout(BOUND, polled(polls, block)).await.expect("it is polled").is_none());
            backend.settled().await;
        }
        // The task of a connection that was thrown away ends some seconds later.
        wait_while!(metrics.num_alive_tasks() > before);
        assert_eq!(backend.items().await, ["warm"]);
    }
}
