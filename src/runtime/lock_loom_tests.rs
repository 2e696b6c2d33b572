//! Models of the lock of a frame, for loom: requests, releases, waiters that give up, and the close, in all interleavings.
//! `just loom` runs them.

use loom::{sync::Arc as Shared, thread};
use tokio::sync::oneshot::{Receiver, error::TryRecvError};

use super::*;
use crate::primitives::model;

type Lock = FrameLock<()>;

fn exclusive() -> LockMode<()> {
    LockMode::Exclusive(Holder::Named("a model"))
}

/// Queues up behind a holder.
fn queue_up(lock: &Lock, mode: LockMode<()>) -> (u64, Receiver<()>) {
    match lock.acquire(mode) {
        Acquired::Later { number, granted, .. } => (number, granted),
        Acquired::Now | Acquired::Closed => panic!("the lock is held, and open"),
    }
}

fn hold(lock: &Lock, mode: LockMode<()>) {
    assert!(matches!(lock.acquire(mode), Acquired::Now));
}

/// rule 9: the grant goes on to the next waiter, whether the first one gives up before it or after it
#[test]
fn a_waiter_that_gives_up_loses_no_grant() {
    model(|| {
        let lock = Shared::new(Lock::new());
        hold(&lock, exclusive());
        let (first, first_granted) = queue_up(&lock, exclusive());
        let (second, mut granted) = queue_up(&lock, exclusive());
        let releasing = thread::spawn({
            let lock = Shared::clone(&lock);
            move || lock.release(false)
        });
        lock.withdraw(first, false);
        drop(first_granted);
        releasing.join().unwrap();
        assert_eq!(granted.try_recv(), Ok(()));
        lock.observe(second);
        assert!(!lock.is_at_rest(), "the second holds it");
        lock.release(false);
        assert!(lock.is_at_rest());
    });
}

/// rule 9: a child waits for all statements, and no longer
#[test]
fn the_last_statement_lets_a_child_in() {
    model(|| {
        let lock = Shared::new(Lock::new());
        hold(&lock, LockMode::Shared);
        hold(&lock, LockMode::Shared);
        let (child, mut granted) = queue_up(&lock, exclusive());
        let releasing = thread::spawn({
            let lock = Shared::clone(&lock);
            move || lock.release(true)
        });
        lock.release(true);
        releasing.join().unwrap();
        assert_eq!(granted.try_recv(), Ok(()));
        lock.observe(child);
        lock.release(false);
        assert!(lock.is_at_rest());
    });
}

/// rule 8: a statement that comes behind a waiting child does not overtake it
#[test]
fn nobody_overtakes() {
    model(|| {
        let lock = Shared::new(Lock::new());
        hold(&lock, LockMode::Shared);
        let (child, mut granted) = queue_up(&lock, exclusive());
        let coming = thread::spawn({
            let lock = Shared::clone(&lock);
            move || lock.acquire(LockMode::Shared)
        });
        lock.release(true);
        let came = coming.join().unwrap();
        assert_eq!(granted.try_recv(), Ok(()));
        lock.observe(child);
        let Acquired::Later { number, granted: mut late, .. } = came else { panic!("it has overtaken the child") };
        assert_eq!(late.try_recv(), Err(TryRecvError::Empty));
        lock.release(false);
        assert_eq!(late.try_recv(), Ok(()));
        lock.observe(number);
        lock.release(true);
        assert!(lock.is_at_rest());
    });
}

/// rule 6: nothing is granted after the close, and nobody waits for ever
#[test]
fn a_request_that_meets_the_close_is_granted_or_rejected() {
    model(|| {
        let lock = Shared::new(Lock::new());
        hold(&lock, exclusive());
        let closing = thread::spawn({
            let lock = Shared::clone(&lock);
            move || drop(lock.close())
        });
        let came = lock.acquire(LockMode::Shared);
        closing.join().unwrap();
        match came {
            Acquired::Closed => {}
            Acquired::Later { mut granted, .. } => assert_eq!(granted.try_recv(), Err(TryRecvError::Closed)),
            Acquired::Now => panic!("it is held"),
        }
        assert!(matches!(lock.acquire(LockMode::Shared), Acquired::Closed));
    });
}

/// rule 6: a release that comes with the close grants nothing that the close does not see
#[test]
fn a_waiter_that_meets_the_close_is_granted_or_rejected() {
    model(|| {
        let lock = Shared::new(Lock::new());
        hold(&lock, exclusive());
        let (_number, mut granted) = queue_up(&lock, exclusive());
        let closing = thread::spawn({
            let lock = Shared::clone(&lock);
            move || drop(lock.close())
        });
        lock.release(false);
        closing.join().unwrap();
        assert_ne!(granted.try_recv(), Err(TryRecvError::Empty), "it would wait for ever");
    });
}
