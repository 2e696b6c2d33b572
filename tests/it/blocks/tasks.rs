//! In which task a `transaction` runs: rule 10 of the specification.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use nestling::{Error, params};
use tokio::{sync::oneshot, task};

use crate::{
    harness::{insert, poll_once},
    support::waits::PATIENCE,
};

#[derive(Debug, PartialEq)]
enum Mine {
    Db(String),
    No(u8),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error.to_string())
    }
}

test_on! {
    every_backend;

    /// rule 10
    async fn a_transaction_outside_a_scope_runs_in_a_task_of_its_own(backend) {
        let backend = backend.with_items().await;
        let db = backend.db.clone();
        let own = db.clone();
        let value = backend.db.transaction(move || async move {
            assert_eq!(own.depth(), 1);
            insert(&own, 1, "kept").await?;
            Ok::<_, Mine>((task::try_id().expect("a task"), String::from("value")))
        });
        let (inside, text) = value.await.expect("it commits");
        assert_ne!(Some(inside), task::try_id(), "another task");
        assert_eq!(text, "value");
        assert_eq!(db.depth(), 0);
        assert_eq!(backend.items().await, ["kept"]);

        let own = db.clone();
        let error = backend.db.transaction(move || async move {
            insert(&own, 2, "lost").await?;
            Err::<(), _>(Mine::No(7))
        });
        assert_eq!(error.await, Err(Mine::No(7)), "the error keeps its type");

        let own = db.clone();
        let panics = backend.db.transaction(move || async move {
            insert(&own, 3, "lost").await?;
            if own.depth() == 1 {
                std::panic::panic_any(42_u8);
            }
            Ok::<_, Mine>(())
        });
        let payload = AssertUnwindSafe(panics).catch_unwind().await.expect_err("the panic comes back");
        assert_eq!(payload.downcast_ref::<u8>(), Some(&42), "with its payload");
        backend.settled().await;
        assert_eq!(backend.items().await, ["kept"]);
    }
}

test_on! {
    every_backend;

    /// rule 10
    async fn dropping_the_caller_of_a_transaction_aborts_its_task_and_rolls_back(backend) {
        let backend = backend.with_items().await;
        let own = backend.db.clone();
        let (in_it, there) = oneshot::channel();
        let (dropped, gone) = oneshot::channel::<()>();
        let mut call = Box::pin(backend.db.transaction(move || async move {
            let _until_dropped = dropped;
            insert(&own, 1, "lost").await?;
            in_it.send(()).expect("it is waited for");
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok::<_, Error>(())
        }));
        assert!(poll_once(call.as_mut()).await.is_pending());
        there.await.expect("the body runs in its own task, though nobody polls the caller");
        assert_eq!(backend.open_at_server().await, 1);
        drop(call);
        tokio::time::timeout(PATIENCE, gone).await.expect("the body is dropped").expect_err("and sent nothing");
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }
}

test_on! {
    every_backend;

    /// rule 10
    async fn inside_a_scope_a_transaction_runs_in_place(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let ids = || {
            let own = db.clone();
            db.transaction(move || async move {
                own.query("select 1", params![]).await?;
                assert_eq!(own.depth(), 1);
                Ok::<_, Error>(task::try_id())
            })
        };
        let here = task::try_id();
        nestling::scope(async { assert_eq!(ids().await.expect("it commits"), here) }).await;
        let pinned = db.connection(|| async {
            assert_eq!(ids().await?, here, "the context of a pinned connection is one");
            Ok::<_, Error>(())
        });
        pinned.await.expect("it commits");
        let joined = db.atomic(|| async {
            assert_eq!(ids().await?, here, "it joins");
            Ok::<_, Error>(())
        });
        joined.await.expect("it commits");
        let spawned = nestling::spawn({
            let own = db.clone();
            async move {
                let inner = own.clone();
                let inside = own.transaction(move || async move {
                    insert(&inner, 1, "kept").await?;
                    Ok::<_, Error>(task::try_id())
                });
                (inside.await, task::try_id())
            }
        });
        let (inside, outside) = spawned.await.expect("no panic");
        assert_eq!(inside.expect("it commits"), outside, "a spawned task is a scope");
        assert_eq!(backend.items().await, ["kept"]);
        backend.settled().await;
    }
}

test_on! {
    every_backend;

    /// rule 10
    async fn atomic_outside_a_scope_makes_a_context_for_its_body_in_the_same_task(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let here = task::try_id();
        let borrowed = String::from("borrowed from outside");
        let work = db.atomic(|| async {
            assert_eq!((task::try_id(), db.depth()), (here, 1));
            let own = db.clone();
            // The context of the body is one: a transaction joins in it.
            let depth = db.transaction(move || async move { Ok::<_, Error>(own.depth()) }).await?;
            assert_eq!(depth, 1);
            insert(db, 1, &borrowed).await
        });
        assert_eq!(work.await.expect("it commits"), 1);
        assert_eq!(db.depth(), 0);
        assert_eq!(backend.items().await, [borrowed]);
    }
}
