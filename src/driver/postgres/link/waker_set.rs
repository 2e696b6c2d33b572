//! [`WakerSet`]: who is woken when the socket can be read or written again. It has a lock of its own, which is not held while
//! the socket is used: a socket may wake its reader on the spot.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

use smallvec::{SmallVec, smallvec};

/// Whose waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The task of tokio-postgres.
    Native,
    /// Who waits for the answer of a slot.
    Slot(usize),
}

#[derive(Default)]
struct Inner {
    native: Option<Waker>,
    slots: SmallVec<[Option<Waker>; 4]>,
    /// The task of tokio-postgres has something to do on the socket.
    wants_native: bool,
    /// How many hold the lock of the link's state, in which nobody is woken: a waker may drop a future that needs it.
    deferring: usize,
    /// Who is to be woken behind it.
    deferred: Few,
    /// Whose waker is dropped behind it: what a drop does is foreign as well.
    dropped: Few,
}

/// Nearly always one.
type Few = SmallVec<[Waker; 2]>;

impl Inner {
    /// Who can be woken now, of those who are to be.
    fn out(&mut self, wakers: Few) -> Few {
        if self.deferring == 0 && self.deferred.is_empty() {
            return wakers;
        }
        self.deferred.extend(wakers);
        if self.deferring == 0 { mem::take(&mut self.deferred) } else { Few::new() }
    }

    /// Who waits for answers.
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
    /// Grows with each time it rings.
    wake_count: AtomicU64,
}

impl WakerSet {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody is woken until as many calls of [`release_wakes`](Self::release_wakes).
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

    /// How often it has rung. To be asked before the socket is looked at.
    pub(super) fn wake_count(&self) -> u64 {
        self.wake_count.load(Ordering::Acquire)
    }

    /// Keeps a waker until it rings; to be called between [`defer_wakes`](Self::defer_wakes) and [`release_wakes`](Self::release_wakes). If it has rung `since` the socket was looked at, the waker is woken at once: others may
    /// have heard it, who are kept and not polled. So it is where the socket was not looked at because the task has used up
    /// its time, which the socket tells by ringing on the spot.
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

    /// Whether the task of tokio-postgres is to be woken as well when others wait.
    pub(super) fn want_native(&self, wants: bool) {
        self.lock().wants_native = wants;
    }

    /// Wakes one of those who wait.
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

    /// Forgets a waker.
    pub(super) fn clear(&self, slot: usize) {
        let waker = self.lock().slots.get_mut(slot).and_then(Option::take);
        drop(waker);
    }

    /// Wakes everybody.
    pub(super) fn wake_all(&self) {
        let mut wakers = self.lock();
        let native = wakers.native.take();
        let mut waiting = wakers.waiting();
        waiting.extend(native);
        let out = wakers.out(waiting);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }

    /// The socket can be read or written. All who wait for an answer are woken, as one of them may be kept and not polled;
    /// the task of tokio-postgres if it has something to do there, or nobody else waits.
    fn wake_waiting(&self) {
        let mut wakers = self.lock();
        let mut waiting = wakers.waiting();
        if (wakers.wants_native || waiting.is_empty())
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

/// What the socket wakes.
pub(super) struct SocketWaker(pub(super) Arc<WakerSet>);

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake_waiting();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_waiting();
    }
}
