//! Tests of the answer to control steps: who is woken, and how often.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use tokio::sync::oneshot;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// A task that polls an end of it.
struct Poller {
    end: Answered,
    woken: Arc<Count>,
}

impl Poller {
    fn new(end: Answered) -> Self {
        Self { end, woken: Arc::default() }
    }

    fn poll(&mut self) -> Option<bool> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.end.poll_unpin(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => Some(outcome.is_ok()),
            Poll::Pending => None,
        }
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::Acquire)
    }
}

fn pending() -> (oneshot::Sender<Outcome>, Answered) {
    let (tell, told) = oneshot::channel();
    (tell, Answered::new(async { told.await.unwrap_or_else(|_| Err(classify::unsent())) }.boxed()))
}

#[test]
fn whoever_waits_alone_is_woken_once() {
    let (tell, end) = pending();
    let mut alone = Poller::new(end);
    assert_eq!(alone.poll(), None);
    tell.send(Ok(())).unwrap();
    assert_eq!(alone.woken(), 1);
    assert_eq!(alone.poll(), Some(true));
    assert_eq!(alone.woken(), 1, "the end wakes nobody who is there already");
    assert_eq!((alone.poll(), Poller::new(alone.end.another()).poll()), (Some(true), Some(true)), "it is kept");
}

#[test]
fn all_who_wait_are_woken_by_the_end() {
    let (tell, end) = pending();
    let mut others = [end.another(), end.another()].map(Poller::new);
    let mut first = Poller::new(end);
    assert_eq!(first.poll(), None);
    assert_eq!(others.each_mut().map(Poller::poll), [None, None]);
    assert_eq!(first.woken(), 1, "it has to join them");
    assert_eq!(first.poll(), None);
    tell.send(Err(classify::unsent())).unwrap();
    assert!(first.woken() > 1 && others.iter().all(|other| other.woken() > 0));
    assert_eq!((first.poll(), others.each_mut().map(Poller::poll)), (Some(false), [Some(false); 2]));
}

/// rule 37: the flight that took the steps along is dropped, and the next one must know their answer
#[test]
fn the_answer_is_found_out_without_the_flight_that_began() {
    for polled in [false, true] {
        let (tell, end) = pending();
        let mut next = Poller::new(end.another());
        let mut first = Poller::new(end);
        if polled {
            assert_eq!(first.poll(), None);
        }
        drop(first);
        assert_eq!(next.poll(), None);
        tell.send(Ok(())).unwrap();
        assert_eq!((next.woken(), next.poll()), (1, Some(true)));
    }
}

/// One that joined and went away leaves the beginner awake.
#[test]
fn somebody_who_leaves_takes_no_wake_up_along() {
    let (tell, end) = pending();
    let mut other = Poller::new(end.another());
    let mut first = Poller::new(end);
    assert_eq!((first.poll(), other.poll()), (None, None));
    assert_eq!(first.poll(), None);
    drop(other);
    let before = first.woken();
    tell.send(Ok(())).unwrap();
    assert!(first.woken() > before);
    assert_eq!(first.poll(), Some(true));
}
