//! The error types of bodies: the class is seen through them, and what is not retried comes back as it was.

use std::error::Error as StdError;

use nestling::{Error, ErrorKind, blocks::RetryError};

use super::{Conflicts as _, Mine, Runs, at_once, conflict};
use crate::harness::insert;

type Boxed = Box<dyn StdError + Send + Sync>;

/// An error that dereferences to one of the standard library without being one, as `anyhow::Error` does.
#[derive(Debug)]
struct Report(Boxed);

impl<E: StdError + Send + Sync + 'static> From<E> for Report {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl std::ops::Deref for Report {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl From<Report> for Boxed {
    fn from(report: Report) -> Self {
        report.0
    }
}

/// A transaction whose first attempt meets another one, and whose second one fails with what `give` gives.
async fn twice<E: RetryError<How>, How>(backend: &crate::harness::Backend, give: impl Fn() -> E) -> E {
    let (db, runs) = (&backend.db, Runs::default());
    let work = db.build_transaction().retry(at_once()).atomic(|| async {
        insert(db, 1, "lost").await?;
        if runs.next() == 1 {
            conflict(db).await?;
        }
        Err::<(), E>(give())
    });
    let error = work.await.expect_err("its own");
    assert_eq!(runs.count(), 2);
    error
}

/// A transaction that never succeeds.
async fn never<E: RetryError<How>, How>(backend: &crate::harness::Backend) -> E {
    let db = &backend.db;
    let work = db.build_transaction().retry(at_once().attempts(2)).atomic(|| async {
        conflict(db).await?;
        Ok::<_, E>(())
    });
    let error = work.await.expect_err("it never succeeds");
    let ours = Error::find_in(error.as_error()).expect("ours");
    assert_eq!((ours.kind(), ours.attempts()), (ErrorKind::RetriesExhausted, Some(2)));
    assert!(ours.is_retryable());
    error
}

test_on! {
    every_backend;

    /// rules 14, 52 and 53
    async fn the_class_is_seen_through_the_error_of_the_body(backend) {
        let backend = backend.with_items().await.with_conflicts().await;

        let mine = twice(&backend, || Mine::No(7)).await;
        assert!(matches!(mine, Mine::No(7)), "{mine:?}");
        let boxed = twice(&backend, || Boxed::from(Mine::No(8))).await;
        assert!(matches!(boxed.downcast_ref(), Some(Mine::No(8))), "{boxed:?}");
        let report = twice(&backend, || Report::from(Mine::No(9))).await;
        assert!(matches!(report.0.downcast_ref(), Some(Mine::No(9))), "{report:?}");

        let exhausted: Mine = never(&backend).await;
        let Mine::Db(error) = exhausted else { panic!("{exhausted:?}") };
        let source = StdError::source(&error).expect("the last error");
        assert!(matches!(source.downcast_ref(), Some(Mine::Db(_))), "whole: {source:?}");
        let exhausted: Boxed = never(&backend).await;
        assert!(exhausted.is::<Error>());
        let exhausted: Report = never(&backend).await;
        assert!(exhausted.0.is::<Error>());
        let exhausted: Error = never(&backend).await;
        assert_eq!(exhausted.kind(), ErrorKind::RetriesExhausted);

        backend.settled().await;
        assert!(backend.items().await.is_empty());
    }

    /// rule 52: a retry inside another database's retry does not multiply
    async fn attempts_do_not_multiply(backend) {
        let backend = backend.with_conflicts().await;
        let (outer, inner) = (&backend.builder().build().expect("a second handle"), &backend.db);
        let (outer_runs, inner_runs) = (Runs::default(), Runs::default());
        let work = outer.build_transaction().retry(at_once()).atomic(|| async {
            outer_runs.next();
            inner.build_transaction().retry(at_once().attempts(3)).atomic(|| async {
                inner_runs.next();
                conflict(inner).await
            })
            .await
        });
        let error = work.await.expect_err("it never succeeds");
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::RetriesExhausted, Some(3)));
        assert_eq!((outer_runs.count(), inner_runs.count()), (1, 3));
        backend.settled().await;
    }
}
