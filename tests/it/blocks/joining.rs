//! A `transaction` inside a transaction joins it: rules 26 and 27 of the specification.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use nestling::{Database, Error, ErrorKind, params, status::Status};

use crate::harness::{Backend, insert, poll_once};

/// How a joined transaction fails.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Error,
    ForeignError,
    Panic,
    Drop,
}

const ALL: [Failure; 4] = [Failure::Error, Failure::ForeignError, Failure::Panic, Failure::Drop];

/// An error that is not ours.
#[derive(Debug)]
struct Mine;

impl From<Error> for Mine {
    fn from(_: Error) -> Self {
        Self
    }
}

/// Joins, runs a statement, and fails so.
async fn join(db: &Database, id: i64, failure: Failure) {
    let own = db.clone();
    let work = async move |own: Database| {
        insert(&own, id, "of the joined one").await?;
        Ok::<_, Error>(())
    };
    match failure {
        Failure::Error => {
            let joined = db.transaction(move || async move {
                work(own.clone()).await?;
                own.query_one("select 1 where 1 = 2", params![]).await.map(|_| ())
            });
            assert_eq!(joined.await.expect_err("its own").kind(), ErrorKind::NoRow);
        }
        Failure::ForeignError => {
            let joined = db.transaction(move || async move {
                work(own).await?;
                Err::<(), _>(Mine)
            });
            assert!(matches!(joined.await, Err(Mine)));
        }
        Failure::Panic => {
            let joined = db.transaction(move || async move {
                work(own.clone()).await?;
                if own.depth() > 0 {
                    panic!("on purpose");
                }
                Ok::<_, Error>(())
            });
            AssertUnwindSafe(joined).catch_unwind().await.expect_err("it panics");
        }
        Failure::Drop => {
            let (here, is_here) = tokio::sync::oneshot::channel();
            let mut joined = Box::pin(db.transaction(move || async move {
                work(own).await?;
                here.send(()).expect("it is waited for");
                std::future::pending::<Result<(), Error>>().await
            }));
            tokio::select! {
                _ = &mut joined => panic!("it waits for ever"),
                here = is_here => here.expect("it is there"),
            }
        }
    }
}

/// The error of whatever marked the transaction, as it must be found in an error's source.
fn assert_source(error: &Error, failure: Failure) {
    let source = std::error::Error::source(error).expect("what marked it");
    let first = Error::find_in(source).expect("ours").clone();
    match failure {
        Failure::Error => assert_eq!(first.kind(), ErrorKind::NoRow),
        Failure::ForeignError => assert!(first.to_string().contains("Mine"), "{first}"),
        Failure::Panic | Failure::Drop => assert_eq!(first.kind(), ErrorKind::Cancelled),
    }
}

