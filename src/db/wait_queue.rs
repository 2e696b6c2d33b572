//! The wait queue of the pool: how many may still have a connection, the connections that lie ready, and those who wait, each of
//! whom is handed the connection itself, in order of arrival. It knows no database, and not how connections are made.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

use super::{
    pooled_connection::{Borrowed, Trust, is_recent},
    sweep::{self, Sweeping},
};

/// What becomes of connections that nobody uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdlePolicy {
    /// How many are to lie ready.
    pub(super) min: usize,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
}

/// The wait queue of one pool.
pub(super) struct WaitQueue {
    idle_policy: IdlePolicy,
    trust: Arc<Trust>,
    /// Set once, under the lock.
    closed: AtomicBool,
    state: Mutex<QueueState>,
    pub(super) sweeping: Sweeping,
    /// Fewer lie ready than are to.
    pub(super) wanting: Notify,
    /// The wait queue is closed: whoever makes a connection gives up.
    pub(super) closing: Notify,
    /// A connection came back while the server refuses more of them.
    pub(super) spare: Notify,
    /// Of those whom the server has refused a connection, the one that tries again: the others wait for this, in order. It
    /// tells whether the last one was let in.
    pub(super) trial: tokio::sync::Mutex<bool>,
}

struct QueueState {
    /// How many slots nobody has. There are none while somebody waits.
    free: usize,
    /// The one that was used last is taken first.
    ready: Vec<Borrowed>,
    queue: VecDeque<Queued>,
    next: u64,
    /// How many have a slot, and were refused a connection by the server.
    short: usize,
}

struct Queued {
    number: u64,
    hand: oneshot::Sender<Slot>,
}

/// What comes of asking for a slot.
pub(super) enum Request {
    Granted(Slot),
    /// It must be waited for.
    Later(Waiting),
    Closed,
}

impl WaitQueue {
    pub(super) fn new(slots: usize, idle_policy: IdlePolicy, trust: Arc<Trust>) -> Self {
        let state = QueueState { free: slots, ready: Vec::new(), queue: VecDeque::new(), next: 0, short: 0 };
        Self {
            idle_policy,
            trust,
            closed: AtomicBool::new(false),
            state: Mutex::new(state),
            sweeping: Sweeping::default(),
            wanting: Notify::new(),
            closing: Notify::new(),
            spare: Notify::new(),
            trial: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        // Each change under this lock is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn idle_policy(&self) -> IdlePolicy {
        self.idle_policy
    }

    /// How many connections lie ready.
    pub(super) fn ready(&self) -> usize {
        self.state().ready.len()
    }

    /// Asks for a slot. If there is none, the caller is in the queue when this returns.
    pub(super) fn ask(self: &Arc<Self>) -> Request {
        let mut state = self.state();
        if self.is_closed() {
            return Request::Closed;
        }
        if state.free > 0 {
            state.free -= 1;
            // Those who were refused one came first.
            let borrowed = if state.short == 0 { state.ready.pop() } else { None };
            self.restock(state);
            return Request::Granted(Slot { wait_queue: Arc::clone(self), borrowed });
        }
        let (hand, handed) = oneshot::channel();
        let number = state.next;
        state.next += 1;
        state.queue.push_back(Queued { number, hand });
        Request::Later(Waiting { wait_queue: Arc::clone(self), number: Some(number), handed })
    }

    /// A slot with the connection that was used last, if that was just now and nobody else waits for one.
    pub(super) fn take_recent(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        let is_free = state.free > 0 && state.short == 0 && !self.is_closed();
        if !is_free || !state.ready.last().is_some_and(|borrowed| is_recent(borrowed, &self.trust)) {
            return None;
        }
        state.free -= 1;
        let borrowed = state.ready.pop();
        self.restock(state);
        Some(Slot { wait_queue: Arc::clone(self), borrowed })
    }

    /// A slot for a connection that is to lie ready, if fewer do than are to and nobody else has a use for it.
    pub(super) fn reserve(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        let is_wanted =
            state.ready.len() < self.idle_policy.min.min(state.free) && state.short == 0 && !self.is_closed();
        if !is_wanted {
            return None;
        }
        state.free -= 1;
        Some(Slot { wait_queue: Arc::clone(self), borrowed: None })
    }

    /// A connection that lies ready, for who has a slot already.
    pub(super) fn take_ready(&self) -> Option<Borrowed> {
        let mut state = self.state();
        let taken = state.ready.pop();
        self.restock(state);
        taken
    }

    /// Has connections made if fewer lie ready than are to.
    fn restock(&self, state: MutexGuard<'_, QueueState>) {
        let is_wanting = state.ready.len() < self.idle_policy.min;
        // Whoever is woken may come here again.
        drop(state);
        if is_wanting {
            self.wanting.notify_one();
        }
    }

    /// Whether the server refuses connections to those who have slots.
    pub(super) fn is_short(&self) -> bool {
        self.state().short > 0
    }

    /// The server has refused a connection to who has a slot: until the returned value is dropped, connections that come
    /// back are for those like him.
    pub(super) fn fall_short(&self) -> Short<'_> {
        self.state().short += 1;
        Short(self)
    }

