//! Joined transactions: no step of their own, but a failure of any sort marks the root.

use std::{error::Error as _, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;

use super::{
    super::{Block, Context, Origin, Scope, joined},
    fake::{Recorder, current, poll_and_drop, poll_once},
};
use crate::{
    error::{Error, ErrorKind},
    transaction::control::Settings,
};

fn refused() -> Error {
    Error::new(ErrorKind::NoRow, "the body's own error")
}

/// rule 26
#[tokio::test]
async fn a_joined_transaction_that_succeeds_sends_nothing() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || recorder.joined(async { recorder.write(1).await.map(|()| 7) }).await);
    assert_eq!(ended.await.unwrap(), 7);
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "COMMIT", "release"]);
    recorder.assert_at_rest();
}

/// rules 26, 27
#[tokio::test]
async fn a_joined_failure_marks_the_root_from_any_depth() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        recorder.write(1).await?;
        let inner = recorder.atomic(async || {
            let joined = recorder.joined(async { Err::<(), _>(refused()) }).await;
            assert_eq!(joined.unwrap_err().kind(), ErrorKind::NoRow);
            let later = recorder.write(2).await.unwrap_err();
            assert_eq!(later.kind(), ErrorKind::RollbackOnly);
            assert_eq!(later.source().unwrap().to_string(), "the body's own error");
            Ok(())
        });
        inner.await?;
        assert_eq!(recorder.write(3).await.unwrap_err().kind(), ErrorKind::RollbackOnly);
        Ok(())
    });
    let ended = ended.await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::UnexpectedRollback);
    assert_eq!(ended.source().unwrap().to_string(), "the body's own error");
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "ROLLBACK", "release"]);
    recorder.assert_at_rest();
}

/// rules 26, 37
#[tokio::test]
async fn a_joined_body_that_is_dropped_or_panics_marks_the_root() {
    for panics in [false, true] {
        let recorder = Recorder::of(1);
        let ended = recorder.atomic(async || {
            recorder.write(1).await?;
            let joined = recorder.joined(async {
                assert!(!panics, "the body panics");
                std::future::pending::<Result<(), Error>>().await
            });
            if panics {
                assert!(AssertUnwindSafe(joined).catch_unwind().await.is_err());
            } else {
                assert!(poll_and_drop(1, joined).await.is_none());
            }
            Ok(())
        });
        let ended = ended.await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::UnexpectedRollback);
        let cause = Error::find_in(ended.source().unwrap()).unwrap();
        assert_eq!(cause.kind(), ErrorKind::Cancelled);
        assert_eq!(recorder.log(), ["BEGIN", "write 1", "ROLLBACK", "release"]);
        recorder.assert_at_rest();
    }
}

/// rule 27
#[tokio::test]
async fn what_marked_the_root_is_told_whatever_its_type() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    async fn cause<E: 'static>(error: E) -> Error {
        let recorder = Recorder::of(1);
        let ended = recorder.atomic(async || {
            let _ = joined(&current().unwrap(), &recorder.frame().unwrap(), || async { Err::<(), E>(error) }).await;
            Ok(())
        });
        let ended = ended.await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::UnexpectedRollback);
        Error::find_in(ended.source().unwrap()).unwrap().clone()
    }
    struct Opaque;
    assert_eq!(cause(refused()).await.kind(), ErrorKind::NoRow);
    assert_eq!(cause(Boxed::from("some text")).await.to_string(), "some text");
    let opaque = cause(Opaque).await.to_string();
    assert!(opaque.contains("error of type") && opaque.contains("Opaque"), "{opaque}");
}

/// rules 5, 26
#[tokio::test]
async fn what_comes_too_late_does_not_hit_the_next_transaction_of_a_pinned_session() {
    let recorder = Recorder::of(1);
    let pin = Block::pin(&Context::default(), Origin::default(), recorder.session());
    let open_root = async || {
        Block::root(&pin.context(), Some(pin.frame()), Settings::default(), Origin::default(), || unreachable!())
            .unwrap()
            .block()
            .await
            .unwrap()
    };
    let root = open_root().await;
    let first = root.frame().clone();
    let around = current().unwrap_or_default();
    let mut late = Box::pin(joined(&around, &first, || async {
        tokio::task::yield_now().await;
        Err::<(), _>(refused())
    }));
    assert!(poll_once(&mut late).is_pending());
    root.commit().await.unwrap();
    let next = open_root().await;
    assert!(poll_once(&mut late).is_ready());
    first
        .fail(crate::transaction::impact::DriverError::new(crate::transaction::impact::Impact::Transaction, refused()));
    assert_eq!(first.set_rollback_only(false).unwrap_err().kind(), ErrorKind::FrameClosed);
    Scope::new(next.context(), recorder.write(1)).await.unwrap();
    next.commit().await.unwrap();
    pin.commit().await.unwrap();
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "COMMIT", "release"]);
    assert_eq!(recorder.committed(), [1].into());
}
