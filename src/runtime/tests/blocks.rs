//! Blocks without faults of the session: what each way of ending one sends, and when.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use super::fake::{Injected, Recorder, poll_and_drop};
use crate::{
    error::{Error, ErrorKind},
    transaction::control::Tally,
};

fn refused() -> Error {
    Error::new(ErrorKind::NoRow, "the body's own error")
}

/// rules 13, 14
#[tokio::test]
async fn ok_commits_and_returns_the_value() {
    let recorder = Recorder::of(1);
    let value = recorder.atomic(async || recorder.write(1).await.map(|()| 7)).await;
    assert_eq!(value.unwrap(), 7);
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "COMMIT", "release"]);
    assert_eq!((recorder.committed(), recorder.flights()), ([1].into(), 2));
    recorder.assert_at_rest();
}

/// rules 13, 14
#[tokio::test]
async fn an_error_rolls_back_and_is_returned_itself() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        recorder.write(1).await?;
        Err::<(), _>(refused())
    });
    assert_eq!(ended.await.unwrap_err().to_string(), "the body's own error");
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "ROLLBACK", "release"]);
    recorder.assert_at_rest();
}

/// rules 13, 22, 43
#[tokio::test]
async fn a_nested_block_that_fails_is_undone_by_the_next_statement_of_its_parent() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        recorder.write(1).await?;
        let inner = recorder.atomic(async || {
            recorder.write(2).await?;
            recorder.atomic(async || recorder.write(3).await).await?;
            Err::<(), _>(refused())
        });
        assert_eq!(inner.await.unwrap_err().kind(), ErrorKind::NoRow);
        assert_eq!(recorder.log(), ["BEGIN", "write 1", "SAVEPOINT _n1", "write 2", "SAVEPOINT _n2", "write 3"]);
        recorder.write(4).await
    });
    ended.await.unwrap();
    // The release of the innermost block is not sent: rolling back further out has ended it.
    assert_eq!(recorder.log(), ["ROLLBACK TO _n1", "RELEASE _n1", "write 4", "COMMIT", "release"]);
    assert_eq!(recorder.committed(), [1, 4].into());
    recorder.assert_at_rest();
}

/// rules 13, 16
#[tokio::test]
async fn a_rollback_that_is_owed_still_goes_ahead_of_the_commit() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        recorder.write(1).await?;
        let inner = recorder.atomic(async || {
            recorder.write(2).await?;
            Err::<(), _>(refused())
        });
        assert!(inner.await.is_err());
        Ok(())
    });
    ended.await.unwrap();
    assert_eq!(
        recorder.log(),
        ["BEGIN", "write 1", "SAVEPOINT _n1", "write 2", "ROLLBACK TO _n1", "COMMIT", "release"]
    );
    assert_eq!((recorder.committed(), recorder.flights()), ([1].into(), 3));
    recorder.assert_at_rest();
}

/// rule 56
#[tokio::test]
async fn empty_blocks_send_nothing_at_any_depth_and_however_they_end() {
    let recorder = Recorder::of(1);
    let nest =
        async || recorder.atomic(async || recorder.atomic(async || recorder.atomic(async || Ok(())).await).await).await;
    recorder.atomic(nest).await.unwrap();
    assert!(recorder.atomic(async || Err::<(), _>(refused())).await.is_err());
    assert!(poll_and_drop(1, recorder.atomic(std::future::pending::<Result<(), Error>>)).await.is_none());
    assert_eq!(recorder.log(), ["release", "release", "release"]);
    assert_eq!(recorder.flights(), 0);
    let Tally { owed, cancelled, sent } = recorder.tally();
    assert_eq!((owed, sent), (cancelled, 0));
    recorder.assert_at_rest();
}

/// rule 56
#[tokio::test]
async fn an_empty_savepoint_sends_nothing_between_two_statements() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        recorder.write(1).await?;
        recorder.atomic(async || Ok(())).await?;
        assert!(recorder.atomic(async || Err::<(), _>(refused())).await.is_err());
        recorder.write(2).await
    });
    ended.await.unwrap();
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "write 2", "COMMIT", "release"]);
    recorder.assert_at_rest();
}

/// rule 41
#[tokio::test]
async fn a_panic_rolls_back_and_goes_on() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic::<(), _>(async || {
        recorder.write(1).await?;
        let inner = recorder.atomic(async || -> Result<(), Error> {
            recorder.write(2).await?;
            panic!("the inner body panics")
        });
        let panic = AssertUnwindSafe(inner).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the inner body panics"));
        recorder.write(3).await?;
        panic!("the outer body panics")
    });
    let panic = AssertUnwindSafe(ended).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the outer body panics"));
    let expected = [
        "BEGIN",
        "write 1",
        "SAVEPOINT _n1",
        "write 2",
        "ROLLBACK TO _n1",
        "RELEASE _n1",
        "write 3",
        "release, rolled back",
    ];
    assert_eq!(recorder.log(), expected);
    recorder.assert_at_rest();
}

