//! What a database has between its opening and its closing: its connections, and how one is found or made for whoever asks
//! for it.

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
    builder::Options,
    counters::Counters,
    lease::Sole,
    pool::closed,
    pooled_connection::{Connector, is_fit, is_recent},
    wait_queue::{IdlePolicy, Request, Slot, WaitQueue, Waiting},
};
use crate::{
    driver::{State, random},
    error::{Error, ErrorKind, ServerClass},
    runtime::{Waited, within, within_unless_stuck},
};

/// How long the first of those whom the server has refused a connection waits before it asks again; twice as long each
/// time, up to a limit. Each pause is 0.5 to 1.5 times this, at random.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// The connections between an opening of the database and its closing.
pub(super) struct Generation {
    options: Options,
    counters: Arc<Counters>,
    pub(super) connector: Connector,
    pub(super) wait_queue: Arc<WaitQueue>,
    /// Whether a task is there that makes connections ahead of their use.
    is_stocking: AtomicBool,
}

impl Generation {
    pub(super) fn new(options: Options, counters: Arc<Counters>, connector: Connector) -> Self {
        let Options { max_connections, min_connections, idle_timeout, max_lifetime, .. } = options;
        let idle_policy = IdlePolicy { min: min_connections as usize, idle_timeout, max_lifetime };
        let wait_queue = Arc::new(WaitQueue::new(max_connections as usize, idle_policy, Arc::clone(&connector.trust)));
        Self { options, counters, connector, wait_queue, is_stocking: AtomicBool::new(false) }
    }

    /// A connection for which nobody need wait, if there is one.
    pub(super) fn lease_at_hand(&self, held: usize) -> Option<Sole> {
        let Options { max_connections, min_connections, .. } = self.options;
        if held >= max_connections as usize || (min_connections > 0 && !self.is_stocking.load(Ordering::Acquire)) {
            return None;
        }
        let handle = Handle::try_current().ok()?;
        let mut slot = self.wait_queue.take_recent()?;
        let borrowed = slot.borrowed.as_mut()?;
        if borrowed.connection.state() == State::Idle {
            return Some(Sole::new(slot, Some(handle)));
        }
        borrowed.condemned = true;
        None
    }

    /// Waits for a connection. `held` tells how many of this database the task has already.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue; dropped while it connects, the connection goes.
    pub(super) async fn lease(self: &Arc<Self>, held: usize) -> Result<Sole, Error> {
        if held >= self.options.max_connections as usize {
            return Err(self.late(held));
        }
        if self.options.min_connections > 0 && !self.is_stocking.load(Ordering::Acquire) {
            self.stock();
        }
        // Boxed is what is not needed where a connection is at hand.
        match self.wait_queue.ask() {
            Request::Granted(slot) => match self.trusted(slot) {
                Ok(lease) => Ok(lease),
                Err(slot) => Box::pin(self.fill(slot, self.options.acquire_timeout)).await,
            },
            Request::Later(waiting) => Box::pin(self.queue(waiting, held)).await,
            Request::Closed => Err(closed()),
        }
    }

    /// The lease of a slot, if a connection has come with it that can be used as it is.
    fn trusted(&self, slot: Slot) -> Result<Sole, Slot> {
        match &slot.borrowed {
            Some(borrowed)
                if is_recent(borrowed, &self.connector.trust) && borrowed.connection.state() == State::Idle =>
            {
                Ok(Sole::new(slot, Handle::try_current().ok()))
            }
            _ => Err(slot),
        }
    }

    /// Waits for a slot, in order of arrival.
    async fn queue(&self, mut waiting: Waiting, held: usize) -> Result<Sole, Error> {
        let counted = self.counters.waiting.during();
        let (wait, start) = (self.options.acquire_timeout, Instant::now());
        let most = self.options.max_connections as usize;
        // Where the task itself has all connections, it alone could give one back (rule 61).
        let all_here = || {
            let (streams, polls) = self.counters.streams.idle_here();
            (streams > 0 && held + streams >= most).then_some(polls)
        };
        // By reference, as a future that is moved into another one has room in both.
        let slot = match within_unless_stuck(wait, &mut waiting, all_here).await? {
            Waited::Ready(slot) => slot.ok_or_else(closed)?,
            Waited::Late => return Err(self.late(held)),
            Waited::Stuck => return Err(self.stuck(held)),
        };
        drop(counted);
        match self.trusted(slot) {
            Ok(lease) if lease.is_late() => Err(closed()),
            Ok(lease) => Ok(lease),
            // Boxed again, as it is large and whoever waits in the queue has no use for it yet.
            Err(slot) => Box::pin(self.fill(slot, wait.saturating_sub(start.elapsed()))).await,
        }
    }

