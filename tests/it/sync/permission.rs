//! `allow_sync`: it holds for its closure and its task alone, and closes what it opened (rule 62).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use futures_util::FutureExt as _;
use nestling::{Error, ErrorKind, params, sync::SyncDatabase};
use tokio::task::LocalSet;

use super::surroundings::everywhere;

fn insert(db: &SyncDatabase, id: i64) -> Result<u64, Error> {
    db.execute("insert into item values ($1, $2)", params![id, format!("{id}")])
}

/// Every call of a handle is refused.
fn refused(sync: &SyncDatabase) {
    let none = || params![];
    let kinds = [
        sync.execute("delete from item", none()).map(|_| ()),
        sync.query("select 1", none()).map(|_| ()),
        sync.query_one("select 1", none()).map(|_| ()),
        sync.query_opt("select 1", none()).map(|_| ()),
        sync.stream("select 1", none()).map(|_| ()),
        sync.batch("delete from item"),
        sync.connect(),
        sync.atomic(|| Ok(())),
        sync.transaction(|| Ok(())),
        sync.connection(|| Ok(())),
        sync.build_transaction().eager().atomic(|| Ok(())),
        sync.even_in_transaction().batch("delete from item"),
    ];
    for (call, result) in kinds.into_iter().enumerate() {
        let error: Error = result.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::SyncNotAllowed, "call {call}: {error}");
    }
    assert!(sync.stats().is_none() && sync.depth() == 0);
}

test_on! {
    every_backend;

    /// rule 62
    async fn it_holds_for_its_closure_alone(backend) {
        let backend = backend.with_items().await;
        let (db, kept) = (backend.db.clone(), backend.db.sync());
        let next = std::sync::atomic::AtomicI64::new(1);
        everywhere(move |place| {
            let mut leaked = None;
            let id = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let value = db.allow_sync(|sync| {
                leaked = Some((sync.clone(), sync.stream("select 1 union select 2", params![]).expect(place)));
                insert(sync, id).expect(place);
                // Within it another one may be asked for: its end does not end this one.
                db.allow_sync(|inner| assert_eq!(inner.query("select 1", params![]).expect(place).len(), 1));
                sync.query("select 1", params![]).expect(place).len()
            });
            assert_eq!(value, 1, "{place}");
            let (leaked, mut rows) = leaked.expect("it was stored");
            refused(&leaked);
            let row = rows.next().expect("it is told so").expect_err(place);
            assert_eq!(row.kind(), ErrorKind::SyncNotAllowed, "{place}");
            assert!(rows.next().is_none());
            // Again, by the handle that leaked: a new permission is good for it.
            db.allow_sync(|_| leaked.query("select 1", params![]).expect(place));
            refused(&leaked);
            assert_eq!(kept.query("select 1 from item", params![]).expect(place).len(), usize::try_from(id).expect(place));
        })
        .await;
        assert_eq!(backend.items().await.len(), 7, "what was refused has done nothing");
    }
}

test_on! {
    every_backend;

    /// rule 62
    async fn it_is_nobody_elses(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.clone();
        let apart = backend.builder().build().expect("valid options");
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            db.allow_sync(|sync| {
                insert(sync, 1).expect("it is allowed");
                // Another thread.
                thread::scope(|scope| scope.spawn(|| refused(sync)).join()).expect("it is refused");
                // Another task that is polled by the same thread, meanwhile.
                let stolen = sync.clone();
                let local = LocalSet::new();
                let task = local.spawn_local(async move { refused(&stolen) });
                poll_all(&runtime, local);
                task.now_or_never().expect("it was polled").expect("and was refused");
                // Another database, be it the same one by another handle.
                apart.allow_sync(|apart| assert_eq!(apart.query("select 1", params![]).expect("allowed").len(), 1));
                insert(sync, 2).expect("it is still allowed");
            });
        })
        .await
        .expect("no panic");
        assert_eq!(backend.items().await, ["1", "2"]);
    }
}

/// Runs all tasks of a local set, on a thread that may be within a runtime.
fn poll_all(runtime: &tokio::runtime::Runtime, mut local: LocalSet) {
    let _entered = runtime.enter();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..100 {
        if std::pin::Pin::new(&mut local).poll(&mut context).is_ready() {
            return;
        }
    }
    panic!("the tasks of the set do not end");
}

test_on! {
    every_backend;

    /// rule 62: test_allow_sync_is_reverted_for_exc of the ancestor
    async fn it_ends_on_error_and_panic(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let mut leaked = None;
        let failed = db.allow_sync(|sync| {
            leaked = Some(sync.clone());
            insert(sync, 1)?;
            sync.atomic(|| {
                insert(sync, 2)?;
                insert(sync, 1)
            })
        });
        assert!(failed.unwrap_err().is_unique_violation());
        let leaked = leaked.expect("it was stored");
        refused(&leaked);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            db.allow_sync(|sync| {
                sync.atomic(|| -> Result<(), Error> {
                    insert(sync, 3)?;
                    panic!("inside");
                })
            })
        }));
        assert_eq!(panicked.expect_err("it goes on").downcast_ref(), Some(&"inside"));
        refused(&leaked);
        assert_eq!(backend.items().await, ["1"]);
        assert_eq!(db.execute("insert into item values (2, '2')", params![]).await.unwrap(), 1, "no lock is left");
    }
}

test_on! {
    every_server;

    /// rule 62: the blocking connection is closed
    async fn its_connection_is_closed_at_its_end(backend) {
        let backend = backend.with_items().await;
        let (db, backend) = (&backend.db, &backend);
        assert_eq!(backend.sessions_at_server().await, 0);
        for way in ["ok", "error", "panic"] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                db.allow_sync(|sync| {
                    sync.query("select 1", params![])?;
                    assert_eq!(sync.stats().expect("inside").connections, 1);
                    match way {
                        "ok" => Ok(()),
                        "error" => sync.batch("no statement"),
                        _ => panic!("on purpose"),
                    }
                })
            }));
            assert_eq!(result.is_err(), way == "panic");
            backend.sessions_come_to(0).await;
        }
        db.query("select 1", params![]).await.unwrap();
        db.allow_sync(|sync| sync.query("select 1", params![])).unwrap();
        backend.sessions_come_to(1).await;
        assert!(db.is_connected(), "the asynchronous connections stay");
        db.allow_sync(|_| ());
        assert_eq!(backend.sessions_at_server().await, 1, "what does nothing connects to nothing");
    }
}
