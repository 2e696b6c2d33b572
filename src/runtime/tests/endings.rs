//! Endings that fail or are dropped half-way: the answer of each impact, and one release of the session in every case.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use super::fake::{Injected, Recorder, poll_and_drop, settle};
use crate::{
    error::{Error, ErrorKind},
    transaction::impact::Impact,
};

const IMPACTS: [Impact; 6] =
    [Impact::None, Impact::Block, Impact::Refused, Impact::Transaction, Impact::Connection, Impact::NotSent];

fn by_request(impact: Impact) -> String {
    format!("{impact:?} by request")
}

/// rules 16, 19, 33
#[tokio::test]
async fn a_commit_that_fails_returns_its_error_and_keeps_nothing() {
    for impact in IMPACTS {
        let recorder = Recorder::of(1);
        recorder.inject(1, Injected::Fails(impact));
        let ended = recorder.atomic(async || recorder.write(1).await).await;
        assert_eq!(ended.unwrap_err().to_string(), by_request(impact));
        assert_eq!(recorder.log(), ["BEGIN", "write 1", "COMMIT", "release"]);
        assert_eq!(recorder.committed(), [].into());
        recorder.assert_at_rest();
    }
}

/// rule 15
#[tokio::test]
async fn a_rollback_that_fails_does_not_mask_the_error_of_the_body() {
    for impact in IMPACTS {
        let recorder = Recorder::of(1);
        recorder.inject(1, Injected::Fails(impact));
        let ended = recorder.atomic(async || {
            recorder.write(1).await?;
            Err::<(), _>(Error::new(ErrorKind::NoRow, "the body's own error"))
        });
        assert_eq!(ended.await.unwrap_err().to_string(), "the body's own error");
        let log = recorder.log();
        assert_eq!(log[..3], ["BEGIN", "write 1", "ROLLBACK"]);
        assert_eq!(recorder.committed(), [].into());
        recorder.assert_at_rest();
    }
}

/// rule 15
#[tokio::test]
async fn a_pinned_session_is_not_used_on_after_a_rollback_that_failed() {
    for impact in IMPACTS {
        let recorder = Recorder::of(1);
        recorder.inject(1, Injected::Fails(impact));
        let pinned = recorder.pinned(async || {
            let inner = recorder.atomic(async || {
                recorder.write(1).await?;
                Err::<(), _>(Error::new(ErrorKind::NoRow, "the body's own error"))
            });
            assert_eq!(inner.await.unwrap_err().kind(), ErrorKind::NoRow);
            assert_eq!(recorder.write(2).await.unwrap_err().kind(), ErrorKind::ConnectionLost, "{impact:?}");
            let next = recorder.atomic(async || recorder.write(3).await).await;
            assert_eq!(next.unwrap_err().kind(), ErrorKind::ConnectionLost);
            Ok(())
        });
        pinned.await.unwrap();
        assert_eq!(recorder.log()[..3], ["BEGIN", "write 1", "ROLLBACK"]);
        assert_eq!(recorder.flights(), 2);
        recorder.assert_at_rest();
    }
}

/// rules 19, 31, 33
#[tokio::test]
async fn what_the_error_of_a_statement_leaves_of_the_transaction() {
    for impact in IMPACTS {
        let recorder = Recorder::of(1);
        recorder.inject(1, Injected::Fails(impact));
        let ended = recorder.atomic(async || {
            recorder.write(1).await?;
            // What a refusal comes from is told, should it be known: here it is not.
            let told = match impact {
                Impact::Refused => format!("the block was aborted by an earlier error: {}", by_request(impact)),
                _ => by_request(impact),
            };
            assert_eq!(recorder.write(2).await.unwrap_err().to_string(), told);
            recorder.write(3).await
        });
        let ended = ended.await.map_err(|error| error.kind());
        let log = recorder.log();
        let (expected, end): (_, &[&str]) = match impact {
            Impact::None => (Ok(()), &["write 3", "COMMIT", "release"]),
            Impact::Block | Impact::Refused | Impact::GivenUp | Impact::Transaction => {
                (Err(ErrorKind::Aborted), &["ROLLBACK", "release"])
            }
            Impact::Connection | Impact::NotSent => (Err(ErrorKind::ConnectionLost), &["release"]),
        };
        assert_eq!(ended, expected, "{impact:?}");
        assert_eq!(log[..3], ["BEGIN", "write 1", "write 2"]);
        assert_eq!(log[3..], *end, "{impact:?}");
        assert_eq!(recorder.committed(), if expected.is_ok() { [1, 3].into() } else { [].into() });
        recorder.assert_at_rest();
    }
}

