//! Pinned sessions: roots come and go on one session, which is released with the pin and not before.

use super::fake::{Recorder, poll_and_drop, settle};
use crate::error::{Error, ErrorKind};

/// rule 3
#[tokio::test]
async fn roots_inside_a_pin_share_its_session_and_statements_between_them_autocommit() {
    let recorder = Recorder::of(1);
    let ended = recorder.pinned(async || {
        recorder.write(1).await?;
        recorder.atomic(async || recorder.write(2).await).await?;
        assert_eq!(recorder.committed(), [1, 2].into());
        let failed = recorder.atomic(async || {
            recorder.write(3).await?;
            Err::<(), _>(Error::new(ErrorKind::NoRow, "the body's own error"))
        });
        assert!(failed.await.is_err());
        recorder.write(4).await
    });
    ended.await.unwrap();
    let expected = ["write 1", "BEGIN", "write 2", "COMMIT", "BEGIN", "write 3", "ROLLBACK", "write 4", "release"];
    assert_eq!(recorder.log(), expected);
    recorder.assert_at_rest();
}

/// rules 37, 43
#[tokio::test]
async fn a_root_dropped_inside_a_pin_is_rolled_back_by_the_next_flight() {
    let recorder = Recorder::of(1);
    let dropped = async |key| {
        let body = async || {
            recorder.write(key).await?;
            recorder.atomic(async || recorder.write(key + 1).await).await?;
            std::future::pending::<Result<(), Error>>().await
        };
        assert!(poll_and_drop(3, recorder.atomic(body)).await.is_none());
    };
    let ended = recorder.pinned(async || {
        dropped(1).await;
        assert_eq!(recorder.log(), ["BEGIN", "write 1", "SAVEPOINT _n1", "write 2"]);
        recorder.write(5).await?;
        assert_eq!(recorder.log(), ["ROLLBACK", "write 5"]);
        dropped(3).await;
        // The next root pays for the last one.
        recorder.atomic(async || recorder.write(6).await).await
    });
    ended.await.unwrap();
    let expected =
        ["BEGIN", "write 3", "SAVEPOINT _n1", "write 4", "ROLLBACK", "BEGIN", "write 6", "COMMIT", "release"];
    assert_eq!(recorder.log(), expected);
    assert_eq!(recorder.committed(), [5, 6].into());
    recorder.assert_at_rest();
}

/// rule 36
#[tokio::test]
async fn a_pin_that_ends_with_a_rollback_owed_releases_its_session_with_it() {
    let recorder = Recorder::of(1);
    let ended = recorder.pinned(async || {
        let body = async || {
            recorder.write(1).await?;
            std::future::pending::<Result<(), Error>>().await
        };
        assert!(poll_and_drop(2, recorder.atomic(body)).await.is_none());
        Ok(())
    });
    ended.await.unwrap();
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "release, rolled back"]);
    recorder.assert_at_rest();
}

/// rule 37
#[tokio::test]
async fn a_pin_dropped_at_any_poll_releases_its_session_once_and_last() {
    for polls in 0.. {
        let recorder = Recorder::of(1);
        recorder.set_latency(1);
        let body = async || {
            recorder.write(1).await?;
            recorder.atomic(async || recorder.write(2).await).await?;
            recorder.write(3).await
        };
        let out = poll_and_drop(polls, recorder.pinned(body)).await;
        settle().await;
        recorder.assert_at_rest();
        let log = recorder.log();
        assert_eq!(log.iter().filter(|step| step.starts_with("release")).count(), usize::from(polls > 0));
        if out.is_some() {
            assert_eq!(log, ["write 1", "BEGIN", "write 2", "COMMIT", "write 3", "release"]);
            break;
        }
    }
}

/// rule 20
#[tokio::test]
async fn a_mark_ends_with_its_transaction() {
    let recorder = Recorder::of(1);
    let ended = recorder.pinned(async || {
        let quiet = recorder.atomic(async || {
            recorder.frame().unwrap().set_rollback_only(false)?;
            recorder.write(1).await
        });
        quiet.await?;
        for _ in 0..2 {
            let marked = recorder.atomic(async || {
                let _ = recorder.joined(async { Err::<(), _>(Error::new(ErrorKind::NoRow, "none")) }).await;
                Ok(())
            });
            assert_eq!(marked.await.unwrap_err().kind(), ErrorKind::UnexpectedRollback);
        }
        recorder.atomic(async || recorder.write(2).await).await
    });
    ended.await.unwrap();
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "ROLLBACK", "BEGIN", "write 2", "COMMIT", "release"]);
    recorder.assert_at_rest();
}
