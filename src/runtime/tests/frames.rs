//! Frames: their depth and settings, and which of several reasons a statement is refused for.

use std::sync::Arc;

use super::{
    super::{Block, Context, FrameFlight, Origin, Scope, session::TransactionStatus},
    fake::{Recorder, current},
};
use crate::{
    error::{Error, ErrorKind},
    transaction::control::{Isolation, Settings},
};

fn cause(kind: ErrorKind) -> Error {
    Error::new(kind, "the cause")
}

/// rules 12, 22
#[tokio::test]
async fn a_pin_is_no_block_and_depths_count_from_the_root() {
    let recorder = Recorder::of(1);
    let depth = || recorder.frame().map_or(99, |frame| frame.depth());
    recorder
        .pinned(async || {
            assert!(depth() == 0 && !recorder.frame().unwrap().in_transaction());
            recorder
                .atomic(async || {
                    assert_eq!(depth(), 1);
                    recorder
                        .atomic(async || {
                            assert_eq!(depth(), 2);
                            Ok(())
                        })
                        .await
                })
                .await?;
            assert_eq!(depth(), 0);
            Ok(())
        })
        .await
        .unwrap();
    recorder.assert_at_rest();
}

/// rule 30
#[tokio::test]
async fn the_settings_of_the_root_are_those_of_all_its_frames() {
    let recorder = Recorder::of(1);
    let settings = Settings::default().with_isolation(Isolation::Serializable);
    let pin = Block::pin(&Context::default(), Origin::default(), recorder.session());
    assert!(pin.frame().settings().is_none());
    let (context, pinned) = (pin.context(), Some(pin.frame()));
    let root = Block::root(&context, pinned, settings.clone(), Origin::default(), || unreachable!())
        .unwrap()
        .block()
        .await
        .unwrap();
    let inner =
        Block::savepoint(&root.context(), root.frame(), None, Origin::default()).unwrap().block().await.unwrap();
    assert_eq!(inner.frame().settings(), Some(&settings));
    assert_eq!(root.frame().settings(), Some(&settings));
    drop((inner, root, pin));
    recorder.assert_at_rest();
}

/// rules 6, 27, 31, 33, 34
#[tokio::test]
async fn the_gravest_reason_is_the_one_that_is_told() {
    let recorder = Recorder::of(1);
    let root = Block::root(&Context::default(), None, Settings::default(), Origin::default(), || recorder.session())
        .unwrap()
        .block()
        .await
        .unwrap();
    let frame = Arc::clone(root.frame());
    let told = || frame.check().unwrap_err().kind();
    frame.check().unwrap();
    frame.abort(cause(ErrorKind::Server));
    assert_eq!(told(), ErrorKind::Aborted);
    frame.decide(TransactionStatus::RollbackOnly(cause(ErrorKind::Server)));
    assert_eq!(told(), ErrorKind::RollbackOnly);
    frame.decide(TransactionStatus::Gone(cause(ErrorKind::Server)));
    assert_eq!(told(), ErrorKind::Aborted);
    // A transaction that is gone does not become one that is only marked.
    frame.decide(TransactionStatus::RollbackOnly(cause(ErrorKind::Server)));
    assert_eq!(told(), ErrorKind::Aborted);
    frame.session_state().lose(cause(ErrorKind::Server));
    assert_eq!(told(), ErrorKind::ConnectionLost);
    drop(root);
    assert_eq!(told(), ErrorKind::FrameClosed);
}

