//! Models of the wait queue of a pool, for loom: slots that are passed on, waiters that give up, and the close, in all
//! interleavings. Slots have no connections here. `just loom` runs them.

use std::task::Waker;

use loom::thread;

use super::*;
use crate::primitives::model;

fn queue(slots: usize) -> Arc<WaitQueue> {
    let policy = IdlePolicy { min: 0, idle_timeout: None, max_lifetime: None };
    Arc::new(WaitQueue::new(slots, policy, Arc::default()))
}

fn granted(queue: &Arc<WaitQueue>) -> Slot {
    match queue.ask() {
        Request::Granted(slot) => slot,
        Request::Later(_) | Request::Closed => panic!("a slot is free"),
    }
}

fn waiting(queue: &Arc<WaitQueue>) -> Waiting {
    match queue.ask() {
        Request::Later(waiting) => waiting,
        Request::Granted(_) | Request::Closed => panic!("no slot is free, and the queue is open"),
    }
}

/// What a waiter has: `None` if it waits still.
fn poll(waiting: &mut Waiting) -> Option<Option<Slot>> {
    match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

/// rule 59: a slot goes on to the next waiter, whether the first one gives up before it or after it
#[test]
fn a_waiter_that_gives_up_loses_no_slot() {
    model(|| {
        let queue = queue(1);
        let slot = granted(&queue);
        let (first, mut second) = (waiting(&queue), waiting(&queue));
        let returning = thread::spawn(move || drop(slot));
        drop(first);
        returning.join().unwrap();
        let slot = poll(&mut second).expect("it waits for ever").expect("the queue is open");
        drop(slot);
        drop(granted(&queue));
    });
}

/// rule 59: of two slots that come back at once both waiters have one
#[test]
fn each_waiter_has_a_slot_in_the_end() {
    model(|| {
        let queue = queue(2);
        let (one, other) = (granted(&queue), granted(&queue));
        let (mut first, mut second) = (waiting(&queue), waiting(&queue));
        let returning = thread::spawn(move || drop(one));
        drop(other);
        returning.join().unwrap();
        let slots = [poll(&mut first), poll(&mut second)];
        assert!(slots.iter().all(|slot| matches!(slot, Some(Some(_)))));
    });
}

/// rule 59: a request that comes with a slot that comes back has it or is in the queue, behind nobody
#[test]
fn a_request_that_meets_a_slot_has_it() {
    model(|| {
        let queue = queue(1);
        let slot = granted(&queue);
        let returning = thread::spawn(move || drop(slot));
        let came = queue.ask();
        returning.join().unwrap();
        match came {
            Request::Granted(_) => {}
            Request::Later(mut waiting) => assert!(matches!(poll(&mut waiting), Some(Some(_)))),
            Request::Closed => panic!("the queue is open"),
        }
    });
}

/// rules 34 and 58: the close rejects each waiter, and no slot is granted after it
#[test]
fn the_close_leaves_nobody_waiting() {
    model(|| {
        let queue = queue(1);
        let slot = granted(&queue);
        let mut first = waiting(&queue);
        let closing = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.close()
        });
        let came = queue.ask();
        drop(slot);
        closing.join().unwrap();
        assert!(poll(&mut first).is_some(), "the first waits for ever");
        if let Request::Later(mut waiting) = came {
            assert!(poll(&mut waiting).is_some(), "the second waits for ever");
        }
        assert!(matches!(queue.ask(), Request::Closed));
    });
}
