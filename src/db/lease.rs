//! A borrowed connection: that of one statement, which has it to itself, or a lease, which many share. It goes back idle, or
//! it is thrown away, in whatever way its user came to an end.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, OptionFuture, Shared, join};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use super::{database::Inner, flight::DbFlight, pooled_connection::Borrowed, trace, wait_queue::Slot};
use crate::{
    driver::{Connection, State},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError},
    },
};

/// How long a connection may take to become idle before it is thrown away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cancellation under way, for all who wait until it is over.
pub(super) type Cancellation = Shared<BoxFuture<'static, ()>>;

/// A connection borrowed for one statement, which shares it with nobody. Its drop gives it back.
#[derive(Debug)]
pub(super) struct Sole {
    /// With the connection in it, until it is given back.
    slot: Option<Slot>,
}

const BORROWED: &str = "only giving it back takes the connection away";

impl Sole {
    /// The slot must have its connection. `handle` is that of the runtime that it is borrowed on, if there is one.
    pub(super) fn new(mut slot: Slot, handle: Option<Handle>) -> Self {
        if let Some(borrowed) = &mut slot.borrowed {
            borrowed.arrive(handle);
        }
        Self { slot: Some(slot) }
    }

    fn borrowed(&self) -> &Borrowed {
        self.slot.as_ref().and_then(|slot| slot.borrowed.as_ref()).expect(BORROWED)
    }

    pub(super) fn connection(&self) -> &dyn Connection {
        &*self.borrowed().connection
    }

    /// The epoch of the pool in which the connection was made.
    pub(super) fn made(&self) -> u64 {
        self.borrowed().made
    }

    /// Whether the database was closed since the connection was asked for.
    pub(super) fn is_late(&self) -> bool {
        self.slot.as_ref().is_none_or(Slot::is_late)
    }

    /// Gives the connection back, as [`Lease::give_back`] does.
    pub(super) fn give_back(mut self) -> Option<JoinHandle<()>> {
        give_back(self.slot.take()?, None, None, false)
    }
}

impl Drop for Sole {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            drop(give_back(slot, None, None, false));
        }
    }
}

/// A borrowed connection. Several may hold the lease; what gives the connection back is the end of the block that it was
/// borrowed for, or the drop. A future of that block that is kept beyond its end holds a lease that has nothing any more.
pub(super) struct Lease {
    connection: Arc<dyn Connection>,
    /// With the connection in it, until it is given back.
    slot: Mutex<Option<Slot>>,
    /// The epoch of the pool in which the connection was made.
    made: u64,
    was_at_rest: bool,
    /// How often the session had replaced its connection when this one was leased.
    epoch: u64,
    /// Whether an answer has come over it.
    has_answers: AtomicBool,
    condemned: AtomicBool,
    /// The native client is lent: the caller's own code speaks over it.
    lent: AtomicBool,
}

/// Whose transaction may have to be rolled back when the connection is given back: for the statistics and the traces.
pub(super) struct User {
    pub(super) inner: Arc<Inner>,
    pub(super) name: Option<Arc<str>>,
}

impl From<Sole> for Lease {
    fn from(mut sole: Sole) -> Self {
        let borrowed = sole.borrowed();
        Self {
            connection: Arc::clone(&borrowed.connection),
            made: borrowed.made,
            was_at_rest: borrowed.was_at_rest,
            slot: Mutex::new(sole.slot.take()),
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

    pub(super) fn connection(&self) -> &dyn Connection {
        &*self.connection
    }

    #[must_use]
    pub(super) fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the database was closed since the connection was asked for.
    pub(super) fn is_late(&self) -> bool {
        self.slot().as_ref().is_none_or(Slot::is_late)
    }

    /// The native client is lent from here on, until the returned value is dropped.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn lend(&self) -> Loan<'_> {
        self.lent.store(true, Ordering::Release);
        Loan(self)
    }

    pub(super) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Acquire)
    }

    /// An answer came, good or bad: from now on a loss of the connection loses work.
    pub(super) fn answered(&self) {
        self.has_answers.store(true, Ordering::Release);
    }

    pub(super) fn has_answers(&self) -> bool {
        self.has_answers.load(Ordering::Acquire)
    }

    /// Whether the connection lay idle before it was borrowed, rather than being made for this.
    pub(super) fn was_at_rest(&self) -> bool {
        self.was_at_rest
    }

    /// The runtime that the connection was borrowed on, where whatever must still be waited for goes on. `None` once it is
    /// given back.
    pub(super) fn handle(&self) -> Option<Handle> {
        Some(self.slot().as_ref()?.borrowed.as_ref()?.handle().clone())
    }

    /// The connection is thrown away at its return.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
    }

    /// Gives the connection back, whoever else still holds the lease: idle, or once it has been made idle, and not before
    /// a `cancellation` that is under way is over, or that would hit the next user. One whose native client is in other
    /// hands is made idle and thrown away. What is still to be done with it first goes on in the task that is returned.
    pub(super) fn give_back(&self, user: Option<User>, cancellation: Option<Cancellation>) -> Option<JoinHandle<()>> {
        let mut slot = self.slot().take()?;
        if self.condemned.load(Ordering::Acquire) {
            slot.borrowed.iter_mut().for_each(|borrowed| borrowed.condemned = true);
        }
        give_back(slot, user, cancellation, self.is_lent())
    }
}

