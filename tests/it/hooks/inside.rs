//! Hooks ahead of the COMMIT: rule 50.

use std::{error::Error as _, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use nestling::{Context, Error, ErrorKind, params};
use tokio::sync::oneshot;

use super::Diary;
use crate::harness::insert;

test_on! {
    every_backend;

    /// rule 50: it is part of the transaction, and sees all that the blocks have done
    async fn a_hook_ahead_of_the_commit_is_part_of_the_transaction(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let (hooked, told) = (db.clone(), diary.clone());
        db.atomic(|| async {
            db.atomic(|| async {
                db.before_commit(move || async move {
                    assert_eq!(hooked.depth(), 1);
                    let count: i64 = hooked.query_one("select count(*) from item", params![]).await?.get(0)?;
                    told.add(count);
                    let again = told.clone();
                    hooked.before_commit(move || async move { again.add("one more") })?;
                    hooked.atomic(|| insert(&hooked, 3, "by the hook")).await
                })
            })
            .await?;
            insert(db, 1, "a").await?;
            db.on_commit(diary.entry("commit")).await?;
            insert(db, 2, "b").await
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["2", "one more", "commit"]);
        assert_eq!(backend.items().await, ["a", "b", "by the hook"]);
    }

    /// rule 50: its error rolls back
    async fn a_hook_ahead_of_the_commit_that_fails_rolls_back(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let hooked = db.clone();
        let result = db.atomic(|| async {
            insert(db, 1, "a").await?;
            db.on_commit(diary.entry("commit")).await?;
            db.on_rollback(diary.entry("rollback"))?;
            db.before_commit(move || async move { insert(&hooked, 1, "a second one").await })?;
            db.before_commit(diary.entry("behind the failure"))
        });
        let error = result.await.unwrap_err();
        assert!(error.kind() == ErrorKind::RolledBack && error.is_unique_violation(), "{error:?}");
        assert_eq!(diary.take(), ["rollback"]);
        assert!(backend.items().await.is_empty());

        let result = db.atomic(|| async {
            insert(db, 1, "a").await?;
            db.before_commit(|| async { Err::<(), _>("the books do not balance") })
        });
        assert_eq!(result.await.unwrap_err().source().unwrap().to_string(), "the books do not balance");
        assert!(backend.items().await.is_empty());
        backend.settled().await;
    }

    /// rules 41 and 50: a panic goes on unwinding, behind the rollback
    async fn a_panic_ahead_of_the_commit_rolls_back(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let block = db.atomic(|| async {
            insert(db, 1, "a").await?;
            db.on_rollback(diary.entry("rollback"))?;
            db.before_commit(|| async { if true { panic!("ahead of the COMMIT") } })
        });
        AssertUnwindSafe(block).catch_unwind().await.expect_err("it panics");
        assert_eq!(diary.comes_to(1).await, ["rollback"]);
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }

    /// rule 50: what is not committed has nothing ahead of it
    async fn no_hook_runs_ahead_of_a_rollback(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let marked = db.atomic(|| async {
            insert(db, 1, "a").await?;
            db.before_commit(diary.entry("before"))?;
            db.set_rollback_only()
        });
        marked.await.unwrap();
        let failed = db.atomic(|| async {
            db.before_commit(diary.entry("before"))?;
            insert(db, 1, "a").await?;
            insert(db, 1, "b").await
        });
        failed.await.unwrap_err();
        db.atomic(|| async {
            let undone = db.atomic(|| async {
                db.before_commit(diary.entry("before"))?;
                db.set_rollback_only()
            });
            undone.await
        })
        .await
        .unwrap();
        assert!(diary.take().is_empty());
    }

    /// rules 5, 6 and 50: another task that is still in the block when its body ends registers in time, or is refused
    async fn a_hook_of_another_task_runs_ahead_of_the_commit_or_is_refused(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let (go, gone) = oneshot::channel::<()>();
        let other = (db.clone(), diary.clone());
        let task = db
            .atomic(|| async {
                insert(db, 1, "a").await?;
                let child = Context::current().enter(async move {
                    gone.await.expect("the test lets it go");
                    other.0.before_commit(other.1.entry("in time"))
                });
                go.send(()).expect("it waits");
                Ok::<_, Error>(tokio::spawn(child))
            })
            .await
            .unwrap();
        match task.await.unwrap() {
            Ok(()) => assert_eq!(diary.take(), ["in time"]),
            Err(error) => assert!(error.kind() == ErrorKind::FrameClosed && diary.take().is_empty(), "{error:?}"),
        }
    }
}
