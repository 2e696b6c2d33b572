//! The sweep of a pool: a task that closes connections which have been idle for too long or are too old. It lives on one of
//! the runtimes that use the pool; when that ends, it goes on at another one that has a connection here, or with the next
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

use super::wait_queue::{IdlePolicy, WaitQueue};

/// How often connections are looked at: as often as their time asks for, within these.
const RATES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Whether the task is there.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    is_there: AtomicBool,
    over: Arc<Notify>,
}

impl Sweeping {
    /// Whether there should be a task, and is none.
    pub(super) fn is_missing(&self, idle_policy: &IdlePolicy) -> bool {
        !self.is_there.load(Ordering::Acquire) && rate(idle_policy).is_some()
    }

    /// The task ends: the pool is closed.
    pub(super) fn end(&self) {
        self.over.notify_one();
    }
}

fn rate(idle_policy: &IdlePolicy) -> Option<Duration> {
    let shortest = [idle_policy.idle_timeout, idle_policy.max_lifetime].into_iter().flatten().min()?;
    Some(shortest.clamp(RATES.0, RATES.1))
}

/// Starts the task on a runtime, unless it is there.
pub(super) fn start(wait_queue: &Arc<WaitQueue>, handle: &Handle) {
    let Some(rate) = rate(&wait_queue.idle_policy()) else { return };
    if wait_queue.is_closed() || wait_queue.sweeping.is_there.swap(true, Ordering::AcqRel) {
        return;
    }
    let sweep = Sweep { wait_queue: Arc::downgrade(wait_queue), over: Arc::clone(&wait_queue.sweeping.over) };
    // A runtime that has ended drops it here.
    drop(handle.spawn(sweep.run(rate)));
}

/// The task. Dropped before its end, with its runtime, it goes on elsewhere.
struct Sweep {
    wait_queue: Weak<WaitQueue>,
    over: Arc<Notify>,
}

impl Sweep {
    async fn run(self, rate: Duration) {
        let mut interval = interval_at(tokio::time::Instant::now() + rate, rate);
        while self.is_due(&mut interval).await {
            let Some(wait_queue) = self.wait_queue.upgrade() else { return };
            wait_queue.sweep();
        }
    }

    async fn is_due(&self, interval: &mut Interval) -> bool {
        let (tick, over) = (std::pin::pin!(interval.tick()), std::pin::pin!(self.over.notified()));
        matches!(select(over, tick).await, Either::Right(_))
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let Some(wait_queue) = self.wait_queue.upgrade() else { return };
        wait_queue.sweeping.is_there.store(false, Ordering::Release);
        if let Some(handle) = wait_queue.handles().iter().find(|handle| is_live(handle)) {
            start(&wait_queue, handle);
        }
    }
}

/// Whether a runtime goes on. One that has ended, or is about to, ends a new task on the spot.
fn is_live(handle: &Handle) -> bool {
    let probe = handle.spawn(std::future::pending::<()>());
    let is_live = !probe.is_finished();
    probe.abort();
    is_live
}
