//! The lock of a frame: who may use the session now (rules 8 and 9), and who waits, in order of arrival. Statements of a
//! frame share it; a child block, a stream, a lent client and the end of the block have it alone.
//!
//! Used by permits. A lock that is free costs one short mutex, no allocation and no clock. It knows no session,
//! no ledger, and of a frame only what [`Lockable`] says.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{StreamUse, origin::Label};
use crate::{
    error::{Error, ErrorKind},
    primitives::{AtomicBool, Mutex, MutexGuard, sequential},
    waiters::Waiters,
};

/// What has a lock: a frame.
pub(crate) trait Lockable: Sized + Send + Sync {
    fn lock(&self) -> &FrameLock<Self>;
    fn label(&self) -> &Label;
    fn turn_timeout(&self) -> Duration;

    /// The number of the transaction that this is part of.
    fn id(&self) -> u64;

    /// A permit is about to be released.
    fn releases(&self) {}

    /// The error of an acquisition after the close.
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::FrameClosed, format!("the block {} that this belongs to has ended", self.label()))
    }
}

/// The holder that is a statement, where statements do not share the lock.
pub(super) const STATEMENT: &str = "a statement";

/// How the lock is held: by several statements, or by one holder.
pub(super) enum LockMode<F> {
    Shared,
    Exclusive(Holder<F>),
}

/// The exclusive holder of a lock.
pub(super) enum Holder<F> {
    /// Described in messages by this text: the native client, for instance.
    Named(&'static str),
    Stream(Arc<StreamUse>),
    /// A child block, whose label is for messages.
    Child(Weak<F>),
    /// The end of the frame itself.
    End,
}

impl<F> LockMode<F> {
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared)
    }
}

impl<F> Clone for Holder<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Named(text) => Self::Named(text),
            Self::Stream(usage) => Self::Stream(Arc::clone(usage)),
            Self::Child(child) => Self::Child(Weak::clone(child)),
            Self::End => Self::End,
        }
    }
}

impl<F> Clone for LockMode<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Shared => Self::Shared,
            Self::Exclusive(holder) => Self::Exclusive(holder.clone()),
        }
    }
}

impl<F: Lockable> fmt::Display for LockMode<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str(STATEMENT),
            Self::Exclusive(holder) => holder.fmt(f),
        }
    }
}

impl<F: Lockable> fmt::Display for Holder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(text) => f.write_str(text),
            Self::Stream(_) => f.write_str("a stream of rows"),
            Self::Child(child) => match child.upgrade() {
                Some(child) => write!(f, "the block {}", child.label()),
                None => f.write_str("a block"),
            },
            Self::End => f.write_str("the end of the block"),
        }
    }
}

/// The lock of one frame, granted first come, first served.
pub(crate) struct FrameLock<F> {
    /// Set once: nothing is granted after it.
    closed: AtomicBool,
    /// Whether the queue was ever used: if not, the close need not lock.
    queued: AtomicBool,
    state: Mutex<LockState<F>>,
}

struct LockState<F> {
    /// How many statements share the lock.
    sharing: u32,
    holder: Option<Holder<F>>,
    /// Made for the first waiter, as there is hardly ever one: a frame is smaller without.
    queue: Option<Box<Queue<F>>>,
}

struct Queue<F> {
    waiters: Waiters<Waiter<F>>,
    /// Granted waiters that have not observed the grant yet.
    unobserved: Vec<u64>,
}

struct Waiter<F> {
    mode: LockMode<F>,
    grant: oneshot::Sender<()>,
}

/// The waiters of a closed lock. Its drop wakes them. A waker is foreign code, which may drop a permit of this lock or a
/// block of the same session, so it MUST be dropped outside every lock.
#[must_use = "it is dropped once no lock is held"]
pub(super) struct Rejected<F> {
    _waiters: Option<VecDeque<(u64, Waiter<F>)>>,
}

