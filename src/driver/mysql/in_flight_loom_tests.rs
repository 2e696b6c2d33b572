//! Models of a command under way, for loom: all interleavings of the owner, of something else that waits for the
//! connection, and of the answer. `just loom` runs them.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering},
};

use loom::{future::block_on, thread};

use super::*;
use crate::primitives::model;

/// A server: the command is pending until it has answered.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Answering>>);

#[derive(Default)]
struct Answering {
    has_answered: bool,
    waker: Option<Waker>,
}

impl Server {
    fn answer(&self) {
        let mut answering = self.0.lock().unwrap();
        answering.has_answered = true;
        let waker = answering.waker.take();
        drop(answering);
        waker.into_iter().for_each(Waker::wake);
    }

    /// A command whose answer is 7.
    fn work(&self, guard: Guard) -> Work<u32, Guard> {
        let server = self.clone();
        Box::pin(async move {
            poll_fn(|cx| {
                let mut answering = server.0.lock().unwrap();
                if answering.has_answered {
                    return Poll::Ready(());
                }
                let replaced = answering.waker.replace(cx.waker().clone());
                drop(answering);
                drop(replaced);
                Poll::Pending
            })
            .await;
            (7, guard)
        })
    }
}

/// The guard of a connection. There is one, and it is dropped once.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn guard() -> (Guard, impl Fn() -> usize) {
    let drops = Arc::<AtomicUsize>::default();
    (Guard(Arc::clone(&drops)), move || drops.load(Ordering::SeqCst))
}

/// The tasks of a runtime, which the thread runs that has dropped the owner.
#[derive(Default)]
struct Tasks(std::sync::Mutex<Vec<BoxFuture<'static, ()>>>);

impl Detach for Tasks {
    fn detach(&self, rest: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap().push(Box::pin(rest));
    }
}

impl Tasks {
    fn run(&self) {
        let tasks = mem::take(&mut *self.0.lock().unwrap());
        tasks.into_iter().for_each(block_on);
    }
}

/// Polls once, with the waker of the thread.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))))
}

#[test]
fn the_owner_alone_gets_the_answer_and_the_guard() {
    model(|| {
        let (server, tasks, (guard, drops)) = (Server::default(), Tasks::default(), guard());
        let (_in_flight, owner) = begin(server.work(guard), &tasks);
        let answering = thread::spawn(move || server.answer());
        let (answer, guard) = block_on(owner).expect("it does not panic");
        assert_eq!((answer, guard.is_some(), drops()), (7, true, 0));
        answering.join().unwrap();
    });
}

#[test]
fn the_guard_is_handed_out_once() {
    for is_due in [true, false] {
        model(move || {
            let (server, (guard, drops)) = (Server::default(), guard());
            let tasks = Tasks::default();
            let (in_flight, owner) = begin(server.work(guard), &tasks);
            let other = thread::spawn(move || block_on(in_flight.finish(move || is_due)));
            let answering = thread::spawn(move || server.answer());
            let (answer, left) = block_on(owner).expect("it does not panic");
            let taken = other.join().unwrap();
            answering.join().unwrap();
            assert_eq!(answer, 7);
            assert!(is_due || taken.is_none());
            assert!(taken.is_some() != left.is_some());
            assert_eq!(drops(), 0);
            drop((taken, left));
            assert_eq!(drops(), 1);
        });
    }
}

#[test]
fn an_owner_that_is_not_polled_keeps_nothing_waiting() {
    model(|| {
        let (server, tasks, (guard, drops)) = (Server::default(), Tasks::default(), guard());
        let (in_flight, mut owner) = begin(server.work(guard), &tasks);
        assert!(poll_once(&mut owner).is_pending());
        let answering = thread::spawn(move || server.answer());
        let taken = block_on(in_flight.finish(|| true));
        assert!(taken.is_some());
        answering.join().unwrap();
        let (answer, left) = block_on(owner).expect("it does not panic");
        assert_eq!((answer, left.is_some(), drops()), (7, false, 0));
    });
}

#[test]
fn a_waiter_that_gives_up_leaves_the_owner_its_answer() {
    model(|| {
        let (server, tasks, (guard, drops)) = (Server::default(), Tasks::default(), guard());
        let (in_flight, owner) = begin(server.work(guard), &tasks);
        let other = thread::spawn(move || {
            let mut other = Box::pin(in_flight.finish(|| false));
            assert!(matches!(poll_once(&mut other), Poll::Pending | Poll::Ready(None)));
        });
        let answering = thread::spawn(move || server.answer());
        let (answer, guard) = block_on(owner).expect("it does not panic");
        assert_eq!((answer, guard.is_some(), drops()), (7, true, 0));
        other.join().unwrap();
        answering.join().unwrap();
    });
}

#[test]
fn a_command_whose_owner_is_dropped_ends() {
    model(|| {
        let (server, tasks, (guard, drops)) = (Server::default(), Tasks::default(), guard());
        let (in_flight, mut owner) = begin(server.work(guard), &tasks);
        let answering = thread::spawn(move || server.answer());
        let _ = poll_once(&mut owner);
        drop(owner);
        tasks.run();
        assert_eq!(drops(), 1, "the connection is free");
        answering.join().unwrap();
        drop(in_flight);
    });
}

#[test]
fn a_command_whose_owner_is_dropped_while_another_waits_ends_for_both() {
    model(|| {
        let (server, tasks, (guard, drops)) = (Server::default(), Tasks::default(), guard());
        let (in_flight, mut owner) = begin(server.work(guard), &tasks);
        let answering = thread::spawn(move || server.answer());
        let other = thread::spawn(move || block_on(in_flight.finish(|| true)));
        let _ = poll_once(&mut owner);
        drop(owner);
        tasks.run();
        let taken = other.join().unwrap();
        answering.join().unwrap();
        // Taken ahead of the owner's drop, or dropped with the answer that has no owner.
        assert_eq!(drops(), usize::from(taken.is_none()));
        drop(taken);
        assert_eq!(drops(), 1);
    });
}
