//! A connection of the pool: how bb8 makes it, what is known of it while it lies idle, and its being out. It knows no
//! queue and no database.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bb8::{ManageConnection, PooledConnection};
use tokio::runtime::Handle;

use crate::{
    driver::{Connection, Driver, Query, State, Want},
    error::{Error, ErrorKind},
    fault::NoDebt,
    runtime::{require_live_runtime, within},
};

/// How long an idle connection is trusted without giving the runtime a chance to see that it was closed.
const TRUSTED: Duration = Duration::from_millis(500);

/// A connection in the pool.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) connection: Box<dyn Connection>,
    /// It is thrown away at its return.
    pub(super) condemned: bool,
    pub(super) idle_since: Instant,
    /// Whether somebody has had it, or it was found to have been idle for long.
    was_used: bool,
    /// Whether that was so when it was borrowed last: it had been idle, rather than being made for its user.
    pub(super) was_at_rest: bool,
    pub(super) born: Instant,
    /// The generation of suspicion in which it was last seen to work.
    seen: u64,
}

/// Makes connections for bb8.
pub(super) struct Manager {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) connect_timeout: Duration,
    /// Counts the times that a connection was found dead: those made or seen before are not trusted.
    pub(super) suspicion: Arc<AtomicU64>,
}

impl ManageConnection for Manager {
    type Connection = Slot;
    type Error = Error;

    async fn connect(&self) -> Result<Slot, Error> {
        let seen = self.suspicion.load(Ordering::Acquire);
        let connection = match within(self.connect_timeout, self.driver.connect()).await? {
            Some(Ok(connection)) => connection,
            // At the end of a runtime sockets fail: what is wrong then is not the server.
            Some(Err(error)) => return Err(require_live_runtime().err().unwrap_or(error)),
            None => {
                let text = format!("no connection was made within {:?}", self.connect_timeout);
                return Err(Error::new(ErrorKind::Connect, text));
            }
        };
        let now = Instant::now();
        let (was_used, was_at_rest) = (false, false);
        Ok(Slot { connection, condemned: false, idle_since: now, was_used, was_at_rest, born: now, seen })
    }

    async fn is_valid(&self, slot: &mut Slot) -> Result<(), Error> {
        let check = Query::new("SELECT 1", &[]);
        slot.connection.run(&NoDebt, check, Want::Batch).await.map(|_| ()).map_err(|fault| fault.error)
    }

    fn has_broken(&self, slot: &mut Slot) -> bool {
        slot.idle_since = Instant::now();
        !slot.is_sound()
    }
}

impl Slot {
    /// Whether somebody else may have it.
    pub(super) fn is_sound(&self) -> bool {
        !self.condemned && self.connection.state() == State::Idle
    }
}

/// A connection that is out of the pool. It goes from hand to hand, so it is no more than a pointer.
#[derive(Debug)]
pub(super) struct Borrowed(Box<Out>);

/// bb8 may make another connection in place of this one when it comes back, and panics if there is no runtime to do so
/// on; but futures are dropped outside of runtimes, and after their end.
#[derive(Debug)]
struct Out {
    pooled: Option<PooledConnection<'static, Manager>>,
    handle: Handle,
}

impl Borrowed {
    pub(super) fn new(pooled: PooledConnection<'static, Manager>) -> Self {
        Self(Box::new(Out { pooled: Some(pooled), handle: Handle::current() }))
    }

    /// The runtime that it was borrowed on.
    pub(super) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// It is somebody's from here on, who may be on another runtime than the one before.
    pub(super) fn arrive(&mut self) {
        if let Ok(handle) = Handle::try_current() {
            self.0.handle = handle;
        }
        self.was_at_rest = mem::replace(&mut self.was_used, true);
    }
}

impl Deref for Borrowed {
    type Target = Slot;

    #[inline]
    fn deref(&self) -> &Slot {
        self.0.pooled.as_deref().expect("only the drop takes the connection out")
    }
}

impl DerefMut for Borrowed {
    #[inline]
    fn deref_mut(&mut self) -> &mut Slot {
        self.0.pooled.as_deref_mut().expect("only the drop takes the connection out")
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _entered = Handle::try_current().is_err().then(|| self.handle.enter());
        self.pooled = None;
    }
}

/// Whether a connection that was idle can be used as it is: it was used just now, and none was found dead since.
pub(super) fn is_trusted(slot: &Slot, suspicion: &AtomicU64) -> bool {
    slot.seen == suspicion.load(Ordering::Acquire)
        && slot.idle_since.elapsed() <= TRUSTED
        && slot.connection.state() == State::Idle
}

/// Whether a connection that was idle can be used. It costs no round trip unless others were found dead.
pub(super) async fn is_fit(slot: &mut Slot, suspicion: &AtomicU64) -> bool {
    if slot.idle_since.elapsed() > TRUSTED {
        slot.was_used = true;
        // Let the runtime look at the socket: a server that is gone has said so.
        tokio::task::yield_now().await;
    }
    if slot.connection.state() == State::Idle {
        let now = suspicion.load(Ordering::Acquire);
        if slot.seen == now {
            return true;
        }
        let check = Query::new("SELECT 1", &[]);
        if slot.connection.run(&NoDebt, check, Want::Batch).await.is_ok() {
            slot.seen = now;
            return true;
        }
    }
    slot.condemned = true;
    false
}
