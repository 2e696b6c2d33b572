//! The scope: its context is in place for each poll and while the body is dropped, and nowhere else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::Poll,
    thread,
};

use super::{
    super::{Block, Context, Origin, Scope},
    fake::{Fake, Recorder, current, poll_once},
};
use crate::transaction::control::Settings;

/// The context of a block that is left open, with the block.
async fn opened(recorder: &Recorder) -> (Block<Fake>, Context<Fake>) {
    let block = Block::root(&Context::default(), None, Settings::default(), Origin::default(), || recorder.session())
        .unwrap()
        .block()
        .await
        .unwrap();
    let context = block.context();
    (block, context)
}

fn depth(recorder: &Recorder) -> u32 {
    recorder.frame().map_or(0, |frame| frame.depth())
}

/// Writes down what is in place while it is dropped.
struct Dropped(Recorder, Arc<Mutex<Vec<u32>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(depth(&self.0));
    }
}

/// rule 7
#[tokio::test]
async fn the_context_is_in_place_for_each_poll_and_gone_after_it() {
    let recorder = Recorder::of(1);
    let (block, context) = opened(&recorder).await;
    let mut polls = 0;
    let mut scope = Box::pin(Scope::new(context, async {
        for _ in 0..3 {
            assert_eq!(depth(&recorder), 1);
            polls += 1;
            tokio::task::yield_now().await;
        }
    }));
    while poll_once(&mut scope).is_pending() {
        assert!(current().is_none());
    }
    assert!(current().is_none());
    drop(scope);
    assert_eq!(polls, 3);
    drop(block);
    recorder.assert_at_rest();
}

/// rule 7
#[tokio::test]
async fn the_context_is_in_place_while_the_body_is_dropped() {
    let recorder = Recorder::of(1);
    let (_block, context) = opened(&recorder).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let body = |ready: bool| {
        let held = Dropped(recorder.clone(), Arc::clone(&seen));
        async move {
            let _held = held;
            if !ready {
                std::future::pending::<()>().await;
            }
        }
    };
    drop(Scope::new(context.clone(), body(true)));
    let mut half_way = Box::pin(Scope::new(context.clone(), body(false)));
    assert!(poll_once(&mut half_way).is_pending());
    drop(half_way);
    // A future that outlives its end is dropped with the scope: there, too.
    let held = Dropped(recorder.clone(), Arc::clone(&seen));
    Scope::new(
        context,
        std::future::poll_fn(move |_| {
            let _ = &held;
            Poll::Ready(())
        }),
    )
    .await;
    assert_eq!(*seen.lock().unwrap(), [1, 1, 1]);
    assert!(current().is_none());
}

/// rules 7, 41
#[tokio::test]
async fn a_panic_in_the_body_leaves_the_outer_context_as_it_was() {
    let recorder = Recorder::of(1);
    let (_block, context) = opened(&recorder).await;
    let mut scope = Box::pin(Scope::new(context.clone(), async { panic!("the body panics") }));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll_once(&mut scope)));
    assert!(panicked.is_err() && current().is_none());
    drop(scope);
    let made = catch_unwind(AssertUnwindSafe(|| {
        drop(Scope::make(context.clone(), || -> std::future::Ready<()> { panic!("the closure panics") }));
    }));
    assert!(made.is_err() && current().is_none());
    let mut lazy = Box::pin(Scope::lazy(context, || -> std::future::Ready<()> { panic!("the closure panics") }));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll_once(&mut lazy)));
    assert!(panicked.is_err() && current().is_none());
    drop(lazy);
    assert!(current().is_none());
}

/// rule 7
#[tokio::test]
async fn a_body_is_made_inside_its_context() {
    let recorder = Recorder::of(1);
    let (_block, context) = opened(&recorder).await;
    let make = || std::future::ready(depth(&recorder));
    let inside = (Scope::make(context.clone(), make).await, Scope::lazy(context, make).await);
    assert_eq!((inside, depth(&recorder)), ((1, 1), 0));
}

/// rule 7
#[tokio::test]
async fn scopes_nest_and_an_inner_one_dropped_half_way_restores_the_outer() {
    let recorder = Recorder::of(1);
    let (_block, context) = opened(&recorder).await;
    Scope::new(context, async {
        let mut inner = Box::pin(Scope::new(current().unwrap().fresh(), async {
            assert_eq!(depth(&recorder), 0);
            std::future::pending::<()>().await;
        }));
        assert!(poll_once(&mut inner).is_pending());
        assert_eq!(depth(&recorder), 1);
        drop(inner);
        assert_eq!(depth(&recorder), 1);
    })
    .await;
    assert!(current().is_none());
}

/// rule 7
#[tokio::test]
async fn a_scope_takes_its_context_along_to_another_thread() {
    let recorder = Recorder::of(1);
    let (block, context) = opened(&recorder).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (theirs, notes) = (recorder.clone(), Arc::clone(&seen));
    let mut scope = Box::pin(Scope::new(context, async move {
        let held = Dropped(theirs, notes);
        loop {
            held.1.lock().unwrap().push(depth(&held.0));
            tokio::task::yield_now().await;
        }
    }));
    for _ in 0..2 {
        assert!(poll_once(&mut scope).is_pending() && current().is_none());
        scope = thread::spawn(move || {
            assert!(poll_once(&mut scope).is_pending() && current().is_none());
            scope
        })
        .join()
        .unwrap();
    }
    thread::spawn(move || drop(scope)).join().unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 1, 1, 1, 1]);
    drop(block);
    recorder.assert_at_rest();
}
