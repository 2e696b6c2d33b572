//! Outside a tokio runtime, and after its end: rule 11 of the specification.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use nestling::{Database, Error, ErrorKind, params};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::harness::{Backend, insert, poll_once};

/// Polls a future by hand, once.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The error of a future that must have one at its first poll.
fn kind<T>(future: impl Future<Output = Result<T, Error>>) -> ErrorKind {
    match poll(pin!(future)) {
        Poll::Ready(Err(error)) => error.kind(),
        Poll::Ready(Ok(_)) => panic!("it cannot succeed"),
        Poll::Pending => panic!("nobody would ever wake it"),
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn backends() -> [Backend; 2] {
    [Backend::postgres().await.with_items().await, Backend::sqlite().await.with_items().await]
}

/// Everything that a program can call.
fn kinds(db: &Database, block: impl Fn(&Database) -> ErrorKind) -> Vec<(&'static str, ErrorKind)> {
    let (own, never) = (db.clone(), || async { Ok::<_, Error>(()) });
    vec![
        ("execute", kind(insert(db, 1, "never"))),
        ("query", kind(db.query("select 1", params![]))),
        ("stream", kind(db.stream("select 1", params![]))),
        ("batch", kind(db.batch("select 1"))),
        ("atomic", block(db)),
        ("transaction", kind(own.transaction(never))),
        ("eager", kind(db.build_transaction().eager().atomic(never))),
        ("connection", kind(db.connection(|| db.query("select 1", params![])))),
        ("connect", kind(db.connect())),
        ("with_postgres", kind(db.with_postgres(|_| async { Ok::<_, Error>(()) }))),
        ("with_sqlite", kind(db.with_sqlite(|_| Ok::<_, Error>(())))),
    ]
}

/// rule 11
#[test]
fn outside_a_runtime_every_call_ends_in_a_typed_error() {
    let outer = runtime();
    for backend in outer.block_on(backends()) {
        let fresh = &backend.db;
        let used = backend.builder().build().expect("valid options");
        outer.block_on(used.query("select 1", params![])).expect("it works in a runtime");
        for db in [fresh, &used] {
            for (call, kind) in kinds(db, |db| kind(db.atomic(|| async { Ok::<_, Error>(()) }))) {
                assert_eq!(kind, ErrorKind::NoRuntime, "{call}");
            }
            assert_eq!(kind(db.savepoint(|| async { Ok::<_, Error>(()) })), ErrorKind::NoTransaction);
            assert_eq!(db.depth(), 0);
        }
        assert!(outer.block_on(backend.items()).is_empty(), "nothing was sent");
        assert_eq!(outer.block_on(insert(&used, 1, "works")).expect("an insert"), 1);
        assert_eq!(poll(pin!(used.close())), Poll::Ready(()), "closing does not wait for a clock that is not there");
        assert_eq!(outer.block_on(used.query("select 1", params![])).expect_err("closed").kind(), ErrorKind::Closed);
        outer.block_on(async { drop(backend) });
    }
}

/// rule 11: by a handle that outlives its runtime
#[test]
fn after_the_end_of_the_runtime_every_call_ends_in_a_typed_error() {
    let outer = runtime();
    for (make, name) in [(runtime as fn() -> Runtime, "threads"), (one_thread, "one thread")] {
        let backend = outer.block_on(async { Backend::postgres().await.with_items().await });
        let used = backend.builder().build().expect("valid options");
        let inner = make();
        inner.block_on(used.query("select 1", params![])).expect("it works in a runtime");
        let handle = inner.handle().clone();
        drop(inner);
        let entered = handle.enter();
        for db in [&backend.db, &used] {
            for (call, kind) in kinds(db, |db| kind(db.atomic(|| insert(db, 1, "never")))) {
                assert_eq!(kind, ErrorKind::NoRuntime, "{call} on {name}");
            }
        }
        drop(entered);
        // A runtime that is there finds the database whole.
        assert_eq!(outer.block_on(insert(&used, 1, "works")).expect("an insert"), 1);
        assert_eq!(outer.block_on(backend.items()), ["works"]);
        outer.block_on(async { drop(backend) });
    }
}

/// rule 11: what would have to be waited for, on a clock that panics. SQLite itself needs no runtime, only waiting does.
#[test]
fn after_the_end_of_the_runtime_nobody_waits() {
    let outer = runtime();
    for backend in outer.block_on(backends()) {
        let backend = backend.with(|options| options.max_connections(1));
        let db = &backend.db.clone();
        let inner = runtime();
        let handle = inner.handle().clone();
        let mut holder = Box::pin(nestling::scope(db.atomic(|| async {
            db.query("select 1", params![]).await?;
            let mut child = pin!(db.atomic(std::future::pending::<Result<(), Error>>));
            assert!(poll_once(child.as_mut()).await.is_pending());
            std::future::poll_fn(|_| {
                if Handle::current().id() == outer.handle().id() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            db.query("select 1", params![]).await
        })));
        outer.block_on(async {
            wait_while!(db.stats().transactions == 0 || db.stats().idle > 0, {
                assert!(poll_once(holder.as_mut()).await.is_pending());
                tokio::task::yield_now().await;
            });
            for _ in 0..100 {
                assert!(poll_once(holder.as_mut()).await.is_pending());
                tokio::task::yield_now().await;
            }
        });
        drop(inner);
        let entered = handle.enter();
        assert_eq!(kind(db.query("select 1", params![])), ErrorKind::NoRuntime, "for a connection");
        match poll(holder.as_mut()) {
            Poll::Ready(result) => assert_eq!(result.expect_err("no clock").kind(), ErrorKind::NoRuntime, "for a turn"),
            // Its rollback is under way.
            Poll::Pending => drop(holder),
        }
        drop(entered);
        outer.block_on(async {
            backend.settled().await;
            drop(backend);
        });
    }
}

/// rules 11 and 44: what a block did before is rolled back, wherever its future is dropped
#[test]
fn a_block_that_is_polled_and_dropped_outside_its_runtime_does_not_panic() {
    let outer = runtime();
    for ends_first in [false, true] {
        for backend in outer.block_on(backends()) {
            let inner = runtime();
            let db = backend.builder().min_connections(1).build().expect("valid options");
            let mut block = Box::pin(db.atomic(|| async {
                insert(&db, 1, "lost").await?;
                let mut child = pin!(db.atomic(std::future::pending::<Result<(), Error>>));
                let _ = poll_once(child.as_mut()).await;
                std::future::poll_fn(|_| if Handle::try_current().is_ok() { Poll::Pending } else { Poll::Ready(()) })
                    .await;
                // Now outside a runtime: the turn would have to be waited for.
                insert(&db, 2, "late").await
            }));
            inner.block_on(async {
                wait_while!(backend.open_at_server().await == 0, {
                    assert!(poll_once(block.as_mut()).await.is_pending());
                    tokio::task::yield_now().await;
                });
                for _ in 0..3 {
                    assert!(poll_once(block.as_mut()).await.is_pending());
                }
            });
            if ends_first {
                drop(inner);
                drop(block);
            } else {
                match poll(block.as_mut()) {
                    Poll::Ready(result) => assert_eq!(result.expect_err("no clock").kind(), ErrorKind::NoRuntime),
                    // The rollback is under way, and nobody wakes it here: the drop hands it to the runtime.
                    Poll::Pending => drop(block),
                }
            }
            outer.block_on(async {
                assert!(backend.items().await.is_empty());
                wait_while!(backend.open_at_server().await > 0, by yielding);
                drop(backend);
            });
        }
    }
}
