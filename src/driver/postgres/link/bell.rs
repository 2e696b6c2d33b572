//! [`Bell`]: who is woken when the socket can be read or written again. It has a lock of its own, which is not held while
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
pub(super) enum Who {
    /// The task of tokio-postgres.
    Theirs,
    /// Who waits for the answer of a slot.
    Slot(usize),
}

#[derive(Default)]
struct Wakers {
    theirs: Option<Waker>,
    slots: SmallVec<[Option<Waker>; 4]>,
    /// The task of tokio-postgres has something to do on the socket.
    wants_theirs: bool,
    /// How many hold the lock of the link's state, in which nobody is woken: a waker may drop a future that needs it.
    silent: usize,
    /// Who is to be woken behind it.
    due: Few,
    /// Whose waker is dropped behind it: what a drop does is foreign as well.
    gone: Few,
}

/// Nearly always one.
type Few = SmallVec<[Waker; 2]>;

impl Wakers {
    /// Who can be woken now, of those who are to be.
    fn out(&mut self, wakers: Few) -> Few {
        if self.silent == 0 && self.due.is_empty() {
            return wakers;
        }
        self.due.extend(wakers);
        if self.silent == 0 { mem::take(&mut self.due) } else { Few::new() }
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
pub(super) struct Bell {
    wakers: Mutex<Wakers>,
    /// Grows with each time it rings.
    rung: AtomicU64,
}

impl Bell {
    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody is woken until as many calls of [`speak`](Self::speak).
    pub(super) fn hush(&self) {
        self.wakers().silent += 1;
    }

    pub(super) fn speak(&self) {
        let mut wakers = self.wakers();
        wakers.silent -= 1;
        if wakers.silent > 0 || (wakers.due.is_empty() && wakers.gone.is_empty()) {
            return;
        }
        let (out, gone) = (mem::take(&mut wakers.due), mem::take(&mut wakers.gone));
        drop(wakers);
        drop(gone);
        out.into_iter().for_each(Waker::wake);
    }

    /// How often it has rung. To be asked before the socket is looked at.
    pub(super) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Acquire)
    }

    /// Keeps a waker until it rings; to be called between [`hush`](Self::hush) and [`speak`](Self::speak). If it has rung `since` the socket was looked at, the waker is woken at once: others may
    /// have heard it, who are kept and not polled. So it is where the socket was not looked at because the task has used up
    /// its time, which the socket tells by ringing on the spot.
    pub(super) fn store(&self, who: Who, waker: &Waker, since: u64) {
        let mut wakers = self.wakers();
        if self.rung() != since {
            let out = wakers.out(smallvec![waker.clone()]);
            drop(wakers);
            return out.into_iter().for_each(Waker::wake);
        }
        let place = match who {
            Who::Theirs => &mut wakers.theirs,
            Who::Slot(slot) => {
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
            wakers.gone.push(before);
        }
    }

    /// Whether the task of tokio-postgres is to be woken as well when others wait.
    pub(super) fn want_theirs(&self, wants: bool) {
        self.wakers().wants_theirs = wants;
    }

    /// Wakes one of those who wait.
    pub(super) fn ring_for(&self, who: Who) {
        let mut wakers = self.wakers();
        let waker = match who {
            Who::Theirs => wakers.theirs.take(),
            Who::Slot(slot) => wakers.slots.get_mut(slot).and_then(Option::take),
        };
        let Some(waker) = waker else { return };
        let out = wakers.out(smallvec![waker]);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }

    /// Forgets a waker.
    pub(super) fn forget(&self, slot: usize) {
        let waker = self.wakers().slots.get_mut(slot).and_then(Option::take);
        drop(waker);
    }

    /// Wakes everybody.
    pub(super) fn ring_all(&self) {
        let mut wakers = self.wakers();
        let theirs = wakers.theirs.take();
        let mut waiting = wakers.waiting();
        waiting.extend(theirs);
        let out = wakers.out(waiting);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }

    /// The socket can be read or written. All who wait for an answer are woken, as one of them may be kept and not polled;
    /// the task of tokio-postgres if it has something to do there, or nobody else waits.
    fn ring(&self) {
        let mut wakers = self.wakers();
        let mut waiting = wakers.waiting();
        if (wakers.wants_theirs || waiting.is_empty())
            && let Some(theirs) = wakers.theirs.take()
        {
            waiting.push(theirs);
        }
        self.rung.fetch_add(1, Ordering::AcqRel);
        let out = wakers.out(waiting);
        drop(wakers);
        out.into_iter().for_each(Waker::wake);
    }
}

/// What the socket wakes.
pub(super) struct Ringer(pub(super) Arc<Bell>);

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.0.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.ring();
    }
}
