//! Errands: whoever begins one, whoever comes, and whoever goes, it is seen through, and its answer goes to its beginner.

use std::{future::pending, time::Duration};

use futures_util::{FutureExt as _, poll};
use tokio::{sync::oneshot, task::yield_now, time::timeout};

use super::*;

type Number = u32;

/// An errand that ends when it is told to: with 7, and the turn 1.
fn in_flight(
    ended: oneshot::Receiver<()>,
    runtime: &Handle,
) -> (Arc<InFlight<Number, Number>>, Owner<'_, Number, Number>) {
    begin(ended.map(|_| (7, 1)).boxed(), runtime)
}

/// rule 2: nothing is woken but the task that waits, and that once
#[tokio::test]
async fn an_errand_that_nobody_else_cares_for_is_its_beginners() {
    let (runtime, (end, ended)) = (Handle::current(), oneshot::channel());
    let (in_flight, mut owner) = in_flight(ended, &runtime);
    assert!(poll!(&mut owner).is_pending());
    end.send(()).expect("it waits");
    assert_eq!(owner.await, Some((7, Some(1))));
    assert_eq!(in_flight.finish(|| true).await, None, "nothing is left of it");
}

/// rule 37: the answer is read to its end, by a task of its own, and the turn is free
#[tokio::test]
async fn an_errand_goes_on_without_its_beginner() {
    let (runtime, (end, ended), (tell, told)) = (Handle::current(), oneshot::channel(), oneshot::channel::<()>());
    // The turn is given up when this is dropped.
    let (_errand, mut owner) = begin(ended.map(move |_: Result<(), _>| (7, tell)).boxed(), &runtime);
    assert!(poll!(&mut owner).is_pending());
    drop(owner);
    end.send(()).expect("somebody waits");
    timeout(Duration::from_secs(5), told).await.expect("it is seen through").expect_err("the turn is dropped");
}

/// rule 38: whoever waits for the connection sees the errand of a future through that nobody polls; its answer stays
#[tokio::test]
async fn an_errand_is_seen_through_by_whoever_needs_its_end() {
    for is_due in [true, false] {
        let (runtime, (end, ended)) = (Handle::current(), oneshot::channel());
        let (in_flight, mut owner) = in_flight(ended, &runtime);
        assert!(poll!(&mut owner).is_pending());
        let mut other = Box::pin(in_flight.finish(move || is_due));
        assert!(poll!(&mut other).is_pending());
        end.send(()).expect("it waits");
        let taken = other.await;
        assert_eq!(taken, is_due.then_some(1));
        let left = (!is_due).then_some(1);
        assert_eq!(owner.await, Some((7, left)), "the beginner comes late, and finds its answer");
    }
}

/// rule 38: both wait; the other one gives up, and the beginner is not forgotten
#[tokio::test]
async fn a_beginner_is_woken_though_another_has_polled_and_gone() {
    for does_go in [true, false] {
        let (runtime, (end, ended)) = (Handle::current(), oneshot::channel());
        let (in_flight, owner) = in_flight(ended, &runtime);
        let owner = async { timeout(Duration::from_secs(5), owner).await.expect("it is woken") };
        // Polled behind the beginner, which waits by then.
        let other = async {
            let mut other = Box::pin(in_flight.finish(|| false));
            assert!(poll!(&mut other).is_pending());
            if does_go {
                drop(other);
            } else {
                tokio::spawn(other);
            }
            // The beginner has its turn, and joins.
            yield_now().await;
            end.send(()).expect("it waits");
        };
        assert_eq!(tokio::join!(owner, other).0, Some((7, Some(1))));
    }
}

/// rule 38: the beginner is dropped while another sees the errand through, and that one is dropped too
#[tokio::test]
async fn an_errand_outlives_both() {
    let (runtime, (end, ended), (tell, told)) = (Handle::current(), oneshot::channel(), oneshot::channel::<()>());
    let (in_flight, mut owner) = begin(ended.map(move |_: Result<(), _>| (7, tell)).boxed(), &runtime);
    assert!(poll!(&mut owner).is_pending());
    let mut other = Box::pin(in_flight.finish(|| true));
    assert!(poll!(&mut other).is_pending());
    drop(owner);
    drop(other);
    end.send(()).expect("somebody waits");
    timeout(Duration::from_secs(5), told).await.expect("it is seen through").expect_err("the turn is dropped");
}

/// rule 41: a panic reaches the beginner, nobody polls the rest, and the turn is given up
#[tokio::test]
async fn an_errand_that_panics_is_over() {
    let runtime = Handle::current();
    let (in_flight, owner) = begin::<Number, Number>(async { panic!("as it must") }.boxed(), &runtime);
    std::panic::AssertUnwindSafe(owner).catch_unwind().await.expect_err("the panic comes through");
    assert_eq!(in_flight.finish(|| true).await, None);
}

/// An errand whose connection is gone is not kept alive by itself.
#[tokio::test]
async fn an_errand_does_not_hold_itself() {
    let runtime = Handle::current();
    let (in_flight, mut owner) = begin::<Number, Number>(pending().boxed(), &runtime);
    assert!(poll!(&mut owner).is_pending());
    let weak = Arc::downgrade(&in_flight);
    drop(in_flight.join(true));
    owner.is_finished = true;
    drop((owner, in_flight));
    assert!(weak.upgrade().is_none());
}
