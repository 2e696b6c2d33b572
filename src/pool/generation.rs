//! A generation: the connections between an opening of the pool and its closing, and how one is found or made for a caller.

use std::{
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use tokio::{runtime::Handle, time::timeout};

use super::{
    connection::Connector,
    session_options::SessionOptions,
    sweep::{IdlePolicy, Swept as _},
    usage::Usage,
    wait_queue::{Request, Slot, WaitQueue, Waiting, closed},
};
use crate::{
    driver::{SessionTracker, State, random},
    error::{Error, ErrorKind, ServerClass},
    runtime::{Waited, within, within_unless_stuck},
};

/// The pause before the server is asked again that has refused a connection; twice as long each time, up to a limit. Each
/// pause is 0.5 to 1.5 times this, at random.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// The options of a pool, checked.
#[derive(Debug, Clone)]
pub(crate) struct PoolOptions {
    pub(crate) max_connections: u32,
    pub(crate) min_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) autoconnect: Option<bool>,
    pub(crate) session: SessionOptions,
    /// The name that the program has given to the database.
    pub(crate) name: Option<Arc<str>>,
}

/// The connections between an opening of the pool and its closing.
pub(super) struct Generation {
    options: PoolOptions,
    usage: Arc<Usage>,
    pub(super) connector: Connector,
    pub(super) wait_queue: Arc<WaitQueue>,
    /// Whether the task runs that makes connections ahead of their use.
    is_stocking: AtomicBool,
}

impl Generation {
    pub(super) fn new(options: PoolOptions, usage: Arc<Usage>, connector: Connector) -> Self {
        let PoolOptions { max_connections, min_connections, idle_timeout, max_lifetime, .. } = options;
        let idle_policy = IdlePolicy { min: min_connections as usize, idle_timeout, max_lifetime };
        let wait_queue = Arc::new(WaitQueue::new(max_connections as usize, idle_policy, Arc::clone(&connector.epoch)));
        Self { options, usage, connector, wait_queue, is_stocking: AtomicBool::new(false) }
    }

    /// A fresh idle connection, if there is one that needs no wait.
    pub(super) fn try_lease(&self, held: usize) -> Option<Slot> {
        let PoolOptions { max_connections, min_connections, .. } = self.options;
        if held >= max_connections as usize || (min_connections > 0 && !self.is_stocking.load(Ordering::Acquire)) {
            return None;
        }
        if self.options.session.checks() {
            return None;
        }
        let handle = Handle::try_current().ok()?;
        let (mut slot, now) = self.wait_queue.take_recent()?;
        let pooled = slot.pooled.as_mut()?;
        if pooled.connection.state() == State::Idle {
            return Some(slot.lent(Some(handle), now));
        }
        pooled.condemned = true;
        None
    }

    /// Closes the wait queue. Returns the sessions that the server may not have ended yet.
    pub(super) fn close(&self) -> SessionTracker {
        self.connector.sessions.close();
        self.wait_queue.close();
        self.connector.sessions.clone()
    }

    /// Closes the idle connections that are stale.
    pub(super) fn close_stale(&self) {
        self.wait_queue.sweep();
    }

    /// Waits for a connection. `held` is how many of this database the task has already.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue; dropped while it connects, the connection goes.
    pub(super) async fn lease(self: &Arc<Self>, held: usize) -> Result<Slot, Error> {
        if held >= self.options.max_connections as usize {
            return Err(self.late(held));
        }
        if self.options.min_connections > 0 && !self.is_stocking.load(Ordering::Acquire) {
            self.stock();
        }
        // Boxed, as it is not needed where there is a fresh connection.
        match self.wait_queue.ask() {
            Request::Granted(slot) => match self.fresh(slot) {
                Ok(slot) => Ok(slot),
                Err(slot) => Box::pin(self.fill(slot, self.options.acquire_timeout, Instant::now())).await,
            },
            Request::Later(waiting) => Box::pin(self.queue(waiting, held)).await,
            Request::Closed => Err(closed()),
        }
    }