    /// The runtimes that connections which lie ready were borrowed on.
    pub(super) fn handles(&self) -> Vec<Handle> {
        self.state().ready.iter().map(|borrowed| borrowed.handle().clone()).collect()
    }

    /// Whether a connection that comes back may go to somebody else.
    fn keeps(&self, borrowed: &mut Borrowed) -> bool {
        let now = Instant::now();
        borrowed.idle_since = now;
        let is_old = self
            .idle_policy
            .max_lifetime
            .and_then(|most| borrowed.born.checked_add(most))
            .is_some_and(|end| end <= now);
        borrowed.condemned |= is_old || self.trust.is_stale(borrowed.made);
        borrowed.is_sound()
    }

    /// Gives a slot up: with its connection to who waits longest, or for whoever comes next. The connection goes to those
    /// first who have a slot and were refused one.
    fn pass_on(self: &Arc<Self>, mut borrowed: Option<Borrowed>) {
        let handle =
            borrowed.as_ref().filter(|_| self.sweeping.is_missing(&self.idle_policy)).map(|one| one.handle().clone());
        loop {
            let mut state = self.state();
            let is_closed = self.is_closed();
            let is_spare = state.short > 0 && borrowed.is_some() && !is_closed;
            if is_spare {
                state.ready.extend(borrowed.take());
            }
            if let Some(Queued { hand, .. }) = state.queue.pop_front() {
                // Whoever is woken may come here again.
                drop(state);
                // Who left just now cannot take it: then it is passed on by its drop.
                drop(hand.send(Slot { wait_queue: Arc::clone(self), borrowed }));
            } else if let Some(away) = borrowed.take_if(|_| is_closed) {
                // It is gone before the next one is let in.
                drop(state);
                drop(away);
                continue;
            } else {
                state.ready.extend(borrowed.take());
                state.free += 1;
                self.restock(state);
            }
            if is_spare {
                self.spare.notify_one();
            }
            break;
        }
        if let Some(handle) = handle {
            sweep::start(self, &handle);
        }
    }

    /// Sends away who waits, or comes later.
    pub(super) fn close(&self) {
        let away = {
            let mut state = self.state();
            self.closed.store(true, Ordering::Release);
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.ready))
        };
        drop(away);
        self.closing.notify_waiters();
        self.sweeping.end();
        self.wanting.notify_one();
        self.spare.notify_one();
    }

    /// Closes the connections that lie ready and have become too old, or whose server is not what it was opened for.
    pub(super) fn sweep(&self) {
        let IdlePolicy { idle_timeout, max_lifetime, min } = self.idle_policy;
        let now = Instant::now();
        let is_over =
            |since: Instant, most: Option<Duration>| most.is_some_and(|most| now.duration_since(since) >= most);
        let is_old = |one: &mut Borrowed| {
            is_over(one.idle_since, idle_timeout) || is_over(one.born, max_lifetime) || self.trust.is_stale(one.made)
        };
        let old: Vec<Borrowed> = self.state().ready.extract_if(.., is_old).collect();
        if min > 0 && !old.is_empty() {
            self.wanting.notify_one();
        }
    }

    fn withdraw(&self, number: u64) {
        let mut state = self.state();
        let at = state.queue.binary_search_by_key(&number, |queued| queued.number);
        let withdrawn = at.ok().and_then(|at| state.queue.remove(at));
        // Outside the lock: it wakes whoever has polled the wait last.
        drop(state);
        drop(withdrawn);
    }
}

#[cfg(test)]
impl WaitQueue {
    /// As if the connections that lie ready had done so for longer.
    pub(super) fn age(&self, by: Duration) {
        for borrowed in &mut self.state().ready {
            borrowed.idle_since = borrowed.idle_since.checked_sub(by).expect("the machine has run for longer");
        }
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The right to have one connection, and the connection once it is there. Its drop passes both on.
#[derive(Debug)]
pub(super) struct Slot {
    wait_queue: Arc<WaitQueue>,
    pub(super) borrowed: Option<Borrowed>,
}

impl Slot {
    /// Whether the wait queue was closed since the slot was asked for.
    pub(super) fn is_late(&self) -> bool {
        self.wait_queue.is_closed()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // What is not kept goes here, before the next one is let in.
        let kept =
            self.borrowed.take().and_then(|mut borrowed| self.wait_queue.keeps(&mut borrowed).then_some(borrowed));
        self.wait_queue.pass_on(kept);
    }
}

/// Somebody who has a slot, and whom the server has refused a connection.
pub(super) struct Short<'l>(&'l WaitQueue);

impl Drop for Short<'_> {
    fn drop(&mut self) {
        self.0.state().short -= 1;
    }
}

/// Somebody in the queue. Its drop leaves it; a slot that had come meanwhile is passed on.
pub(super) struct Waiting {
    wait_queue: Arc<WaitQueue>,
    /// None once the slot has come.
    number: Option<u64>,
    handed: oneshot::Receiver<Slot>,
}

/// Waits for the slot; `None` if the wait queue was closed. It is no `async fn`, as 10,000 tasks may have one each.
impl Future for Waiting {
    type Output = Option<Slot>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Slot>> {
        let slot = ready!(Pin::new(&mut self.handed).poll(cx));
        self.number = None;
        Poll::Ready(slot.ok())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.wait_queue.withdraw(number);
        }
    }
}
