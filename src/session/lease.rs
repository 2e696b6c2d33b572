//! Leases: a connection borrowed from the pool by one statement ([`StatementLease`]) or by all of a block ([`Lease`]). It goes
//! back idle or is thrown away, in whatever way its user ended.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, OptionFuture, Shared, join};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};
use tracing::Instrument as _;

use super::counters::{CountedFlight, Counters};
use crate::{
    driver::{Connection, State},
    pool::{PooledConnection, RecentStatements, Slot},
    traces::{self, Labels, OpenTransaction},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError},
        outcome::TransactionEnd,
    },
};

/// How long a connection may take to become idle before it is thrown away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cancellation under way, which several may wait for.
pub(super) type Cancellation = Shared<BoxFuture<'static, ()>>;

/// A connection borrowed for one statement. Its drop gives it back.
#[derive(Debug)]
pub(crate) struct StatementLease {
    /// With the connection in it, until it is given back.
    slot: Option<Slot>,
}

const LEASED: &str = "only giving it back takes the connection away";

impl StatementLease {
    fn pooled(&self) -> &PooledConnection {
        self.slot.as_ref().and_then(|slot| slot.pooled.as_ref()).expect(LEASED)
    }

    pub(crate) fn connection(&self) -> &dyn Connection {
        &*self.pooled().connection
    }

    /// The epoch of the server in which the connection was made.
    pub(crate) fn made(&self) -> u64 {
        self.pooled().made
    }

    /// Since when it is lent.
    pub(crate) fn since(&self) -> Instant {
        self.pooled().lent_at()
    }

    /// Gives the connection back, as [`Lease::give_back`] does.
    pub(crate) fn give_back(mut self) -> Option<JoinHandle<()>> {
        give_back(self.slot.take()?, None, None, false)
    }
}

impl From<Slot> for StatementLease {
    /// The slot must have its connection.
    fn from(slot: Slot) -> Self {
        Self { slot: Some(slot) }
    }
}

impl Drop for StatementLease {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            drop(give_back(slot, None, None, false));
        }
    }
}

/// A connection borrowed for a block. Several may hold the lease; the end of the block gives the connection back, or the drop.
/// A future of the block that is kept beyond its end holds an empty lease.
pub(crate) struct Lease {
    connection: Arc<dyn Connection>,
    /// With the connection in it, until it is given back.
    slot: Mutex<Option<Slot>>,
    /// The epoch of the server in which the connection was made.
    made: u64,
    was_at_rest: bool,
    /// How often the session had replaced its connection when this one was leased.
    epoch: u64,
    /// Whether an answer has come over it.
    has_answers: AtomicBool,
    condemned: AtomicBool,
    /// The native client is lent to the caller's own code.
    lent: AtomicBool,
}

/// The owner of the transaction that may have to be rolled back when the connection is given back: for the statistics and the
/// traces.
pub(super) struct Owner {
    pub(super) labels: Arc<Labels>,
    pub(super) counters: Arc<Counters>,
    /// What the server has open, if somebody listens to its end.
    pub(super) transaction: Option<Box<OpenTransaction>>,
}

impl From<StatementLease> for Lease {
    fn from(mut lease: StatementLease) -> Self {
        if let Some(pooled) = lease.slot.as_mut().and_then(|slot| slot.pooled.as_mut()) {
            pooled.recent.clear();
        }
        let pooled = lease.pooled();
        Self {
            connection: Arc::clone(&pooled.connection),
            made: pooled.made,
            was_at_rest: pooled.was_at_rest,
            slot: Mutex::new(lease.slot.take()),
            epoch: 0,
            has_answers: AtomicBool::new(false),
            condemned: AtomicBool::new(false),
            lent: AtomicBool::new(false),
        }
    }
}

impl Lease {
    fn slot(&self) -> MutexGuard<'_, Option<Slot>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connection(&self) -> &dyn Connection {
        &*self.connection
    }

    #[must_use]
    pub(crate) fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the pool was closed since the connection was requested.
    pub(crate) fn is_late(&self) -> bool {
        self.slot().as_ref().is_none_or(Slot::is_late)
    }

    /// A statement is sent over it now, at the returned moment.
    pub(crate) fn note_statement(&self, sql: &str) -> Instant {
        let now = Instant::now();
        if let Some(pooled) = self.slot().as_mut().and_then(|slot| slot.pooled.as_mut()) {
            pooled.recent.note(sql, now);
        }
        now
    }

    /// Looks at what was sent over it.
    pub(super) fn with_recent(&self, look: impl FnOnce(&RecentStatements)) {
        if let Some(pooled) = self.slot().as_ref().and_then(|slot| slot.pooled.as_ref()) {
            look(&pooled.recent);
        }
    }

    /// The native client is lent from here on, until the returned value is dropped.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn lend(&self) -> Loan<'_> {
        self.lent.store(true, Ordering::Release);
        Loan(self)
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Acquire)
    }

    /// An answer came, good or bad: from now on a loss of the connection loses work.
    pub(crate) fn answered(&self) {
        self.has_answers.store(true, Ordering::Release);
    }

    pub(crate) fn has_answers(&self) -> bool {
        self.has_answers.load(Ordering::Acquire)
    }

    /// Whether the connection was idle before it was leased, rather than being made for this.
    pub(crate) fn was_at_rest(&self) -> bool {
        self.was_at_rest
    }

    /// The runtime that the connection was leased on, for work that outlives its caller. `None` once it is given back.
    pub(crate) fn handle(&self) -> Option<Handle> {
        Some(self.slot().as_ref()?.pooled.as_ref()?.handle().clone())
    }

    /// The connection is thrown away at its return.
    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
    }

    /// Gives the connection back, even if others still hold the lease: idle, or once it has been made idle, and not before a
    /// `cancellation` under way is over, which would hit the next user. One whose native client is still lent is made idle and
    /// thrown away. Work that must come first is done in the task that is returned.
    pub(super) fn give_back(&self, owner: Option<Owner>, cancellation: Option<Cancellation>) -> Option<JoinHandle<()>> {
        let mut slot = self.slot().take()?;
        if self.condemned.load(Ordering::Acquire) {
            slot.pooled.iter_mut().for_each(|pooled| pooled.condemned = true);
        }
        give_back(slot, owner, cancellation, self.is_lent())
    }
}