    /// The slot, if a connection has come with it that can be used without a check.
    fn fresh(&self, slot: Slot) -> Result<Slot, Slot> {
        let pooled = slot.pooled.as_ref().filter(|_| !self.options.session.checks());
        match pooled.and_then(|pooled| Some((pooled, pooled.fresh_at(&self.connector.epoch)?))) {
            Some((pooled, now)) if pooled.connection.state() == State::Idle => {
                Ok(slot.lent(Handle::try_current().ok(), now))
            }
            _ => Err(slot),
        }
    }

    /// Waits for a slot, in order of arrival.
    async fn queue(&self, mut waiting: Waiting, held: usize) -> Result<Slot, Error> {
        let counted = self.usage.waiting.during();
        let (wait, start) = (self.options.acquire_timeout, Instant::now());
        let most = self.options.max_connections as usize;
        // Where the task itself holds all connections, only it could give one back (rule 61).
        let all_here = || {
            let (streams, polls) = self.usage.streams.idle_here();
            (streams > 0 && held + streams >= most).then_some(polls)
        };
        // By reference, as a future that is moved into another one takes room in both.
        let slot = match within_unless_stuck(wait, &mut waiting, all_here).await? {
            Waited::Ready(slot) => slot.ok_or_else(closed)?,
            Waited::Late => {
                self.usage.timed_out();
                return Err(self.late(held));
            }
            Waited::Stuck => return Err(self.stuck(held)),
        };
        drop(counted);
        match self.fresh(slot) {
            Ok(slot) if slot.is_late() => Err(closed()),
            Ok(slot) => {
                self.usage.waited(start.elapsed());
                Ok(slot)
            }
            // Boxed again, as it is large and of no use while the caller waits in the queue.
            Err(slot) => Box::pin(self.fill(slot, wait.saturating_sub(start.elapsed()), start)).await,
        }
    }

    /// Finds a connection for a slot: an idle one, maybe the one that has come with it, or else a new one. The caller has
    /// waited since `start`.
    async fn fill(&self, mut slot: Slot, left: Duration, start: Instant) -> Result<Slot, Error> {
        let mut refusal = None;
        let found = within(left, self.checkout(&mut slot, &mut refusal)).await?;
        found.ok_or_else(|| self.slow(refusal))??;
        // Closed while it was made: the close did not wait for this one.
        if slot.is_late() {
            return Err(closed());
        }
        let now = Instant::now();
        self.usage.waited(now.duration_since(start));
        Ok(slot.lent(Handle::try_current().ok(), now))
    }