/// rules 6, 34
#[tokio::test]
async fn a_closed_database_is_a_better_answer_than_a_closed_block() {
    let recorder = Recorder::of(1);
    let root = Block::root(&Context::default(), None, Settings::default(), Origin::default(), || recorder.session())
        .unwrap()
        .block()
        .await
        .unwrap();
    let frame = Arc::clone(root.frame());
    frame.session_state().lose(cause(ErrorKind::Closed));
    assert_eq!(frame.check().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(root.commit().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(frame.check().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(recorder.log(), ["release"]);
}

/// rule 31
#[tokio::test]
async fn the_first_error_aborts_a_frame_and_its_parent_goes_on() {
    let recorder = Recorder::of(1);
    recorder
        .atomic(async || {
            let inner = recorder.atomic(async || {
                assert_eq!(recorder.fail().await.unwrap_err().code(), Some("22012"));
                let refused = recorder.write(1).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Aborted);
                assert_eq!(Error::find_in(std::error::Error::source(&refused).unwrap()).unwrap().code(), Some("22012"));
                Ok(())
            });
            assert_eq!(inner.await.unwrap_err().kind(), ErrorKind::RolledBack);
            recorder.write(2).await
        })
        .await
        .unwrap();
    let expected = ["BEGIN", "SAVEPOINT _n1", "fail", "ROLLBACK TO _n1", "RELEASE _n1", "write 2", "COMMIT", "release"];
    assert_eq!(recorder.log(), expected);
    assert_eq!(recorder.committed(), [2].into());
    assert!(current().is_none());
    recorder.assert_at_rest();
}

/// rule 31
#[tokio::test]
async fn statements_in_flight_with_the_first_failure_are_told_of_it() {
    let recorder = Recorder::of(1);
    recorder.set_latency(2);
    let ended = recorder.atomic(async || {
        let (first, second) = futures_util::future::join(recorder.fail(), recorder.write(1)).await;
        assert_eq!(first.unwrap_err().code(), Some("22012"));
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Aborted);
        Ok(())
    });
    assert_eq!(ended.await.unwrap_err().kind(), ErrorKind::RolledBack);
    assert_eq!(recorder.log(), ["BEGIN", "fail", "write 1", "ROLLBACK", "release"]);
    recorder.assert_at_rest();
}

/// rule 6
#[tokio::test]
async fn a_block_that_another_task_has_opened_ends_with_the_block_around_it() {
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
    let orphan =
        Block::savepoint(&root.context(), root.frame(), None, Origin::default()).unwrap().block().await.unwrap();
    let context = orphan.context();
    let write = |key| Scope::new(context.clone(), recorder.write(key));
    write(1).await.unwrap();
    root.rollback().await;
    // Never autocommit on the pinned connection, nor into the transaction that is open there next.
    assert_eq!(write(2).await.unwrap_err().kind(), ErrorKind::FrameClosed);
    let next = open_root().await;
    let same_name =
        Block::savepoint(&next.context(), next.frame(), None, Origin::default()).unwrap().block().await.unwrap();
    Scope::new(same_name.context(), recorder.write(3)).await.unwrap();
    assert_eq!(write(4).await.unwrap_err().kind(), ErrorKind::FrameClosed);
    assert_eq!(orphan.frame().set_rollback_only(false).unwrap_err().kind(), ErrorKind::FrameClosed);
    drop(orphan);
    same_name.commit().await.unwrap();
    next.commit().await.unwrap();
    pin.commit().await.unwrap();
    let expected =
        ["BEGIN", "SAVEPOINT _n1", "write 1", "ROLLBACK", "BEGIN", "SAVEPOINT _n1", "write 3", "COMMIT", "release"];
    assert_eq!(recorder.log(), expected);
    assert_eq!(recorder.committed(), [3].into());
}

/// rule 6
#[tokio::test]
async fn a_flight_of_a_block_that_ends_before_it_is_sent_takes_nothing() {
    let recorder = Recorder::of(1);
    let session = || recorder.session();
    let root = Block::root(&Context::default(), None, Settings::default(), Origin::default(), session)
        .unwrap()
        .block()
        .await
        .unwrap();
    let frame = Arc::clone(root.frame());
    let turn = frame.statement().await.unwrap();
    // The turn is there, and a connection is waited for, when the block is dropped.
    let flight = FrameFlight::new(&frame, 0);
    drop(root);
    let refused = flight.take().err().expect("nothing may be sent");
    assert_eq!(refused.kind(), ErrorKind::FrameClosed);
    drop((flight, turn));
    assert_eq!(recorder.log(), ["release"]);
}