/// rules 17, 18, 32
#[tokio::test]
async fn a_swallowed_error_commits_nothing_unless_the_statement_alone_failed() {
    for impact in IMPACTS {
        let recorder = Recorder::of(1);
        recorder.inject(1, Injected::Fails(impact));
        let ended = recorder.atomic(async || {
            recorder.write(1).await?;
            let inner = recorder.atomic(async || {
                let _swallowed = recorder.write(2).await;
                Ok(())
            });
            Ok(inner.await.map_err(|error| error.kind()))
        });
        let (inner, ended) = match ended.await {
            Ok(inner) => (inner, Ok(())),
            Err(error) => (Err(ErrorKind::RolledBack), Err(error.kind())),
        };
        let whole = matches!(impact, Impact::None | Impact::Block | Impact::Refused);
        assert_eq!(ended, if whole { Ok(()) } else { Err(ErrorKind::RolledBack) }, "{impact:?}");
        assert_eq!(inner, if impact == Impact::None { Ok(()) } else { Err(ErrorKind::RolledBack) }, "{impact:?}");
        assert_eq!(recorder.committed(), if whole { [1].into() } else { [].into() });
        recorder.assert_at_rest();
    }
}

/// rules 37, 40
#[tokio::test]
async fn dropped_at_any_poll_a_block_keeps_all_or_nothing() {
    for fails in [false, true] {
        let mut outcomes = [0; 3];
        for polls in 0.. {
            let recorder = Recorder::of(1);
            recorder.set_latency(2);
            let out = poll_and_drop(
                polls,
                recorder.atomic(async || {
                    recorder.write(1).await?;
                    recorder.atomic(async || recorder.write(2).await).await?;
                    if fails { Err(Error::new(ErrorKind::NoRow, "the body's own error")) } else { Ok(()) }
                }),
            )
            .await;
            settle().await;
            let log = recorder.log();
            let committing = log.contains(&"COMMIT".to_owned());
            assert_eq!(recorder.committed(), if committing { [1, 2].into() } else { [].into() });
            recorder.assert_at_rest();
            match (&out, log.iter().any(|step| step == "COMMIT" || step == "ROLLBACK")) {
                (None, false) => outcomes[0] += 1,
                (None, true) => outcomes[1] += 1,
                (Some(_), _) => {
                    outcomes[2] += 1;
                    break;
                }
            }
        }
        assert!(outcomes[0] > 4 && outcomes[1] > 1 && outcomes[2] == 1, "{outcomes:?}");
    }
}

/// rules 40, 41
#[tokio::test]
async fn a_session_that_panics_is_released_once() {
    for (flight, fails) in [(0, false), (1, false), (1, true)] {
        let recorder = Recorder::of(1);
        recorder.inject(flight, Injected::Panics);
        let ended = recorder.atomic(async || {
            recorder.write(1).await?;
            if fails { Err(Error::new(ErrorKind::NoRow, "the body's own error")) } else { Ok(()) }
        });
        assert!(AssertUnwindSafe(ended).catch_unwind().await.is_err());
        assert_eq!(recorder.log().iter().filter(|step| step.starts_with("release")).count(), 1);
        recorder.assert_at_rest();
    }
}

/// rule 44
#[test]
fn a_commit_under_way_at_the_end_of_the_runtime_releases_its_session() {
    let recorder = Recorder::of(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    recorder.inject(1, Injected::NeverAnswers);
    let out = runtime.block_on(poll_and_drop(5, recorder.atomic(async || recorder.write(1).await)));
    assert!(out.is_none());
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "COMMIT"]);
    drop(runtime);
    assert_eq!(recorder.log(), ["release"]);
    recorder.assert_at_rest();
}

/// rule 34
#[tokio::test]
async fn a_session_that_is_taken_away_ends_its_blocks_in_errors() {
    for kind in [ErrorKind::Closed, ErrorKind::ConnectionLost] {
        let recorder = Recorder::of(1);
        let ended = recorder.atomic(async || {
            recorder.write(1).await?;
            recorder.frame().unwrap().session_state().lose(Error::new(kind, "taken away"));
            assert_eq!(recorder.write(2).await.unwrap_err().kind(), kind);
            let inner = recorder.atomic(async || Ok(())).await;
            assert_eq!(inner.unwrap_err().kind(), kind);
            Ok(())
        });
        let expected = if kind == ErrorKind::Closed { kind } else { ErrorKind::RolledBack };
        assert_eq!(ended.await.unwrap_err().kind(), expected);
        assert_eq!(recorder.log(), ["BEGIN", "write 1", "release, rolled back"]);
        recorder.assert_at_rest();
    }
}