    /// Puts a usable connection into a slot. A server that refuses one for now is asked again.
    async fn checkout(&self, slot: &mut Slot, refusal: &mut Option<Error>) -> Result<(), Error> {
        let is_short = self.wait_queue.is_short();
        if self.reuse(slot, !is_short).await || (!is_short && self.connect(slot, refusal).await?) {
            return Ok(());
        }
        let (_short, _counted) = (self.wait_queue.fall_short(), self.usage.waiting.during());
        let mut has_room = self.wait_queue.trial.lock().await;
        let mut pause = FIRST_PAUSE;
        loop {
            if self.wait_queue.is_closed() {
                return Err(closed());
            }
            if self.reuse(slot, true).await {
                return Ok(());
            }
            // Right after a successful attempt there is no pause.
            let jitter = pause.mul_f64(0.5 + (random() % 1000) as f64 / 1000.0);
            if !std::mem::take(&mut *has_room) && timeout(jitter, self.wait_queue.spare.notified()).await.is_ok() {
                continue;
            }
            if self.connect(slot, refusal).await? {
                *has_room = true;
                return Ok(());
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Whether an existing connection can be used: the one that has come with the slot, or an idle one.
    async fn reuse(&self, slot: &mut Slot, may_take: bool) -> bool {
        loop {
            if slot.pooled.is_none() && may_take {
                slot.pooled = self.wait_queue.take_ready();
            }
            let Some(pooled) = &mut slot.pooled else { return false };
            if pooled.is_usable(&self.connector.epoch).await && pooled.passes_check().await {
                return true;
            }
            slot.pooled = None;
        }
    }

    /// Makes a connection. False if the server refuses one for now. A close gives the attempt up: the server may be silent, and
    /// the close waits for it.
    async fn connect(&self, slot: &mut Slot, refusal: &mut Option<Error>) -> Result<bool, Error> {
        let closing = pin!(self.wait_queue.closing.notified());
        if self.wait_queue.is_closed() {
            return Err(closed());
        }
        let made = match select(pin!(self.connector.connect()), closing).await {
            Either::Left((made, _)) => made,
            Either::Right(_) => return Err(closed()),
        };
        match made {
            Ok(pooled) => {
                slot.pooled = Some(pooled);
                Ok(true)
            }
            Err(error) if error.class() == ServerClass::NoSlot => {
                *refusal = Some(error);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// There was room for a connection, but none was made in time.
    fn slow(&self, refusal: Option<Error>) -> Error {
        self.usage.timed_out();
        let wait = self.options.acquire_timeout;
        let slow = |why| Error::new(ErrorKind::PoolTimeout, format!("no new connection was made within {wait:?}{why}"));
        match refusal {
            Some(refusal) => slow(", as the server had none to give").with_source(refusal),
            None => slow(""),
        }
    }

    /// The task waits for a connection that it would have to give back by itself.
    fn stuck(&self, held: usize) -> Error {
        let (most, (streams, _)) = (self.options.max_connections, self.usage.streams.idle_here());
        let text = format!(
            "this task holds all {most} connections: {held} in blocks, and {streams} by streams of rows that it does not \
             read on meanwhile; read a stream to its end or drop it first"
        );
        Error::new(ErrorKind::PoolTimeout, text)
    }

    fn late(&self, held: usize) -> Error {
        let PoolOptions { max_connections, acquire_timeout, ref name, .. } = self.options;
        let of = name.as_ref().map_or_else(String::new, |name| format!(" of \"{name}\""));
        let used = || self.usage.describe(max_connections as usize);
        let text = match held {
            0 => format!(
                "none of the {max_connections} connections{of} came free within {acquire_timeout:?}: {}",
                used()
            ),
            _ if held >= max_connections as usize => format!(
                "this task already holds {held} of the {max_connections} connections, and waiting for another would be for ever"
            ),
            _ => format!(
                "none of the {max_connections} connections{of} came free within {acquire_timeout:?}, and this task already holds {held}: {}",
                used()
            ),
        };
        Error::new(ErrorKind::PoolTimeout, text)
    }

    /// Starts the task that makes connections ahead of their use. It ends with its runtime; then the next lease starts one.
    fn stock(self: &Arc<Self>) {
        if !self.is_stocking.swap(true, Ordering::AcqRel) {
            let stocking = Stocking(Arc::downgrade(self));
            tokio::spawn(stocking.run(Arc::clone(&self.wait_queue)));
        }
    }
}

/// The task that makes connections ahead of their use.
struct Stocking(Weak<Generation>);

impl Stocking {
    async fn run(self, wait_queue: Arc<WaitQueue>) {
        let mut pause = FIRST_PAUSE;
        while !wait_queue.is_closed() {
            let Some(generation) = self.0.upgrade() else { return };
            let is_full = generation.fill_up().await;
            drop(generation);
            if is_full {
                pause = FIRST_PAUSE;
                wait_queue.wanting.notified().await;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

impl Drop for Stocking {
    fn drop(&mut self) {
        if let Some(generation) = self.0.upgrade() {
            generation.is_stocking.store(false, Ordering::Release);
        }
    }
}

impl Generation {
    /// Makes as many idle connections as the policy asks for. False if one could not be made.
    async fn fill_up(&self) -> bool {
        while let Some(mut slot) = self.wait_queue.reserve() {
            match self.connector.connect().await {
                Ok(pooled) => slot.pooled = Some(pooled),
                // A caller that needs one gets the error.
                Err(error) => {
                    tracing::debug!(target: "nestling", %error, "no connection could be made ahead of its use");
                    return false;
                }
            }
        }
        true
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        // The tasks of the pool end.
        self.wait_queue.close();
    }
}