    /// Finds a connection for whoever has a slot: an idle one, or else a new one. One may have come with it that lay
    /// idle for a while.
    async fn fill(&self, mut slot: Slot, left: Duration) -> Result<Sole, Error> {
        let mut refusal = None;
        let found = within(left, self.checkout(&mut slot, &mut refusal)).await?;
        found.ok_or_else(|| self.slow(refusal))??;
        // Closed while it was made: whoever closed the database did not wait for this one.
        if slot.is_late() { Err(closed()) } else { Ok(Sole::new(slot, Handle::try_current().ok())) }
    }

    /// Puts a connection into a slot, one that can be used. A server that has none to give for now is asked again.
    async fn checkout(&self, slot: &mut Slot, refusal: &mut Option<Error>) -> Result<(), Error> {
        let is_short = self.wait_queue.is_short();
        if self.reuse(slot, !is_short).await || (!is_short && self.connect(slot, refusal).await?) {
            return Ok(());
        }
        let (_short, _counted) = (self.wait_queue.fall_short(), self.counters.waiting.during());
        let mut has_room = self.wait_queue.trial.lock().await;
        let mut pause = FIRST_PAUSE;
        loop {
            if self.wait_queue.is_closed() {
                return Err(closed());
            }
            if self.reuse(slot, true).await {
                return Ok(());
            }
            // Right behind one that was let in there is no pause.
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

    /// Whether a connection that was there can be used: the one that has come with the slot, or one that lies ready.
    async fn reuse(&self, slot: &mut Slot, may_take: bool) -> bool {
        loop {
            if slot.borrowed.is_none() && may_take {
                slot.borrowed = self.wait_queue.take_ready();
            }
            let Some(borrowed) = &mut slot.borrowed else { return false };
            if is_fit(borrowed, &self.connector.trust).await {
                return true;
            }
            slot.borrowed = None;
        }
    }

    /// Makes a connection. False if the server has none to give for now. When the database is closed meanwhile, the attempt
    /// is given up: the server may be silent, and whoever closes waits for it.
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
            Ok(borrowed) => {
                slot.borrowed = Some(borrowed);
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
        let wait = self.options.acquire_timeout;
        let slow = |why| Error::new(ErrorKind::PoolTimeout, format!("no new connection was made within {wait:?}{why}"));
        match refusal {
            Some(refusal) => slow(", as the server had none to give").with_source(refusal),
            None => slow(""),
        }
    }

    /// The task waits for a connection that it would have to give back by itself.
    fn stuck(&self, held: usize) -> Error {
        let (most, (streams, _)) = (self.options.max_connections, self.counters.streams.idle_here());
        let text = format!(
            "this task holds all {most} connections: {held} in blocks, and {streams} by streams of rows that it does not \
             read on meanwhile; read a stream to its end or drop it first"
        );
        Error::new(ErrorKind::PoolTimeout, text)
    }

    fn late(&self, held: usize) -> Error {
        let Options { max_connections, acquire_timeout, .. } = self.options;
        let text = match held {
            0 => format!("none of the {max_connections} connections came free within {acquire_timeout:?}"),
            _ if held >= max_connections as usize => format!(
                "this task already holds {held} of the {max_connections} connections, and waiting for another would be for ever"
            ),
            _ => format!(
                "none of the {max_connections} connections came free within {acquire_timeout:?}, and this task already holds {held}"
            ),
        };
        Error::new(ErrorKind::PoolTimeout, text)
    }

    /// Starts the task that makes connections ahead of their use. It ends with its runtime: then the next lease starts one.
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
    /// Makes as many connections as are to lie ready. False if one could not be made.
    async fn fill_up(&self) -> bool {
        while let Some(mut slot) = self.wait_queue.reserve() {
            match self.connector.connect().await {
                Ok(borrowed) => slot.borrowed = Some(borrowed),
                // Whoever needs one is told why.
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
