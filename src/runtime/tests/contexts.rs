//! Contexts: frames are found by their database, a fresh scope hides them, and hidden sessions are still counted.

use super::{
    super::{Context, Scope, Session as _, context::Listed as _},
    fake::{Fake, Recorder, current},
};
use crate::{error::Error, transaction::control::Settings};

fn fresh() -> Context<Fake> {
    current().unwrap_or_default().fresh()
}

fn count(recorder: usize) -> usize {
    current().unwrap_or_default().count_sessions(recorder, |_| true)
}

/// rule 1
#[tokio::test]
async fn a_frame_is_found_by_its_database() {
    let (one, two) = (Recorder::of(1), Recorder::of(2));
    one.atomic(async || {
        assert!(two.frame().is_none());
        two.atomic(async || {
            assert_eq!(one.frame().expect("it is open").depth(), 1);
            one.atomic(async || {
                assert_eq!((one.frame().unwrap().depth(), two.frame().unwrap().depth()), (2, 1));
                one.write(1).await
            })
            .await?;
            two.write(2).await
        })
        .await?;
        assert!(two.frame().is_none());
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(one.log(), ["BEGIN", "SAVEPOINT _n1", "write 1", "COMMIT", "release"]);
    assert_eq!(two.log(), ["BEGIN", "write 2", "COMMIT", "release"]);
    one.assert_at_rest();
    two.assert_at_rest();
}

/// rule 7
#[tokio::test]
async fn a_fresh_scope_hides_what_is_open_and_the_outer_context_is_as_it_was() {
    let one = Recorder::of(1);
    one.atomic(async || {
        let outer = one.frame().unwrap();
        Scope::new(fresh(), async {
            assert!(one.frame().is_none());
            one.atomic(async || {
                assert_eq!(one.frame().unwrap().depth(), 1);
                Ok(())
            })
            .await
        })
        .await?;
        assert!(std::sync::Arc::ptr_eq(&outer, &one.frame().unwrap()));
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    assert!(current().is_none());
    one.assert_at_rest();
}

/// rule 61
#[tokio::test]
async fn sessions_are_counted_once_each_through_any_number_of_hidden_scopes() {
    let (one, two) = (Recorder::of(1), Recorder::of(2));
    let scoped = async || {
        assert_eq!((count(1), count(2)), (1, 1));
        one.atomic(async || {
            assert_eq!(count(1), 2);
            // A fresh scope in a fresh one, with nothing open in between.
            let inner = Scope::new(fresh(), async { (count(1), count(2)) });
            assert_eq!(Scope::new(fresh(), inner).await, (2, 1));
            Scope::new(fresh(), async {
                one.atomic(async || {
                    assert_eq!((count(1), count(2)), (3, 1));
                    Ok(())
                })
                .await
            })
            .await
        })
        .await
    };
    one.atomic(async || {
        one.atomic(async || {
            assert_eq!(count(1), 1, "a savepoint is on the session of its root");
            two.atomic(async || Scope::new(fresh(), scoped()).await).await
        })
        .await
    })
    .await
    .unwrap();
    assert_eq!(count(1), 0);
    assert_eq!(current().unwrap_or_default().count_sessions(1, |_| true), 0);
    one.assert_at_rest();
}

/// rule 61
#[tokio::test]
async fn a_session_that_holds_nothing_is_not_counted() {
    let one = Recorder::of(1);
    one.atomic(async || {
        assert_eq!(current().unwrap().count_sessions(1, |_| false), 0);
        Ok(())
    })
    .await
    .unwrap();
}

/// rule 12
#[tokio::test]
async fn a_block_in_one_joined_future_is_not_seen_by_the_other() {
    let one = Recorder::of(1);
    let depth = || one.frame().map_or(0, |frame| frame.depth());
    one.atomic(async || {
        let inner = one.atomic(async || {
            tokio::task::yield_now().await;
            assert_eq!(depth(), 2);
            Ok(())
        });
        let beside = async {
            for _ in 0..4 {
                assert_eq!(depth(), 1);
                tokio::task::yield_now().await;
            }
        };
        futures_util::future::join(inner, beside).await.0
    })
    .await
    .unwrap();
    one.assert_at_rest();
}

/// rules 1, 28 and 61
#[tokio::test]
async fn a_suspended_session_is_not_found_and_still_counted() {
    let (one, two) = (Recorder::of(1), Recorder::of(2));
    let suspending = |database| current().unwrap_or_default().suspending(database);
    let depths = || [&one, &two].map(|recorder| recorder.frame().map_or(0, |frame| frame.depth()));
    one.atomic(async || {
        one.atomic(async || {
            two.atomic(async || {
                Scope::new(suspending(1), async {
                    assert_eq!((depths(), count(1), count(2)), ([0, 1], 1, 1));
                    one.atomic(async || {
                        assert_eq!((depths(), count(1)), ([1, 1], 2));
                        // Innermost of both, whichever is asked for first.
                        let innermost =
                            current().unwrap().innermost_of(&[2, 1]).map(|frame| frame.session().database());
                        assert_eq!(innermost, Some(1));
                        Scope::new(suspending(2), async {
                            assert_eq!(depths(), [1, 0]);
                            Scope::new(suspending(1), async {
                                assert_eq!((depths(), count(1), count(2)), ([0, 0], 2, 1));
                                assert!(current().unwrap().innermost_of(&[1, 2]).is_none());
                                assert!(current().unwrap().innermost_of_each().is_empty());
                            })
                            .await;
                            two.atomic(async || {
                                assert_eq!((depths(), count(2)), ([1, 1], 2));
                                Ok(())
                            })
                            .await
                        })
                        .await?;
                        one.write(1).await
                    })
                    .await
                })
                .await?;
                assert_eq!(depths(), [2, 1]);
                two.write(2).await
            })
            .await
        })
        .await
    })
    .await
    .unwrap();
    assert_eq!(depths(), [0, 0]);
    // Where nothing is open, nothing is suspended.
    Scope::new(suspending(1), async { assert_eq!(depths(), [0, 0]) }).await;
    assert_eq!(one.log(), ["BEGIN", "write 1", "COMMIT", "release", "release"]);
    one.assert_at_rest();
    two.assert_at_rest();
}

/// rules 7 and 55
#[test]
fn settings_of_transactions_are_inherited_and_overridden() {
    let of = |value: &str| Settings::default().with_local("app.tenant", value);
    let plain = Context::<Fake>::default();
    assert!(plain.settings().is_none() && plain.fresh().settings().is_none());
    let outer = plain.setting(&of("1").with_local("role", "r"));
    let inner = outer.fresh().setting(&of("2"));
    let value =
        |context: &Context<Fake>, key: &str| context.settings().and_then(|all| all.local(key)).map(str::to_owned);
    assert_eq!(value(&outer.fresh().fresh(), "app.tenant").as_deref(), Some("1"));
    assert_eq!(value(&inner, "app.tenant").as_deref(), Some("2"));
    assert_eq!(value(&inner.fresh(), "role").as_deref(), Some("r"), "what is not overridden stays");
    assert_eq!(value(&outer, "app.tenant").as_deref(), Some("1"), "outside it is as it was");
}