fn give_back(
    mut slot: Slot,
    owner: Option<Owner>,
    cancellation: Option<Cancellation>,
    is_lent: bool,
) -> Option<JoinHandle<()>> {
    let pooled = slot.pooled.as_mut()?;
    pooled.returns();
    match pooled.connection.state() {
        // One that is thrown away is rolled back as well: a future that is kept unpolled may hold it for long.
        State::Idle if !is_lent && cancellation.is_none() => {
            pooled.was_seen_idle = true;
            if let Some(mut transaction) = owner.and_then(|owner| owner.transaction) {
                // The server has ended it by itself.
                transaction.end(TransactionEnd::RolledBack, None);
            }
            None
        }
        State::Broken => None,
        State::Idle | State::Transaction | State::NeedsReset | State::Busy => {
            pooled.connection.abandon();
            let handle = pooled.handle().clone();
            Some(handle.spawn(clean_up(slot, owner, cancellation, is_lent).in_current_span()))
        }
    }
}

/// The native client is lent until this is dropped.
#[cfg(any(feature = "postgres", feature = "mysql"))]
#[derive(Debug)]
pub(crate) struct Loan<'l>(&'l Lease);

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.lent.store(false, Ordering::Release);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.give_back(None, None));
    }
}

/// Makes a connection idle: stops what runs, rolls back. What does not become idle in time is thrown away.
async fn clean_up(mut slot: Slot, mut owner: Option<Owner>, cancellation: Option<Cancellation>, is_lent: bool) {
    let Some(pooled) = &mut slot.pooled else { return };
    // Should the runtime end meanwhile, this is dropped half-way: by its state the connection is not idle then. It may be
    // between the reset and what a new session runs: then it is condemned.
    let was_condemned = pooled.condemned;
    pooled.condemned |= pooled.prepares();
    let cleaned = timeout(PATIENCE, async {
        let (connection, mut is_reset) = (&*pooled.connection, false);
        // The cancellation of a block inside may spare what is not needed any more: so this one does not wait for it to begin,
        // but both must be over.
        let stop = async {
            if connection.state() == State::Busy {
                connection.cancel(CancelScope::Nothing).await;
            }
        };
        join(stop, OptionFuture::from(cancellation)).await;
        // The first ends what is open, the second resets what the native client has changed.
        for _ in 0..2 {
            let state = connection.state();
            if !matches!(state, State::Idle | State::Broken) {
                is_reset |= state == State::NeedsReset;
                roll_back(connection, owner.as_mut()).await?;
            }
        }
        if is_reset && !was_condemned && !is_lent && connection.state() == State::Idle {
            prepare_again(pooled).await?;
        }
        Ok::<_, DriverError>(connection.state() == State::Idle)
    });
    let outcome = cleaned.await;
    pooled.condemned = was_condemned || is_lent;
    if !matches!(outcome, Ok(Ok(true))) {
        tracing::debug!(target: "nestling", "a connection could not be made idle and is thrown away");
        pooled.condemned = true;
        let connection = Arc::clone(&pooled.connection);
        // Its slot is free from here on.
        drop(slot);
        end_all(&*connection, owner.as_mut()).await;
    }
}

/// Makes a session that was reset what a new one is made.
async fn prepare_again(pooled: &PooledConnection) -> Result<(), DriverError> {
    if pooled.prepares() {
        let prepared = Box::pin(pooled.prepare_again()).await;
        prepared.map_err(|error| {
            tracing::warn!(target: "nestling", %error, "a session could not be prepared again behind its reset");
            DriverError::harmless(error)
        })?;
    }
    Ok(())
}

/// Ends all work of a connection that was thrown away, as a future that is kept, or an answer that does not come, may hold its
/// socket open for long.
async fn end_all(connection: &dyn Connection, owner: Option<&mut Owner>) {
    if connection.state() == State::Busy {
        connection.cancel(CancelScope::Nothing).await;
    }
    if !matches!(connection.state(), State::Idle | State::Broken) {
        // Should it fail, nothing more can be done.
        let _ = timeout(PATIENCE, roll_back(connection, owner)).await;
    }
}

async fn roll_back(connection: &dyn Connection, owner: Option<&mut Owner>) -> Result<(), DriverError> {
    let steps = [Control::Rollback];
    match owner {
        Some(Owner { labels, counters, transaction }) => {
            let flight = CountedFlight(counters);
            traces::ending(labels, transaction.take(), &steps, || connection.control(&flight, &steps)).await
        }
        None => connection.control(&(), &steps).await,
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("connection", &self.connection.state()).finish_non_exhaustive()
    }
}
