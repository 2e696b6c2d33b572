//! The scheduler: bodies in a task of their own, and work that goes on after its caller was dropped.

use std::{
    future::pending,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;
use tokio::{runtime::Runtime, sync::oneshot};

use super::{
    super::spawn_in_fresh_context,
    fake::{Recorder, current, poll_and_drop, poll_once, settle},
};
use crate::{
    detach_on_drop::DetachOnDrop,
    error::{Error, ErrorKind},
};

/// Tells that it was dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// rule 10
#[tokio::test]
async fn a_spawned_body_has_a_task_and_a_fresh_context_of_its_own() {
    let recorder = Recorder::of(1);
    let caller = tokio::spawn(async move {
        let outside = tokio::task::id();
        let theirs = recorder.clone();
        let spawned = recorder.atomic(async || {
            let body = async move {
                let fresh = current().is_some() && theirs.frame().is_none();
                theirs.atomic(async || theirs.write(1).await).await.map(|()| (tokio::task::id(), fresh))
            };
            spawn_in_fresh_context::<_, super::fake::Fake>(body).await?
        });
        let (inside, fresh) = spawned.await.unwrap();
        assert!(fresh && inside != outside);
        recorder.log()
    });
    assert_eq!(caller.await.unwrap(), ["BEGIN", "write 1", "COMMIT", "release", "release"]);
}

/// rule 10
#[tokio::test]
async fn a_panic_of_a_spawned_body_comes_back() {
    let body = async { panic!("the body panics") };
    let panic = AssertUnwindSafe(spawn_in_fresh_context::<_, super::fake::Fake>(body));
    let payload = panic.catch_unwind().await.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the body panics"));
}

/// rules 10, 37
#[tokio::test]
async fn dropping_the_caller_aborts_the_spawned_body_and_rolls_back() {
    let recorder = Recorder::of(1);
    let theirs = recorder.clone();
    let body = async move {
        let open = theirs.atomic(async || {
            theirs.write(1).await?;
            pending::<Result<(), Error>>().await
        });
        open.await
    };
    assert!(poll_and_drop(5, spawn_in_fresh_context::<_, super::fake::Fake>(body)).await.is_none());
    settle().await;
    assert_eq!(recorder.log(), ["BEGIN", "write 1", "release, rolled back"]);
    recorder.assert_at_rest();
}

/// rules 11, 44
#[test]
fn without_a_runtime_and_after_its_end_spawning_is_an_error() {
    let spawn = || Box::pin(spawn_in_fresh_context::<_, super::fake::Fake>(pending::<()>()));
    let none = spawn().now_or_never().expect("it does not wait").unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NoRuntime);
    let runtime = runtime();
    let mut spawned = spawn();
    runtime.block_on(async {
        assert!(poll_once(&mut spawned).is_pending());
        tokio::task::yield_now().await;
    });
    drop(runtime);
    let ended = spawned.now_or_never().expect("its task is gone").unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::NoRuntime);
}

/// rule 40
#[tokio::test]
async fn work_that_must_outlive_its_caller_goes_on_after_a_drop() {
    let (go, gone) = oneshot::channel::<()>();
    let (done, end) = oneshot::channel();
    let mut work = DetachOnDrop::new(Box::pin(async move {
        gone.await.unwrap();
        done.send(7).unwrap();
    }));
    assert!(poll_once(&mut work).is_pending());
    drop(work);
    go.send(()).unwrap();
    assert_eq!(end.await, Ok(7));
}

/// rule 40
#[tokio::test]
async fn work_that_ended_in_place_is_not_run_again() {
    let mut work = DetachOnDrop::new(Box::pin(async { 7 }));
    let out = (&mut work).await;
    assert_eq!((out, format!("{work:?}").as_str()), (7, "DetachOnDrop { ended: true }"));
}

/// rule 40
#[test]
fn work_goes_on_if_it_is_dropped_on_a_thread_without_a_runtime() {
    let runtime = runtime();
    let (done, end) = oneshot::channel();
    let entered = runtime.enter();
    let mut work = DetachOnDrop::new(Box::pin(async move {
        tokio::task::yield_now().await;
        done.send(7).unwrap();
    }));
    assert!(poll_once(&mut work).is_pending());
    drop(entered);
    thread::spawn(move || drop(work)).join().unwrap();
    assert_eq!(runtime.block_on(end), Ok(7));
}

/// rule 44
#[test]
fn after_the_end_of_the_runtime_the_work_is_dropped_with_all_it_holds() {
    let runtime = runtime();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(Arc::clone(&dropped));
    let entered = runtime.enter();
    let work = DetachOnDrop::new(Box::pin(async move {
        let _flag = flag;
        pending::<()>().await;
    }));
    drop(entered);
    drop(runtime);
    drop(work);
    assert!(dropped.load(Ordering::SeqCst));
}
