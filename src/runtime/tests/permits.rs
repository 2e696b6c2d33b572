//! Turns: shared by the statements of a frame, alone for a child, in order of arrival; late ones end in an error.

use std::{cell::RefCell, sync::Arc, task::Poll, time::Duration};

use futures_util::future::{join, join3};

use super::{
    super::{
        Block, Context, Frame, Origin,
        lock::{LockMode, Lockable as _},
        permit::Permit,
    },
    fake::{Fake, Injected, Recorder, TURN_TIMEOUT, poll_once},
};
use crate::{error::ErrorKind, runtime::Scope, transaction::control::Settings};

async fn named(recorder: &Recorder, name: &str) -> Block<Fake> {
    let session = || recorder.session();
    Block::root(&Context::default(), None, Settings::default(), Origin::named(name), session)
        .unwrap()
        .block()
        .await
        .unwrap()
}

fn is_at_rest(frame: &Frame<Fake>) -> bool {
    frame.lock().is_at_rest()
}

/// rule 8
#[tokio::test]
async fn statements_of_one_frame_share_the_turn() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let (first, second) = (root.frame().statement().await.unwrap(), root.frame().statement().await.unwrap());
    assert!(!is_at_rest(root.frame()));
    drop((first, second));
    assert!(is_at_rest(root.frame()));
}

/// rule 9
#[tokio::test]
async fn a_statement_of_the_parent_waits_while_a_child_is_open() {
    let recorder = Recorder::of(1);
    recorder.set_latency(1);
    let wrote = recorder.atomic(async || {
        let child = recorder.atomic(async || {
            recorder.write(1).await?;
            tokio::task::yield_now().await;
            recorder.write(2).await
        });
        join3(child, recorder.write(3), recorder.atomic(async || recorder.write(4).await)).await.0
    });
    wrote.await.unwrap();
    let expected = [
        "BEGIN",
        "SAVEPOINT _n1",
        "write 1",
        "write 2",
        "RELEASE _n1",
        "write 3",
        "SAVEPOINT _n1",
        "write 4",
        "COMMIT",
        "release",
    ];
    assert_eq!(recorder.log(), expected);
    recorder.assert_at_rest();
}

/// rules 8, 9
#[tokio::test]
async fn turns_come_in_order_of_arrival() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let frame = root.frame();
    let order = RefCell::new(Vec::new());
    let take = async |which: usize, alone: bool| {
        let (mut single, mut shared) = (None, None);
        if alone {
            single = Some(frame.alone("a stream").await.unwrap());
        } else {
            shared = Some(frame.statement().await.unwrap());
        }
        order.borrow_mut().push(which);
        tokio::task::yield_now().await;
        drop((single, shared));
    };
    // The third could share with the first, but would pass the second by; so could the fifth.
    let early = join3(take(0, false), take(1, true), take(2, false));
    join(early, join(take(3, true), take(4, false))).await;
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    assert!(is_at_rest(frame));
}

/// rule 9
#[tokio::test(start_paused = true)]
async fn a_turn_that_does_not_come_ends_in_an_error_that_names_both_blocks() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let child =
        Block::savepoint(&root.context(), root.frame(), None, Origin::named("stuck")).unwrap().block().await.unwrap();
    let before = tokio::time::Instant::now();
    let late = root.frame().statement().await.unwrap_err();
    assert_eq!(before.elapsed().as_secs(), TURN_TIMEOUT.as_secs());
    assert_eq!(late.kind(), ErrorKind::TurnTimeout);
    let id = root.frame().observe().id;
    let holder = "which the block \"stuck\" at depth 2 holds";
    assert_eq!(
        late.to_string(),
        format!("a statement waited 7s for its turn in the block \"outer\" at depth 1 of #{id}, {holder}")
    );
    let sibling = Block::savepoint(&root.context(), root.frame(), None, Origin::named("late"))
        .unwrap()
        .block()
        .await
        .unwrap_err();
    assert_eq!(
        sibling.to_string(),
        format!(
            "the block \"late\" at depth 2 waited 7s for its turn in the block \"outer\" at depth 1 of #{id}, {holder}"
        )
    );
    drop(child);
    // The parent is none the worse for it, and whoever is late next is told of what holds it now.
    let held = root.frame().statement().await.unwrap();
    let late = root.frame().alone("a stream").await.unwrap_err();
    assert!(late.to_string().ends_with("which statements under way holds"), "{late}");
    drop(held);
    assert!(is_at_rest(root.frame()));
}

