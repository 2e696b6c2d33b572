//! FIFO wait queue of the pool, with its idle connections. A returned connection goes straight to the longest waiter. It does
//! not know how connections are made.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

use super::{
    connection::{PooledConnection, ServerEpoch},
    sweep::{self, IdlePolicy, Sweeping, Swept},
};
use crate::{
    error::{Error, ErrorKind},
    primitives::{AtomicBool, Mutex, MutexGuard},
    waiters::Waiters,
};

/// The error of a database that is closed.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the database is closed")
}

/// The wait queue of one pool.
pub(super) struct WaitQueue {
    idle_policy: IdlePolicy,
    epoch: Arc<ServerEpoch>,
    /// Set once, under the lock.
    closed: AtomicBool,
    state: Mutex<QueueState>,
    sweeping: Sweeping,
    /// Fewer connections are idle than the policy asks for.
    pub(super) wanting: Notify,
    /// The queue is closed: attempts to connect are given up.
    pub(super) closing: Notify,
    /// A connection came back while the server refuses more of them.
    pub(super) spare: Notify,
    /// Held by the one task that retries, of those that the server has refused a connection; the others wait for it, in order.
    /// The value tells whether the last attempt succeeded.
    pub(super) trial: tokio::sync::Mutex<bool>,
}

struct QueueState {
    /// How many slots are free; none while there is a waiter.
    free: usize,
    /// The idle connections; the one that was used last is taken first.
    ready: Vec<PooledConnection>,
    waiters: Waiters<oneshot::Sender<Slot>>,
    /// How many have a slot without a connection, as the server refused one.
    short: usize,
}

/// The outcome of a request for a slot.
pub(super) enum Request {
    Granted(Slot),
    /// It waits in the queue.
    Later(Waiting),
    Closed,
}