/// What is left of a frame that was closed, with the frames inside it. Its drop wakes their waiters and may free frames of
/// other databases, so it MUST be dropped once the lock of the ledger is released.
#[must_use = "it is dropped once no lock is held"]
pub(super) struct Closed<F> {
    own: Option<Rejected<F>>,
    inside: Vec<(Option<Rejected<F>>, Arc<F>)>,
}

impl<F: Lockable> Closed<F> {
    /// Closes the lock of a frame.
    pub(super) fn new(frame: &F) -> Self {
        Self { own: frame.lock().close(), inside: Vec::new() }
    }

    /// Closes the lock of a frame inside.
    pub(super) fn and_inside(&mut self, frame: Arc<F>) {
        self.inside.push((frame.lock().close(), frame));
    }

    /// The frames that were closed along with it.
    pub(super) fn inside(&self) -> impl Iterator<Item = &F> {
        self.inside.iter().map(|(_, frame)| &**frame)
    }

    /// Whether the frame was open. The end of one that was not is not owed: a frame around it has ended it already.
    pub(super) fn was_open(&self) -> bool {
        self.own.is_some()
    }
}

/// Waiters that were granted the lock just now, woken outside the mutex.
type Grants = SmallVec<[oneshot::Sender<()>; 4]>;

/// The outcome of a request.
pub(super) enum Acquired<F> {
    Now,
    Closed,
    /// It waits in the queue, under this number.
    Later {
        mode: LockMode<F>,
        number: u64,
        granted: oneshot::Receiver<()>,
    },
}

impl<F> LockState<F> {
    fn has_room(&self, mode: &LockMode<F>) -> bool {
        self.holder.is_none() && (mode.is_shared() || self.sharing == 0)
    }

    fn grant(&mut self, mode: LockMode<F>) {
        match mode {
            LockMode::Shared => self.sharing += 1,
            LockMode::Exclusive(holder) => self.holder = Some(holder),
        }
    }

    fn release(&mut self, shared: bool) {
        if shared {
            self.sharing -= 1;
        } else {
            self.holder = None;
        }
    }

    fn has_no_waiters(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.waiters.is_empty())
    }

    /// Takes the first waiter out of the queue if the lock has room for it.
    fn next_with_room(&mut self) -> Option<Waiter<F>> {
        let (_, first) = self.queue.as_ref()?.waiters.first()?;
        if !self.has_room(&first.mode) {
            return None;
        }
        let queue = self.queue.as_mut()?;
        let (number, first) = queue.waiters.pop()?;
        queue.unobserved.push(number);
        Some(first)
    }

    /// Grants the lock to the first waiters that it has room for.
    fn advance(&mut self) -> Grants {
        let mut grants = Grants::new();
        while let Some(Waiter { mode, grant }) = self.next_with_room() {
            self.grant(mode);
            grants.push(grant);
        }
        grants
    }

    fn reject_all(&mut self) -> Rejected<F> {
        Rejected { _waiters: self.queue.as_mut().map(|queue| queue.waiters.take_all()) }
    }
}