fn give_back(
    mut slot: Slot,
    user: Option<User>,
    cancellation: Option<Cancellation>,
    is_lent: bool,
) -> Option<JoinHandle<()>> {
    let borrowed = slot.borrowed.as_mut()?;
    match borrowed.connection.state() {
        // One that is thrown away is rolled back as well: a future that is kept may hold it for long.
        State::Idle if !is_lent && cancellation.is_none() => {
            borrowed.was_seen_idle = true;
            None
        }
        State::Broken => None,
        State::Idle | State::Transaction | State::NeedsReset | State::Busy => {
            borrowed.connection.abandon();
            let handle = borrowed.handle().clone();
            Some(handle.spawn(clean_up(slot, user, cancellation, is_lent)))
        }
    }
}

/// The native client is lent.
#[cfg(any(feature = "postgres", feature = "mysql"))]
#[derive(Debug)]
pub(super) struct Loan<'l>(&'l Lease);

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
async fn clean_up(mut slot: Slot, user: Option<User>, cancellation: Option<Cancellation>, is_lent: bool) {
    let Some(borrowed) = &mut slot.borrowed else { return };
    // Should the runtime end meanwhile, this is dropped half-way: the state then tells that it is not idle.
    let cleaned = timeout(PATIENCE, async {
        let connection = &*borrowed.connection;
        // The cancellation of a block inside may spare what nobody needs any more: so this one does not wait for it to
        // begin, but both must be over.
        let stop = async {
            if connection.state() == State::Busy {
                connection.cancel(CancelScope::Nothing).await;
            }
        };
        join(stop, OptionFuture::from(cancellation)).await;
        // The first ends what is open, the second resets what the native client has left.
        for _ in 0..2 {
            if !matches!(connection.state(), State::Idle | State::Broken) {
                roll_back(connection, user.as_ref()).await?;
            }
        }
        Ok::<_, DriverError>(connection.state() == State::Idle)
    });
    let outcome = cleaned.await;
    borrowed.condemned |= is_lent;
    if !matches!(outcome, Ok(Ok(true))) {
        tracing::debug!(target: "nestling", "a connection could not be made idle and is thrown away");
        borrowed.condemned = true;
        let connection = Arc::clone(&borrowed.connection);
        // Its slot is somebody else's from here on.
        drop(slot);
        end_all(&*connection, user.as_ref()).await;
    }
}

/// Ends what a connection is at that was thrown away: what it had begun may not be over, and a future that is kept, or an
/// answer that does not come, may hold its socket for long.
async fn end_all(connection: &dyn Connection, user: Option<&User>) {
    if connection.state() == State::Busy {
        connection.cancel(CancelScope::Nothing).await;
    }
    if !matches!(connection.state(), State::Idle | State::Broken) {
        // Should it fail, nothing more can be done.
        let _ = timeout(PATIENCE, roll_back(connection, user)).await;
    }
}

async fn roll_back(connection: &dyn Connection, user: Option<&User>) -> Result<(), DriverError> {
    let steps = [Control::Rollback];
    match user {
        Some(User { inner, name }) => {
            let flight = DbFlight::alone(inner);
            trace::ending(inner, name.as_deref(), &steps, || connection.control(&flight, &steps)).await
        }
        None => connection.control(&(), &steps).await,
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("connection", &self.connection.state()).finish_non_exhaustive()
    }
}