impl WaitQueue {
    pub(super) fn new(slots: usize, idle_policy: IdlePolicy, epoch: Arc<ServerEpoch>) -> Self {
        let state = QueueState { free: slots, ready: Vec::new(), waiters: Waiters::default(), short: 0 };
        Self {
            idle_policy,
            epoch,
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
        // Each change under this lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How many connections are idle.
    pub(super) fn ready(&self) -> usize {
        self.state().ready.len()
    }

    /// Requests a slot. If none is free, the caller is in the queue when this returns.
    pub(super) fn ask(self: &Arc<Self>) -> Request {
        let mut state = self.state();
        if self.is_closed() {
            return Request::Closed;
        }
        if state.free > 0 {
            state.free -= 1;
            // Callers that the server refused a connection came first.
            let pooled = if state.short == 0 { state.ready.pop() } else { None };
            self.restock(state);
            return Request::Granted(Slot { wait_queue: Arc::clone(self), pooled });
        }
        let (hand, handed) = oneshot::channel();
        let number = state.waiters.push(hand);
        Request::Later(Waiting { wait_queue: Arc::clone(self), number: Some(number), handed })
    }

    /// A slot with the connection that was used last, if that is fresh and there is no waiter, and the present moment.
    pub(super) fn take_recent(self: &Arc<Self>) -> Option<(Slot, Instant)> {
        let mut state = self.state();
        let is_free = state.free > 0 && state.short == 0 && !self.is_closed();
        let now = state.ready.last().filter(|_| is_free)?.fresh_at(&self.epoch)?;
        state.free -= 1;
        let pooled = state.ready.pop();
        self.restock(state);
        Some((Slot { wait_queue: Arc::clone(self), pooled }, now))
    }

    /// A slot for a connection that is made ahead of its use, if the policy asks for more idle ones and a slot is free.
    pub(super) fn reserve(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        let is_wanted =
            state.ready.len() < self.idle_policy.min.min(state.free) && state.short == 0 && !self.is_closed();
        if !is_wanted {
            return None;
        }
        state.free -= 1;
        Some(Slot { wait_queue: Arc::clone(self), pooled: None })
    }

    /// An idle connection, for a caller that has a slot already.
    pub(super) fn take_ready(&self) -> Option<PooledConnection> {
        let mut state = self.state();
        let taken = state.ready.pop();
        self.restock(state);
        taken
    }

    /// Has connections made if fewer are idle than the policy asks for.
    fn restock(&self, state: MutexGuard<'_, QueueState>) {
        let is_wanting = state.ready.len() < self.idle_policy.min;
        // The task that is woken may lock the state.
        drop(state);
        if is_wanting {
            self.wanting.notify_one();
        }
    }

    /// Whether some have a slot but were refused a connection by the server.
    pub(super) fn is_short(&self) -> bool {
        self.state().short > 0
    }

    /// The server has refused a connection to a caller with a slot. Until the returned value is dropped, returned connections
    /// go to such callers first.
    pub(super) fn fall_short(&self) -> Short<'_> {
        self.state().short += 1;
        Short(self)
    }

    /// Whether a returned connection may go to the next user.
    fn keeps(&self, pooled: &mut PooledConnection) -> bool {
        let now = Instant::now();
        pooled.left(now);
        let is_old =
            self.idle_policy.max_lifetime.and_then(|most| pooled.born.checked_add(most)).is_some_and(|end| end <= now);
        pooled.condemned |= is_old || self.epoch.is_stale(pooled.made);
        pooled.is_sound()
    }

    /// Passes a slot on with its connection: to the longest waiter, or back to the free ones. Callers that have a slot and were
    /// refused a connection get the connection first.
    fn pass_on(self: &Arc<Self>, mut pooled: Option<PooledConnection>) {
        let handle =
            pooled.as_ref().filter(|_| self.sweeping.is_missing(&self.idle_policy)).map(|one| one.handle().clone());
        loop {
            let mut state = self.state();
            let is_closed = self.is_closed();
            let is_spare = state.short > 0 && pooled.is_some() && !is_closed;
            if is_spare {
                state.ready.extend(pooled.take());
            }
            if let Some((_, hand)) = state.waiters.pop() {
                // The task that is woken may lock the state.
                drop(state);
                // A waiter that left just now cannot take it: then its drop passes it on.
                drop(hand.send(Slot { wait_queue: Arc::clone(self), pooled }));
            } else if let Some(away) = pooled.take_if(|_| is_closed) {
                // Closed before the slot is free for the next caller.
                drop(state);
                drop(away);
                continue;
            } else {
                if let Some(pooled) = pooled.take() {
                    state.ready.push(pooled);
                }
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

    /// Rejects all waiters and later requests, and closes the idle connections.
    pub(super) fn close(&self) {
        let away = {
            let mut state = self.state();
            self.closed.store(true, Ordering::Release);
            (state.waiters.take_all(), std::mem::take(&mut state.ready))
        };
        drop(away);
        self.closing.notify_waiters();
        self.sweeping.end();
        self.wanting.notify_one();
        self.spare.notify_one();
    }

    fn withdraw(&self, number: u64) {
        let withdrawn = self.state().waiters.remove(number);
        // Outside the lock, as its drop wakes the task that polled the wait last.
        drop(withdrawn);
    }
}

impl Swept for WaitQueue {
    fn sweeping(&self) -> &Sweeping {
        &self.sweeping
    }

    fn idle_policy(&self) -> IdlePolicy {
        self.idle_policy
    }

    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    /// Closes the idle connections that are too old, have been idle for too long, or are stale.
    fn sweep(&self) {
        let IdlePolicy { idle_timeout, max_lifetime, min } = self.idle_policy;
        let now = Instant::now();
        let is_over =
            |since: Instant, most: Option<Duration>| most.is_some_and(|most| now.duration_since(since) >= most);
        let is_old = |one: &mut PooledConnection| {
            is_over(one.idle_since, idle_timeout) || is_over(one.born, max_lifetime) || self.epoch.is_stale(one.made)
        };
        let old: Vec<PooledConnection> = self.state().ready.extract_if(.., is_old).collect();
        if min > 0 && !old.is_empty() {
            self.wanting.notify_one();
        }
    }

    fn handles(&self) -> Vec<Handle> {
        self.state().ready.iter().map(|pooled| pooled.handle().clone()).collect()
    }
}

#[cfg(test)]
impl WaitQueue {
    /// Makes the idle connections older.
    pub(super) fn age(&self, by: Duration) {
        for pooled in &mut self.state().ready {
            pooled.idle_since = pooled.idle_since.checked_sub(by).expect("the machine has run for longer");
        }
    }

    /// Keeps the idle connections from growing older, however slow the machine is.
    pub(super) fn stay_fresh(&self) {
        for pooled in &mut self.state().ready {
            pooled.idle_since += Duration::from_secs(3600);
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
pub(crate) struct Slot {
    wait_queue: Arc<WaitQueue>,
    pub(crate) pooled: Option<PooledConnection>,
}

impl Slot {
    /// Whether the queue was closed since the slot was requested.
    pub(crate) fn is_late(&self) -> bool {
        self.wait_queue.is_closed()
    }

    /// Lends its connection `now` to a user on the runtime of `handle`, if there is one.
    #[must_use]
    pub(super) fn lent(mut self, handle: Option<Handle>, now: Instant) -> Self {
        if let Some(pooled) = &mut self.pooled {
            pooled.lend(handle, now);
        }
        self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A connection that is not kept is closed here, before the slot is passed on.
        let kept = self.pooled.take().and_then(|mut pooled| self.wait_queue.keeps(&mut pooled).then_some(pooled));
        self.wait_queue.pass_on(kept);
    }
}

/// Counts a caller that has a slot and was refused a connection.
pub(super) struct Short<'l>(&'l WaitQueue);

impl Drop for Short<'_> {
    fn drop(&mut self) {
        self.0.state().short -= 1;
    }
}

/// A place in the queue. Its drop leaves it; a slot that had been granted meanwhile is passed on.
pub(super) struct Waiting {
    wait_queue: Arc<WaitQueue>,
    /// None once the slot was received.
    number: Option<u64>,
    handed: oneshot::Receiver<Slot>,
}

/// Waits for the slot; `None` if the queue was closed. It is no `async fn`, to be small: 10,000 tasks may have one each.
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

#[cfg(all(test, nestling_loom))]
#[path = "wait_queue_loom_tests.rs"]
mod loom_tests;