impl<F> FrameLock<F> {
    pub(super) fn new() -> Self {
        let state = LockState { sharing: 0, holder: None, queue: None };
        Self { closed: AtomicBool::new(false), queued: AtomicBool::new(false), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, LockState<F>> {
        // Each change under this mutex is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Rejects all waiters, and all later requests. `None` if it was closed already.
    fn close(&self) -> Option<Rejected<F>> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        sequential();
        // A request that queues up just now reads `closed` after it has set `queued`: one of the two sees the other.
        let has_queue = self.queued.load(Ordering::SeqCst);
        Some(if has_queue { self.state().reject_all() } else { Rejected { _waiters: None } })
    }

    /// Whether the lock is held by anything but a child block.
    pub(super) fn is_used(&self) -> bool {
        let state = self.state();
        state.sharing > 0 || matches!(state.holder, Some(Holder::Named(_) | Holder::Stream(_) | Holder::End))
    }

    /// Whether a statement holds the lock.
    pub(super) fn has_statement(&self) -> bool {
        let state = self.state();
        state.sharing > 0 || matches!(state.holder, Some(Holder::Named(STATEMENT)))
    }

    /// Whether anything waits for the lock.
    pub(super) fn has_waiters(&self) -> bool {
        !self.state().has_no_waiters()
    }

    /// The child block that holds the lock.
    pub(super) fn child(&self) -> Option<Arc<F>> {
        match &self.state().holder {
            Some(Holder::Child(child)) => child.upgrade(),
            _ => None,
        }
    }

    /// Whether the lock has no holder and no waiter.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.state();
        state.sharing == 0 && state.holder.is_none() && state.has_no_waiters()
    }

    /// Requests the lock. If it is not free, the caller is in the queue when this returns.
    pub(super) fn acquire(&self, mode: LockMode<F>) -> Acquired<F> {
        let mut state = self.state();
        if self.is_closed() {
            return Acquired::Closed;
        }
        if state.has_no_waiters() && state.has_room(&mode) {
            state.grant(mode);
            return Acquired::Now;
        }
        let (grant, granted) = oneshot::channel();
        let fresh = || Box::new(Queue { waiters: Waiters::default(), unobserved: Vec::new() });
        let queue = state.queue.get_or_insert_with(fresh);
        let number = queue.waiters.push(Waiter { mode: mode.clone(), grant });
        self.queued.store(true, Ordering::SeqCst);
        sequential();
        if self.closed.load(Ordering::SeqCst) {
            let rejected = state.reject_all();
            // Outside the mutex, as a waiter that is woken may hold a permit here.
            drop(state);
            drop(rejected);
            return Acquired::Closed;
        }
        Acquired::Later { mode, number, granted }
    }

    pub(super) fn release(&self, shared: bool) {
        let mut state = self.state();
        state.release(shared);
        if !state.has_no_waiters() {
            let grants = state.advance();
            drop(state);
            wake(grants);
        }
    }

    /// The waiter `number` has observed its grant.
    pub(super) fn observe(&self, number: u64) {
        if let Some(queue) = &mut self.state().queue {
            queue.unobserved.retain(|unobserved| *unobserved != number);
        }
    }

    /// The waiter `number` gives up: it may have been granted the lock unobserved, or have held up those behind it.
    pub(super) fn withdraw(&self, number: u64, shared: bool) {
        let mut state = self.state();
        let mut withdrawn = None;
        if let Some(queue) = &mut state.queue {
            match queue.unobserved.iter().position(|unobserved| *unobserved == number) {
                Some(at) => {
                    queue.unobserved.swap_remove(at);
                    state.release(shared);
                }
                None => withdrawn = queue.waiters.remove(number),
            }
        }
        let grants = state.advance();
        drop(state);
        drop(withdrawn);
        wake(grants);
    }

    /// How often the stream that holds the lock was polled, if the current task reads it and does not read on just now.
    pub(super) fn idle_stream(&self) -> Option<u64> {
        match &self.state().holder {
            Some(Holder::Stream(usage)) => usage.idle_here(),
            _ => None,
        }
    }

    pub(super) fn describe_holder(&self) -> String
    where
        F: Lockable,
    {
        let holder = self.state().holder.clone();
        holder.map_or_else(|| "statements under way".into(), |holder| holder.to_string())
    }
}

/// Wakes granted waiters, outside the mutex: a waker may drop a future that holds a permit.
fn wake(grants: Grants) {
    for grant in grants {
        // A waiter that is gone has withdrawn.
        let _ = grant.send(());
    }
}

impl<F> fmt::Debug for FrameLock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameLock").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

#[cfg(all(test, nestling_loom))]
#[path = "lock_loom_tests.rs"]
mod loom_tests;