/// rules 37, 38
#[tokio::test]
async fn a_statement_dropped_in_flight_is_interrupted_and_aborts_its_block() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        recorder.write(1).await?;
        let inner = recorder.atomic(async || {
            recorder.inject(0, Injected::NeverAnswers);
            assert!(poll_and_drop(2, recorder.write(2)).await.is_none());
            let refused = recorder.write(3).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Aborted);
            Ok(())
        });
        assert_eq!(inner.await.unwrap_err().kind(), ErrorKind::RolledBack);
        recorder.write(4).await
    });
    ended.await.unwrap();
    let expected = [
        "BEGIN",
        "write 1",
        "SAVEPOINT _n1",
        "write 2",
        "interrupt",
        "ROLLBACK TO _n1",
        "RELEASE _n1",
        "write 4",
        "COMMIT",
        "release",
    ];
    assert_eq!(recorder.log(), expected);
    recorder.assert_at_rest();
}

/// rules 37, 39
#[tokio::test]
async fn a_statement_dropped_before_it_is_sent_leaves_no_trace() {
    let recorder = Recorder::of(1);
    let ended = recorder.atomic(async || {
        let child = recorder.atomic(async || {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            recorder.write(1).await
        });
        // It waits for the child's turn, and is dropped there.
        let (child, waited) = futures_util::future::join(child, poll_and_drop(2, recorder.write(2))).await;
        assert!(waited.is_none());
        child?;
        recorder.write(3).await
    });
    ended.await.unwrap();
    let expected = ["BEGIN", "SAVEPOINT _n1", "write 1", "RELEASE _n1", "write 3", "COMMIT", "release"];
    assert_eq!(recorder.log(), expected);
    recorder.assert_at_rest();
}

/// rule 24
#[tokio::test]
async fn a_function_that_opens_a_block_may_call_itself() {
    async fn down(recorder: &Recorder, left: u8) -> Result<(), Error> {
        recorder
            .atomic(async || {
                recorder.write(left).await?;
                if left > 0 { Box::pin(down(recorder, left - 1)).await } else { Ok(()) }
            })
            .await
    }
    let recorder = Recorder::of(1);
    down(&recorder, 20).await.unwrap();
    assert_eq!((recorder.flights(), recorder.committed().len()), (22, 21));
    recorder.assert_at_rest();
}

/// rule 20: the innermost block is marked; the one around it goes on
#[tokio::test]
async fn a_block_set_to_roll_back_returns_its_value_and_keeps_nothing() {
    let recorder = Recorder::of(1);
    let mark = || recorder.mark();
    let value = recorder.atomic(async || {
        recorder.atomic(async || mark()).await?;
        let inner = recorder.atomic(async || {
            recorder.write(1).await?;
            mark()?;
            assert!(recorder.frame().unwrap().is_rollback_only());
            recorder.atomic(async || recorder.write(2).await).await.map(|()| 5)
        });
        assert_eq!(inner.await?, 5);
        assert!(!recorder.frame().unwrap().is_rollback_only());
        recorder.write(3).await.map(|()| 7)
    });
    assert_eq!(value.await.unwrap(), 7);
    let undone = ["ROLLBACK TO _n1", "RELEASE _n1", "write 3", "COMMIT", "release"];
    assert_eq!(recorder.log()[5..], undone);
    assert_eq!(recorder.committed().into_iter().collect::<Vec<_>>(), [3]);
    let whole = recorder.atomic(async || {
        recorder.write(4).await?;
        recorder.atomic(async || recorder.joined(async { mark() }).await).await
    });
    whole.await.unwrap();
    assert_eq!(recorder.log(), ["BEGIN", "write 4", "ROLLBACK", "release"], "a joined transaction marks the root");
    // A statement that failed is told all the same.
    let aborted = recorder.atomic(async || {
        mark()?;
        let _swallowed = recorder.fail().await;
        Ok(())
    });
    assert_eq!(aborted.await.unwrap_err().kind(), ErrorKind::RolledBack);
    let pinned = recorder.pinned(async || Ok(mark().unwrap_err().kind())).await;
    assert_eq!(pinned.unwrap(), ErrorKind::NoTransaction);
    recorder.assert_at_rest();
}