test_on! {
    every_backend;

    /// rule 26
    async fn a_joined_transaction_that_succeeds_is_part_of_the_one_around_it(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let work = db.atomic(|| async {
            insert(db, 1, "around").await?;
            let own = db.clone();
            let depth = db
                .transaction(move || async move {
                    insert(&own, 2, "joined").await?;
                    let inner = own.clone();
                    own.transaction(move || async move { insert(&inner, 3, "joined twice").await }).await?;
                    Ok::<_, Error>(own.depth())
                })
                .await?;
            assert_eq!(depth, 1, "it is no block of its own");
            assert!(backend.items().await.is_empty(), "it has committed nothing");
            db.savepoint(|| async {
                let own = db.clone();
                db.transaction(move || async move { insert(&own, 4, "joined deeper").await }).await
            })
            .await
        });
        work.await.expect("it commits");
        assert_eq!(backend.items().await, ["around", "joined", "joined deeper", "joined twice"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rules 26 and 27
    async fn a_joined_transaction_that_fails_marks_the_root_and_nothing_is_kept(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for failure in ALL {
            let work = db.atomic(|| async {
                insert(db, 1, "around").await?;
                join(db, 2, failure).await;
                assert_eq!(db.status(), Status::RollbackOnly);
                let before = db.stats();
                let own = db.clone();
                let results = [
                    insert(db, 3, "never").await.map(|_| ()),
                    db.query("select 1", params![]).await.map(|_| ()),
                    db.batch("select 1").await,
                    db.atomic(|| insert(db, 3, "never")).await.map(|_| ()),
                    db.savepoint(|| insert(db, 3, "never")).await.map(|_| ()),
                    db.transaction(move || async move { insert(&own, 3, "never").await.map(|_| ()) }).await,
                ];
                for result in results {
                    let error = result.expect_err("it is marked");
                    assert_eq!(error.kind(), ErrorKind::RollbackOnly);
                    assert_source(&error, failure);
                }
                assert_eq!(db.stats().flights, before.flights, "without a round trip");
                assert_eq!(backend.open_at_server().await, 1, "no ROLLBACK in the middle");
                Ok::<_, Error>("a value")
            });
            let error = work.await.expect_err("it cannot be kept");
            assert_eq!(error.kind(), ErrorKind::UnexpectedRollback, "{failure:?}");
            assert_source(&error, failure);
            backend.settled().await;
            assert!(backend.items().await.is_empty(), "{failure:?}");
        }
        db.atomic(|| insert(db, 1, "kept")).await.expect("the next one is not marked");
        assert_eq!(backend.items().await, ["kept"]);
    }
}

test_on! {
    every_backend;

    /// rules 26 and 27: the body's own error is returned as it is
    async fn a_marked_root_whose_body_fails_returns_the_error_of_the_body(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        for failure in ALL {
            let work = db.atomic(|| async {
                join(db, 1, failure).await;
                insert(db, 2, "never").await
            });
            assert_eq!(work.await.expect_err("the body's own").kind(), ErrorKind::RollbackOnly);
            backend.settled().await;
        }
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rules 26 and 27: a savepoint in between does not clear the mark
    async fn a_joined_failure_inside_a_savepoint_marks_the_root(backend) {
        let backend = backend.with_items().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        for (round, failure) in (1..).zip(ALL) {
            for inner_fails in [false, true] {
                let pinned = db.connection(|| async {
                    let work = db.atomic(|| async {
                        insert(db, 100, "around").await?;
                        let inner = db.atomic(|| async {
                            join(db, 200, failure).await;
                            if inner_fails { insert(db, 300, "never").await.map(|_| ()) } else { Ok(()) }
                        });
                        assert_eq!(inner.await.is_err(), inner_fails);
                        assert_eq!(insert(db, 300, "never").await.expect_err("marked").kind(), ErrorKind::RollbackOnly);
                        Ok::<_, Error>(())
                    });
                    assert_eq!(work.await.expect_err("marked").kind(), ErrorKind::UnexpectedRollback);
                    // The next transaction of the same connection begins anew.
                    db.atomic(|| async { insert(db, 2 * round + i64::from(inner_fails), &format!("{round} {inner_fails}")).await })
                        .await
                });
                pinned.await.expect("it commits");
            }
        }
        assert_eq!(backend.items().await.len(), 2 * ALL.len());
        backend.settled().await;
    }
}

/// rules 26 and 27: what is on the wire
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "full"), ignore = "needs a server: tests/run.sh")]
async fn a_joined_transaction_sends_nothing_of_its_own() {
    let (backend, proxy) = Backend::postgres().await.behind_proxy_with(|options| options);
    let db = &backend.db;
    for fails in [false, true] {
        proxy.reset();
        let work = db.atomic(|| async {
            db.batch("select 'before'").await?;
            let own = db.clone();
            let joined = db.transaction(move || async move {
                own.batch("select 'inside'").await?;
                if fails { own.savepoint_named("", || async { Ok::<_, Error>(()) }).await } else { Ok(()) }
            });
            let joined = joined.await;
            assert_eq!(joined.is_err(), fails);
            assert_eq!(db.batch("select 'after'").await.is_err(), fails);
            Ok::<_, Error>(())
        });
        assert_eq!(work.await.is_err(), fails);
        let sent = proxy.counts();
        if fails {
            assert_eq!(sent.sequence(), ["BEGIN", "select 'before'", "select 'inside'", "ROLLBACK"]);
        } else {
            let all = ["BEGIN", "select 'before'", "select 'inside'", "select 'after'", "COMMIT"];
            assert_eq!(sent.sequence(), all);
        }
    }
}

test_on! {
    every_backend;

    /// rules 26 and 27: nobody has sent anything yet
    async fn a_joined_failure_before_anything_was_sent_sends_nothing(backend) {
        let db = &backend.db;
        let work = db.atomic(|| async {
            let mut joined = Box::pin(db.transaction(std::future::pending::<Result<(), Error>>));
            assert!(poll_once(joined.as_mut()).await.is_pending());
            drop(joined);
            assert_eq!(db.query("select 1", params![]).await.expect_err("marked").kind(), ErrorKind::RollbackOnly);
            Ok::<_, Error>(())
        });
        assert_eq!(work.await.expect_err("marked").kind(), ErrorKind::UnexpectedRollback);
        assert_eq!((db.stats().flights, db.stats().connections), (0, 0));
    }
}