/// rules 5, 9
#[tokio::test(start_paused = true)]
async fn a_block_whose_statement_does_not_end_is_rolled_back() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let context = root.context();
    recorder.inject(0, Injected::NeverAnswers);
    let mut stuck = Box::pin(Scope::new(context, recorder.write(1)));
    assert!(poll_once(&mut stuck).is_pending());
    let late = root.commit().await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TurnTimeout);
    assert!(late.to_string().starts_with("the end of the block waited 7s"), "{late}");
    assert!(late.to_string().ends_with("which statements under way holds"), "{late}");
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "release, rolled back"]);
    drop(stuck);
    assert_eq!(recorder.committed(), [].into());
}

/// rule 9
#[tokio::test]
async fn waiters_that_are_dropped_leave_no_trace() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let frame = root.frame();
    let held = frame.statement().await.unwrap();
    let context = root.context();
    let mut child = Box::pin(Block::savepoint(&context, frame, None, Origin::default()).unwrap().block());
    let mut behind = Box::pin(frame.statement());
    assert!(poll_once(&mut child).is_pending() && poll_once(&mut behind).is_pending());
    drop(child);
    let Poll::Ready(shared) = poll_once(&mut behind) else { panic!("nobody is in its way any more") };
    drop((shared, held));
    assert!(is_at_rest(frame));
    assert_eq!(recorder.tally().owed, 1, "the dropped child has owed nothing");
}

/// rule 9
#[tokio::test]
async fn whoever_is_dropped_before_hearing_of_its_turn_gives_it_up() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let frame = root.frame();
    for alone in [true, false] {
        let held = frame.alone("a stream").await.unwrap();
        let mut unheard = Box::pin(async {
            if alone { frame.alone("a stream").await.map(drop) } else { frame.statement().await.map(drop) }
        });
        let mut behind = Box::pin(frame.alone("a stream"));
        assert!(poll_once(&mut unheard).is_pending() && poll_once(&mut behind).is_pending());
        drop(held);
        // It has the turn, and has not been polled since.
        assert!(poll_once(&mut behind).is_pending() && !is_at_rest(frame));
        drop(unheard);
        let Poll::Ready(turn) = poll_once(&mut behind) else { panic!("nobody is in its way any more") };
        drop(turn);
        assert!(is_at_rest(frame));
    }
}

/// rule 6
#[tokio::test]
async fn the_end_of_a_block_sends_those_away_who_wait() {
    let recorder = Recorder::of(1);
    let root = named(&recorder, "outer").await;
    let frame = Arc::clone(root.frame());
    let held = frame.alone("a stream").await.unwrap();
    let mut waiting = Box::pin(frame.statement());
    assert!(poll_once(&mut waiting).is_pending());
    drop(root);
    let Poll::Ready(Err(away)) = poll_once(&mut waiting) else { panic!("it waits on") };
    assert_eq!(away.kind(), ErrorKind::FrameClosed);
    assert_eq!(frame.statement().await.unwrap_err().kind(), ErrorKind::FrameClosed);
    drop(held);
    assert!(is_at_rest(&frame));
}

/// rule 11
#[test]
fn waiting_for_a_turn_outside_a_runtime_is_an_error() {
    let recorder = Recorder::of(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let root = runtime.block_on(named(&recorder, "outer"));
    let held = runtime.block_on(root.frame().alone("a stream")).unwrap();
    let refused = futures_util::FutureExt::now_or_never(root.frame().statement()).expect("it does not wait");
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NoRuntime);
    drop(held);
    let shared = futures_util::FutureExt::now_or_never(Permit::acquire(&**root.frame(), LockMode::Shared));
    assert!(shared.expect("it is free").is_ok());
    assert!(TURN_TIMEOUT > Duration::ZERO && is_at_rest(root.frame()));
}
