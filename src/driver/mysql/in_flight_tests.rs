//! A command under way is run to its end, whatever waits for it or goes, and its answer goes to its owner.

use std::{future::pending, time::Duration};

use futures_util::{FutureExt as _, poll};
use tokio::{sync::oneshot, task::yield_now, time::timeout};

use super::*;

type Number = u32;

/// A command that ends when it is told to, with the answer 7 and the guard 1.
fn in_flight(
    ended: oneshot::Receiver<()>,
    runtime: &Handle,
) -> (Arc<InFlight<Number, Number>>, Owner<'_, Number, Number>) {
    begin(ended.map(|_| (7, 1)).boxed(), runtime)
}

/// rule 2: nothing is woken but the task that waits, and that once
#[tokio::test]
async fn a_command_that_nothing_else_waits_for_is_its_owners() {
    let (runtime, (end, ended)) = (Handle::current(), oneshot::channel());
    let (in_flight, mut owner) = in_flight(ended, &runtime);
    assert!(poll!(&mut owner).is_pending());
    end.send(()).expect("it waits");
    assert_eq!(owner.await, Some((7, Some(1))));
    assert_eq!(in_flight.finish(|| true).await, None, "nothing is left of it");
}

/// rule 37: the answer is read to its end, by a task of its own, and the connection is free
#[tokio::test]
async fn a_command_goes_on_without_its_owner() {
    let (runtime, (end, ended), (tell, told)) = (Handle::current(), oneshot::channel(), oneshot::channel::<()>());
    // The guard is dropped with this.
    let (_in_flight, mut owner) = begin(ended.map(move |_: Result<(), _>| (7, tell)).boxed(), &runtime);
    assert!(poll!(&mut owner).is_pending());
    drop(owner);
    end.send(()).expect("somebody waits");
    timeout(Duration::from_secs(5), told).await.expect("it runs to its end").expect_err("the guard is dropped");
}

/// rule 38: what waits for the connection runs the command of a future that is not polled; its answer stays
#[tokio::test]
async fn a_command_is_run_to_its_end_by_what_waits_for_it() {
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
        assert_eq!(owner.await, Some((7, left)), "the owner comes late, and finds its answer");
    }
}

/// rule 38: both wait; the other one gives up, and the owner is not forgotten
#[tokio::test]
async fn an_owner_is_woken_though_another_has_polled_and_gone() {
    for does_go in [true, false] {
        let (runtime, (end, ended)) = (Handle::current(), oneshot::channel());
        let (in_flight, owner) = in_flight(ended, &runtime);
        let owner = async { timeout(Duration::from_secs(5), owner).await.expect("it is woken") };
        // Polled behind the owner, which waits by then.
        let other = async {
            let mut other = Box::pin(in_flight.finish(|| false));
            assert!(poll!(&mut other).is_pending());
            if does_go {
                drop(other);
            } else {
                tokio::spawn(other);
            }
            // The owner is polled, and registers.
            yield_now().await;
            end.send(()).expect("it waits");
        };
        assert_eq!(tokio::join!(owner, other).0, Some((7, Some(1))));
    }
}

/// rule 38: the owner is dropped while another runs the command, and that one is dropped too
#[tokio::test]
async fn a_command_outlives_both() {
    let (runtime, (end, ended), (tell, told)) = (Handle::current(), oneshot::channel(), oneshot::channel::<()>());
    let (in_flight, mut owner) = begin(ended.map(move |_: Result<(), _>| (7, tell)).boxed(), &runtime);
    assert!(poll!(&mut owner).is_pending());
    let mut other = Box::pin(in_flight.finish(|| true));
    assert!(poll!(&mut other).is_pending());
    drop(owner);
    drop(other);
    end.send(()).expect("somebody waits");
    timeout(Duration::from_secs(5), told).await.expect("it runs to its end").expect_err("the guard is dropped");
}

/// rule 41: a panic reaches the owner, the rest is not polled, and the guard is dropped
#[tokio::test]
async fn a_command_that_panics_is_over() {
    let runtime = Handle::current();
    let (in_flight, owner) = begin::<Number, Number, _>(async { panic!("as it must") }.boxed(), &runtime);
    std::panic::AssertUnwindSafe(owner).catch_unwind().await.expect_err("the panic comes through");
    assert_eq!(in_flight.finish(|| true).await, None);
}

/// A command whose connection is gone is not kept alive by itself.
#[tokio::test]
async fn a_command_does_not_hold_itself() {
    let runtime = Handle::current();
    let (in_flight, mut owner) = begin::<Number, Number, _>(pending().boxed(), &runtime);
    assert!(poll!(&mut owner).is_pending());
    let weak = Arc::downgrade(&in_flight);
    drop(in_flight.share(true));
    owner.is_finished = true;
    drop((owner, in_flight));
    assert!(weak.upgrade().is_none());
}

/// rule 41: a panic of a shared command reaches one that polls it, and the others learn that it is over
#[tokio::test]
async fn a_shared_command_that_panics_is_over_for_all() {
    let (runtime, (end, ended)) = (Handle::current(), oneshot::channel::<()>());
    let work = ended.map(|_| -> (Number, Number) { panic!("as it must") }).boxed();
    let (in_flight, mut owner) = begin(work, &runtime);
    assert!(poll!(&mut owner).is_pending());
    let mut other = Box::pin(in_flight.finish(|| true));
    assert!(poll!(&mut other).is_pending() && poll!(&mut owner).is_pending());
    end.send(()).expect("it waits");
    std::panic::AssertUnwindSafe(other).catch_unwind().await.expect_err("the panic comes through");
    assert_eq!(timeout(Duration::from_secs(5), owner).await.expect("it is woken"), None);
}
