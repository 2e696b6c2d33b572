//! Which attempts there are, and what is kept of them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use nestling::{Error, ErrorKind, blocks::Retry, params};

use super::{Conflicts as _, Runs, at_once, conflict};
use crate::harness::insert;

test_on! {
    every_backend;

    /// rule 52: each attempt is a transaction of its own, and the last one is kept
    async fn a_transaction_that_meets_others_runs_again_until_it_commits(backend) {
        let backend = backend.with_items().await.with_conflicts().await.with(|options| options.max_connections(1));
        let db = &backend.db;
        let runs = Runs::default();
        let mut mutated = 0;
        let value = db.build_transaction().retry(at_once()).atomic(|| {
            mutated += 1;
            let (runs, last) = (&runs, mutated);
            async move {
                assert_eq!((db.depth(), runs.next()), (1, last));
                insert(db, i64::from(last), &format!("attempt {last}")).await?;
                assert_eq!(db.query("select * from item", params![]).await?.len(), 1, "nothing of the attempt before");
                if last < 3 { conflict(db).await.map(|()| 0) } else { Ok(last) }
            }
        });
        assert_eq!(value.await.expect("the third attempt commits"), 3);
        assert_eq!((runs.count(), mutated, db.depth()), (3, 3, 0));
        assert_eq!(backend.items().await, ["attempt 3"]);
        backend.settled().await;
    }

    /// rules 10 and 52: in a task of its own for each attempt, and in place within a scope
    async fn a_transaction_in_a_task_is_retried_as_well(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        for in_scope in [false, true] {
            let (runs, own) = (Arc::new(Runs::default()), backend.db.clone());
            let counted = Arc::clone(&runs);
            let here = tokio::task::try_id();
            let work = backend.db.build_transaction().retry(at_once()).transaction(move || {
                let (db, run) = (own.clone(), counted.next());
                async move {
                    assert_eq!(db.depth(), 1);
                    insert(&db, i64::from(in_scope), &format!("in a scope: {in_scope}")).await?;
                    if run < 3 {
                        conflict(&db).await?;
                    }
                    Ok::<_, Error>(tokio::task::try_id())
                }
            });
            let there = if in_scope { nestling::scope(work).await } else { work.await };
            assert_eq!(there.expect("the third attempt commits") == here, in_scope);
            assert_eq!(runs.count(), 3);
            backend.settled().await;
        }
        assert_eq!(backend.items().await, ["in a scope: false", "in a scope: true"]);
    }

    /// rule 52: the number of attempts has a bound, and none is refused
    async fn the_last_error_of_all_attempts_is_told(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        let db = &backend.db;
        for attempts in [1, 4] {
            let runs = Runs::default();
            let work = db.build_transaction().retry(at_once().attempts(attempts)).atomic(|| async {
                runs.next();
                insert(db, 1, "lost").await?;
                conflict(db).await
            });
            let error = work.await.expect_err("it never commits");
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::RetriesExhausted, Some(attempts)));
            assert_eq!(runs.count(), attempts);
            assert_eq!(error.code(), Some(backend.choose("40001", "1213", "517")));
            assert!(error.is_retryable(), "{error:?}");
            let last = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
            assert_eq!(last.expect("the last error").kind(), ErrorKind::Server);
            backend.settled().await;
        }
        let never = db.build_transaction().retry(at_once().attempts(0)).atomic(|| async { insert(db, 1, "never").await });
        assert_eq!(never.await.expect_err("no attempt").kind(), ErrorKind::Config);
        assert!(backend.items().await.is_empty());
    }

    /// rules 20, 41 and 52: neither is a failure that another attempt could mend
    async fn a_mark_and_a_panic_are_not_retried(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        let db = &backend.db;
        let runs = Runs::default();
        let marked = db.build_transaction().retry(at_once()).atomic(|| async {
            insert(db, 1, "undone").await?;
            db.set_rollback_only()?;
            Ok::<_, Error>(runs.next())
        });
        assert_eq!(marked.await.expect("its value"), 1);
        let panics = db.build_transaction().retry(Retry::serialization().when(|_| true)).atomic(|| async {
            insert(db, 1, "undone").await?;
            if runs.next() > 1 {
                panic!("on purpose");
            }
            Ok::<_, Error>(())
        });
        AssertUnwindSafe(panics).catch_unwind().await.expect_err("the panic goes on");
        assert_eq!(runs.count(), 2);
        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }

    /// rule 52: what the class is about can be chosen
    async fn what_is_retried_is_what_the_policy_says(backend) {
        let backend = backend.with_items().await.with_conflicts().await;
        let db = &backend.db;
        insert(db, 1, "taken").await.expect("a row");
        // A key that is taken, until a later attempt takes another one.
        let runs = async |retry: Retry| {
            let runs = Runs::default();
            let first = i64::try_from(backend.items().await.len()).expect("a few");
            let work = db.build_transaction().retry(retry).atomic(|| async {
                let id = first + i64::from(runs.next()) - 1;
                insert(db, id, &format!("{id}")).await
            });
            (work.await.map_err(|error| (error.kind(), error.is_unique_violation())), runs.count())
        };
        let none = Duration::ZERO;
        assert_eq!(runs(at_once()).await, (Err((ErrorKind::Server, true)), 1));
        assert_eq!(runs(Retry::retryable().backoff(none, none)).await, (Err((ErrorKind::Server, true)), 1));
        assert_eq!(runs(at_once().when(Error::is_unique_violation)).await, (Ok(1), 2));
        assert_eq!(runs(at_once().when(|_| false)).await, (Err((ErrorKind::Server, true)), 1));
        let conflicts = db.build_transaction().retry(at_once().when(|_| false)).atomic(|| conflict(db));
        assert_eq!(conflicts.await.expect_err("not asked for").kind(), ErrorKind::Server);
        let conflicts = db.build_transaction().retry(Retry::retryable().backoff(none, none)).atomic(|| conflict(db));
        assert_eq!(conflicts.await.expect_err("never").attempts(), Some(5));
        backend.settled().await;
    }
}
