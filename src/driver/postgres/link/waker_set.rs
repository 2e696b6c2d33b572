//! [`WakerSet`]: the wakers of all who wait for the socket. It has a lock of its own, which is not held while the
//! socket is used: a socket may wake its reader at once.

use std::{
    mem,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Wake, Waker},
};

use smallvec::{SmallVec, smallvec};

use crate::primitives::{AtomicBool, AtomicU64, AtomicUsize, Mutex, MutexGuard, sequential};

/// The owner of a waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The task of tokio-postgres.
    Native,
    /// The future that waits for the answer of a slot.
    Slot(usize),
}

#[derive(Default)]
struct Inner {
    native: Option<Waker>,
    slots: SmallVec<[Option<Waker>; 4]>,
    /// The wakers to be woken once nobody holds the link's state lock.
    deferred: Few,
    /// The wakers to be dropped then: a drop may run foreign code too.
    dropped: Few,
}

/// Nearly always one.
type Few = SmallVec<[Waker; 2]>;

/// The wakers of all who wait for the socket.
#[derive(Default)]
pub(super) struct WakerSet {
    wakers: Mutex<Inner>,
    /// The number of times that the socket has woken the set.
    wake_count: AtomicU64,
    /// The task of tokio-postgres has something to do on the socket. It is set before that task registers its waker, and read
    /// under the lock.
    wants_native: AtomicBool,
    /// The number of slots with a waker. It changes under the lock, and grows only while the link's state is locked.
    waiting: AtomicUsize,
    /// The number of holders of the link's state lock. No waker is woken meanwhile: it may drop a future that needs the
    /// lock.
    holders: AtomicUsize,
    /// Whether something is deferred or to be dropped. It is set before `holders` is looked at, and looked at after `holders`
    /// has changed: of two threads that do so at once, one sees what the other has done.
    has_deferred: AtomicBool,
}

impl WakerSet {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Defers all wakes until [`release_wakes`](Self::release_wakes) was called as often.
    #[inline]
    pub(super) fn defer_wakes(&self) {
        self.holders.fetch_add(1, Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn release_wakes(&self) {
        self.holders.fetch_sub(1, Ordering::SeqCst);
        sequential();
        if self.has_deferred.load(Ordering::SeqCst) {
            self.release_deferred();
        }
    }

    #[cold]
    fn release_deferred(&self) {
        let mut wakers = self.lock();
        // Another holder has them released.
        if self.holders.load(Ordering::SeqCst) > 0 {
            return;
        }
        let (out, dropped) = (mem::take(&mut wakers.deferred), mem::take(&mut wakers.dropped));
        self.has_deferred.store(false, Ordering::SeqCst);
        drop(wakers);
        drop(dropped);
        out.into_iter().for_each(Waker::wake);
    }

    /// Wakes wakers that were taken out, or defers them.
    fn wake_out(&self, mut wakers: MutexGuard<'_, Inner>, out: Few) {
        let is_free = self.holders.load(Ordering::SeqCst) == 0 && wakers.deferred.is_empty();
        if !is_free {
            wakers.deferred.extend(out);
            self.has_deferred.store(true, Ordering::SeqCst);
            drop(wakers);
            sequential();
            if self.holders.load(Ordering::SeqCst) == 0 {
                self.release_deferred();
            }
            return;
        }
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }

    /// Takes the wakers of all slots.
    fn take_waiting(&self, wakers: &mut Inner) -> Few {
        if self.waiting.swap(0, Ordering::AcqRel) == 0 {
            return Few::new();
        }
        wakers.slots.iter_mut().filter_map(Option::take).collect()
    }

    /// Takes the waker of one slot.
    fn take_slot(&self, wakers: &mut Inner, slot: usize) -> Option<Waker> {
        let waker = wakers.slots.get_mut(slot).and_then(Option::take)?;
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        Some(waker)
    }

    /// How often the socket has woken the set. To be read before the socket is used.
    pub(super) fn wake_count(&self) -> u64 {
        self.wake_count.load(Ordering::Acquire)
    }

    /// Registers a waker; to be called between [`defer_wakes`](Self::defer_wakes) and
    /// [`release_wakes`](Self::release_wakes). If the socket has woken the set `since` it was used, the waker is woken
    /// at once: the wake may have reached only futures that are kept and not polled. The same holds if the socket was
    /// not read because the task's budget is used up, for which the socket wakes at once.
    pub(super) fn register(&self, who: Waiter, waker: &Waker, since: u64) {
        let mut wakers = self.lock();
        if self.wake_count() != since {
            return self.wake_out(wakers, smallvec![waker.clone()]);
        }
        let place = match who {
            Waiter::Native => &mut wakers.native,
            Waiter::Slot(slot) => {
                if wakers.slots.len() <= slot {
                    wakers.slots.resize(slot + 1, None);
                }
                &mut wakers.slots[slot]
            }
        };
        let before = match place {
            Some(known) if known.will_wake(waker) => return,
            _ => place.replace(waker.clone()),
        };
        match before {
            Some(before) => {
                wakers.dropped.push(before);
                self.has_deferred.store(true, Ordering::SeqCst);
            }
            None if who != Waiter::Native => _ = self.waiting.fetch_add(1, Ordering::AcqRel),
            None => {}
        }
    }

    /// Whether to wake the task of tokio-postgres even if others wait.
    pub(super) fn want_native(&self, wants: bool) {
        self.wants_native.store(wants, Ordering::Release);
    }

    /// Wakes one waiter. To be called while the link's state is locked, or after a change that a waiter sees which registers
    /// later.
    #[inline]
    pub(super) fn wake(&self, who: Waiter) {
        // The one who reads is mostly the one who has waited.
        if who == Waiter::Native || self.waiting.load(Ordering::Acquire) > 0 {
            self.wake_registered(who);
        }
    }

    fn wake_registered(&self, who: Waiter) {
        let mut wakers = self.lock();
        let waker = match who {
            Waiter::Native => wakers.native.take(),
            Waiter::Slot(slot) => self.take_slot(&mut wakers, slot),
        };
        if let Some(waker) = waker {
            self.wake_out(wakers, smallvec![waker]);
        }
    }

    /// Removes a waker.
    pub(super) fn clear(&self, slot: usize) {
        let waker = self.take_slot(&mut self.lock(), slot);
        drop(waker);
    }

    /// Wakes all.
    pub(super) fn wake_all(&self) {
        let mut wakers = self.lock();
        let native = wakers.native.take();
        let mut waiting = self.take_waiting(&mut wakers);
        waiting.extend(native);
        self.wake_out(wakers, waiting);
    }

    /// The socket can be read or written. All slots are woken, as one of the futures may be kept and not polled; the
    /// task of tokio-postgres is woken if it has something to do there, or if no slot waits.
    fn wake_waiting(&self) {
        let mut wakers = self.lock();
        let mut waiting = self.take_waiting(&mut wakers);
        if (self.wants_native.load(Ordering::Acquire) || waiting.is_empty())
            && let Some(native) = wakers.native.take()
        {
            waiting.push(native);
        }
        self.wake_count.fetch_add(1, Ordering::AcqRel);
        self.wake_out(wakers, waiting);
    }
}

/// The waker of the socket.
pub(super) struct SocketWaker(pub(super) Arc<WakerSet>);

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake_waiting();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_waiting();
    }
}
