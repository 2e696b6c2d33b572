//! Hooks that fail: rules 47, 48 and 51.

use std::error::Error as _;

use nestling::ErrorKind;

use super::Diary;
use crate::harness::insert;

/// A failure of the program's own.
#[derive(Debug, PartialEq)]
struct MailLost(u8);

impl std::fmt::Display for MailLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mail {} is lost", self.0)
    }
}

impl std::error::Error for MailLost {}

fn panics(text: &str) {
    panic!("{text}");
}

test_on! {
    every_backend;

    /// rule 48: the transaction stays committed, the hooks behind it do not run, and the caller is told
    async fn a_hook_that_fails_stops_the_others_and_is_told(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let told = diary.clone();
        let result = db.atomic(|| async {
            insert(db, 1, "committed").await?;
            db.on_commit(diary.entry(1)).await?;
            db.on_commit(|| async { Err::<(), _>(MailLost(2)) }).await?;
            db.on_commit(diary.entry(3)).await?;
            db.on_commit_robust(diary.entry(4)).await?;
            db.after_completion(move |outcome| async move { told.add(format!("{outcome:?}")) })
        });
        let error = result.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HookFailed);
        assert_eq!(error.source().and_then(|source| source.downcast_ref()), Some(&MailLost(2)));
        assert!(error.to_string().contains("committed"), "{error}");
        assert!(!error.is_retryable(), "what is committed is not run again");
        assert_eq!(diary.take(), ["1", "Committed"]);
        assert_eq!(backend.items().await, ["committed"]);
        db.atomic(|| insert(db, 2, "next")).await.unwrap();
        assert!(diary.take().is_empty(), "rule 47");
    }

    /// rule 48: an error of the server in a hook makes nothing of a committed transaction retryable
    async fn an_error_of_the_server_in_a_hook_is_the_source(backend) {
        let backend = backend.with_items().await;
        let db = &backend.db;
        let hooked = db.clone();
        let result = db.atomic(|| async {
            insert(db, 1, "committed").await?;
            db.on_commit(move || async move { insert(&hooked, 1, "a second one").await }).await
        });
        let error = result.await.unwrap_err();
        assert!(error.kind() == ErrorKind::HookFailed && error.is_unique_violation(), "{error:?}");
        assert_eq!(backend.items().await, ["committed"]);
    }

    /// rule 48: a robust hook's error stops nothing and is told to nobody
    async fn a_robust_hook_may_fail(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        db.atomic(|| async {
            insert(db, 1, "committed").await?;
            db.on_commit_robust(|| async { Err::<(), _>(MailLost(1)) }).await?;
            db.on_commit_robust(|| async { panics("in a robust hook") }).await?;
            db.on_commit(diary.entry(2)).await
        })
        .await
        .unwrap();
        assert_eq!(diary.take(), ["2"]);
        db.on_commit_robust(|| async { Err::<(), _>(MailLost(3)) }).await.unwrap();
    }

    /// rule 48: a panic is told and loses no other hook
    async fn a_hook_that_panics_stops_no_other(backend) {
        let backend = backend.with(|options| options.max_connections(1)).with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let told = diary.clone();
        let result = db.atomic(|| async {
            insert(db, 1, "committed").await?;
            db.on_commit(diary.entry(1)).await?;
            db.on_commit(|| async { panics("the mail server is on fire") }).await?;
            db.on_commit(diary.entry(3)).await?;
            db.after_completion(|_| async { panics("here, too") })?;
            db.after_completion(move |outcome| async move { told.add(format!("{outcome:?}")) })
        });
        let error = result.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HookFailed);
        assert!(error.source().unwrap().to_string().contains("the mail server is on fire"));
        assert_eq!(diary.take(), ["1", "3", "Committed"]);
        assert_eq!(backend.items().await, ["committed"]);
    }

    /// rules 45 and 48: a hook that runs at once and fails
    async fn a_hook_that_fails_at_once_is_told_alike(backend) {
        let error = backend.db.on_commit(|| async { Err::<(), _>(MailLost(1)) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HookFailed);
        assert_eq!(error.source().and_then(|source| source.downcast_ref()), Some(&MailLost(1)));
        let error = backend.db.on_commit(|| async { panics("at once") }).await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains("at once"));
    }

    /// rules 14 and 46: the error of the body is what is returned, whatever its hooks do
    async fn a_hook_on_rollback_that_fails_masks_no_error(backend) {
        let backend = backend.with_items().await;
        let (db, diary) = (&backend.db, Diary::default());
        let result = db.atomic(|| async {
            db.on_rollback(|| async { Err::<(), _>(MailLost(1)) })?;
            db.on_rollback(|| async { panics("in a hook on rollback") })?;
            db.on_rollback(diary.entry(3))?;
            insert(db, 1, "a").await?;
            insert(db, 1, "b").await
        });
        assert!(result.await.unwrap_err().is_unique_violation());
        assert_eq!(diary.take(), ["3"]);
        let marked = db.atomic(|| async {
            db.on_rollback(|| async { Err::<(), _>(MailLost(1)) })?;
            db.set_rollback_only()
        });
        marked.await.unwrap();
    }
}
