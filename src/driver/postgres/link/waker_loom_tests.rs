//! Models of the wakers of a link, for loom: holders of its state lock, and the socket, which wakes at any moment. `just
//! loom` runs them.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::waker_set::{SocketWaker, Waiter, WakerSet};
use crate::primitives::model;

/// Counts.
#[derive(Default)]
struct Woken {
    times: AtomicUsize,
}

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.times.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }
}

fn register(set: &WakerSet, slot: usize, woken: &Arc<Woken>) {
    let since = set.wake_count();
    set.defer_wakes();
    set.register(Waiter::Slot(slot), &Arc::clone(woken).into(), since);
    set.release_wakes();
}

/// The socket wakes, on a thread of its own.
fn socket_wakes(set: &Arc<WakerSet>) -> thread::JoinHandle<()> {
    let set = Arc::clone(set);
    thread::spawn(move || std::task::Waker::from(Arc::new(SocketWaker(set))).wake())
}

/// The socket wakes while others hold the lock, who may be the last to release it.
#[test]
fn a_wake_that_is_deferred_is_not_lost() {
    model(|| {
        let (set, woken) = (Arc::new(WakerSet::default()), Arc::new(Woken::default()));
        register(&set, 0, &woken);
        let holder = thread::spawn({
            let set = Arc::clone(&set);
            move || {
                set.defer_wakes();
                set.release_wakes();
            }
        });
        let socket = socket_wakes(&set);
        set.defer_wakes();
        set.release_wakes();
        holder.join().unwrap();
        socket.join().unwrap();
        assert_eq!(woken.times(), 1);
    });
}

/// The socket wakes while a waker is registered: that waker is woken then, or at once.
#[test]
fn a_wake_during_a_registration_is_not_lost() {
    model(|| {
        let (set, woken) = (Arc::new(WakerSet::default()), Arc::new(Woken::default()));
        let since = set.wake_count();
        let socket = socket_wakes(&set);
        set.defer_wakes();
        set.register(Waiter::Slot(0), &Arc::clone(&woken).into(), since);
        set.release_wakes();
        socket.join().unwrap();
        assert_eq!(woken.times(), 1);
    });
}

/// While the lock is held nobody is woken: a waker may drop a future that needs it.
#[test]
fn nobody_is_woken_while_the_state_is_locked() {
    model(|| {
        let (set, woken) = (Arc::new(WakerSet::default()), Arc::new(Woken::default()));
        register(&set, 0, &woken);
        set.defer_wakes();
        let socket = socket_wakes(&set);
        assert_eq!(woken.times(), 0);
        set.release_wakes();
        socket.join().unwrap();
        assert_eq!(woken.times(), 1);
    });
}

/// An answer is delivered by one thread while the socket wakes from another: who waits is woken once.
#[test]
fn a_slot_is_woken_once() {
    model(|| {
        let (set, first, second) =
            (Arc::new(WakerSet::default()), Arc::new(Woken::default()), Arc::new(Woken::default()));
        register(&set, 0, &first);
        let socket = socket_wakes(&set);
        set.defer_wakes();
        set.wake(Waiter::Slot(0));
        set.wake(Waiter::Slot(1));
        set.release_wakes();
        register(&set, 1, &second);
        set.defer_wakes();
        set.wake(Waiter::Slot(1));
        set.release_wakes();
        socket.join().unwrap();
        assert_eq!((first.times(), second.times()), (1, 1));
    });
}
