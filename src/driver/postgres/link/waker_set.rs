//! [`WakerSet`]: the wakers of all who wait for the socket. It has a lock of its own, which is not held while the
//! socket is used: a socket may wake its reader at once.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

use smallvec::{SmallVec, smallvec};

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
    /// The number of holders of the link's state lock. No waker is woken meanwhile: it may drop a future that needs the
    /// lock.
    deferring: usize,
    /// The wakers to be woken after it is released.
    deferred: Few,
    /// The wakers to be dropped after it is released: a drop may run foreign code too.
    dropped: Few,
}

/// Nearly always one.
type Few = SmallVec<[Waker; 2]>;

impl Inner {
    /// Returns the wakers that can be woken now, and defers them otherwise.
    fn out(&mut self, wakers: Few) -> Few {
        if self.deferring == 0 && self.deferred.is_empty() {
            return wakers;
        }
        self.deferred.extend(wakers);
        if self.deferring == 0 { mem::take(&mut self.deferred) } else { Few::new() }
    }

    /// Takes the wakers of all slots.
    fn waiting(&mut self) -> Few {
        let mut waiting = Few::new();
        for waker in &mut self.slots {
            if let Some(waker) = waker.take() {
                waiting.push(waker);
            }
        }
        waiting
    }
}

/// The wakers of all who wait for the socket.
#[derive(Default)]
pub(super) struct WakerSet {
    wakers: Mutex<Inner>,
    /// The number of times that the socket has woken the set.
    wake_count: AtomicU64,
    /// The task of tokio-postgres has something to do on the socket. It is set before that task registers its waker, and read
    /// under the lock.
    wants_native: AtomicBool,
}

impl WakerSet {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Defers all wakes until [`release_wakes`](Self::release_wakes) was called as often.
    pub(super) fn defer_wakes(&self) {
        self.lock().deferring += 1;
    }

    pub(super) fn release_wakes(&self) {
        let mut wakers = self.lock();
        wakers.deferring -= 1;
        if wakers.deferring > 0 || (wakers.deferred.is_empty() && wakers.dropped.is_empty()) {
            return;
        }
        let (out, dropped) = (mem::take(&mut wakers.deferred), mem::take(&mut wakers.dropped));
        drop(wakers);
        drop(dropped);
        out.into_iter().for_each(Waker::wake);
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
            let out = wakers.out(smallvec![waker.clone()]);
            drop(wakers);
            return out.into_iter().for_each(Waker::wake);
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
            Some(known) if known.will_wake(waker) => None,
            _ => place.replace(waker.clone()),
        };
        if let Some(before) = before {
            wakers.dropped.push(before);
        }
    }

    /// Whether to wake the task of tokio-postgres even if others wait.
    pub(super) fn want_native(&self, wants: bool) {
        self.wants_native.store(wants, Ordering::Release);
    }

    /// Wakes one waiter.
    pub(super) fn wake(&self, who: Waiter) {
        let mut wakers = self.lock();
        let waker = match who {
            Waiter::Native => wakers.native.take(),
            Waiter::Slot(slot) => wakers.slots.get_mut(slot).and_then(Option::take),
        };
        let Some(waker) = waker else { return };
        let out = wakers.out(smallvec![waker]);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }

    /// Removes a waker.
    pub(super) fn clear(&self, slot: usize) {
        let waker = self.lock().slots.get_mut(slot).and_then(Option::take);
        drop(waker);
    }

    /// Wakes all.
    pub(super) fn wake_all(&self) {
        let mut wakers = self.lock();
        let native = wakers.native.take();
        let mut waiting = wakers.waiting();
        waiting.extend(native);
        let out = wakers.out(waiting);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }

    /// The socket can be read or written. All slots are woken, as one of the futures may be kept and not polled; the
    /// task of tokio-postgres is woken if it has something to do there, or if no slot waits.
    fn wake_waiting(&self) {
        let mut wakers = self.lock();
        let mut waiting = wakers.waiting();
        if (self.wants_native.load(Ordering::Acquire) || waiting.is_empty())
            && let Some(native) = wakers.native.take()
        {
            waiting.push(native);
        }
        self.wake_count.fetch_add(1, Ordering::AcqRel);
        let out = wakers.out(waiting);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
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
