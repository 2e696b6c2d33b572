//! The sweep of a pool: a task that closes connections which were idle for too long or are too old. It runs on one of the
//! runtimes that use the pool; when that ends, it goes on at another one that has a connection here, or starts with the next
//! connection that comes back.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Interval, interval_at},
};

/// How often connections are checked: as often as their limits ask for, within these.
const RATES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// How many idle connections are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdlePolicy {
    /// How many idle connections are kept ready.
    pub(super) min: usize,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
}

impl IdlePolicy {
    fn rate(&self) -> Option<Duration> {
        let shortest = [self.idle_timeout, self.max_lifetime].into_iter().flatten().min()?;
        Some(shortest.clamp(RATES.0, RATES.1))
    }
}

/// What is swept: the wait queue, which holds the idle connections.
pub(super) trait Swept: Send + Sync + Sized + 'static {
    fn sweeping(&self) -> &Sweeping;
    fn idle_policy(&self) -> IdlePolicy;
    fn is_closed(&self) -> bool;

    /// Closes the idle connections that are to go.
    fn sweep(&self);

    /// The runtimes on which the idle connections were used last.
    fn handles(&self) -> Vec<Handle>;
}

/// Whether the task runs.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    is_running: AtomicBool,
    over: Arc<Notify>,
}

impl Sweeping {
    /// Whether a task is needed and does not run.
    pub(super) fn is_missing(&self, idle_policy: &IdlePolicy) -> bool {
        !self.is_running.load(Ordering::Acquire) && idle_policy.rate().is_some()
    }

    /// Ends the task, as the pool is closed.
    pub(super) fn end(&self) {
        self.over.notify_one();
    }
}

/// Starts the task on a runtime, unless it runs.
pub(super) fn start<Q: Swept>(queue: &Arc<Q>, handle: &Handle) {
    let Some(rate) = queue.idle_policy().rate() else { return };
    if queue.is_closed() || queue.sweeping().is_running.swap(true, Ordering::AcqRel) {
        return;
    }
    let sweep = Sweep { queue: Arc::downgrade(queue), over: Arc::clone(&queue.sweeping().over) };
    // A runtime that has ended drops it here.
    drop(handle.spawn(sweep.run(rate)));
}

/// The task. Dropped before its end, with its runtime, it goes on elsewhere.
struct Sweep<Q: Swept> {
    queue: Weak<Q>,
    over: Arc<Notify>,
}

impl<Q: Swept> Sweep<Q> {
    async fn run(self, rate: Duration) {
        let mut interval = interval_at(tokio::time::Instant::now() + rate, rate);
        while self.is_due(&mut interval).await {
            let Some(queue) = self.queue.upgrade() else { return };
            queue.sweep();
        }
    }

    async fn is_due(&self, interval: &mut Interval) -> bool {
        let (tick, over) = (std::pin::pin!(interval.tick()), std::pin::pin!(self.over.notified()));
        matches!(select(over, tick).await, Either::Right(_))
    }
}

impl<Q: Swept> Drop for Sweep<Q> {
    fn drop(&mut self) {
        let Some(queue) = self.queue.upgrade() else { return };
        queue.sweeping().is_running.store(false, Ordering::Release);
        if let Some(handle) = queue.handles().iter().find(|handle| is_live(handle)) {
            start(&queue, handle);
        }
    }
}

/// Whether a runtime is live. One that is shut down drops a new task on the spot.
fn is_live(handle: &Handle) -> bool {
    let probe = handle.spawn(std::future::pending::<()>());
    let is_live = !probe.is_finished();
    probe.abort();
    is_live
}
