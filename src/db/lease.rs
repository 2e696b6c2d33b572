//! A lease: one connection, borrowed from the pool. It goes back idle, or it is thrown away, in whatever way its user
//! came to an end.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use bb8::PooledConnection;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::timeout};

use super::pool::{Manager, NoDebt};
use crate::{
    control::Control,
    driver::{Connection, State},
    fault::Sparing,
};

/// How long a connection may take to become idle before it is thrown away.
const PATIENCE: Duration = Duration::from_secs(5);

/// A borrowed connection.
pub(super) struct Lease {
    pooled: Option<PooledConnection<'static, Manager>>,
    permit: Option<OwnedSemaphorePermit>,
    /// The runtime it was borrowed on: its return may have to wait there for the server.
    handle: Option<Handle>,
    /// How many answers have come over it.
    answers: AtomicU64,
    condemned: AtomicBool,
}

impl Lease {
    pub(super) fn new(pooled: PooledConnection<'static, Manager>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            pooled: Some(pooled),
            permit: Some(permit),
            handle: Handle::try_current().ok(),
            answers: AtomicU64::new(0),
            condemned: AtomicBool::new(false),
        }
    }

    pub(super) fn connection(&self) -> &dyn Connection {
        let pooled = self.pooled.as_ref().expect("only the drop takes the connection out");
        &*pooled.connection
    }

    /// An answer came, good or bad: from now on a loss of the connection loses work.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn has_answers(&self) -> bool {
        self.answers.load(Ordering::Acquire) > 0
    }

    /// The runtime that the connection was borrowed on, where whatever must still be waited for goes on.
    pub(super) fn handle(&self) -> Option<Handle> {
        self.handle.clone()
    }

    /// The connection is thrown away at its return.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(mut pooled), Some(permit)) = (self.pooled.take(), self.permit.take()) else {
            return;
        };
        if *self.condemned.get_mut() {
            pooled.condemned = true;
        }
        match pooled.connection.state() {
            _ if pooled.condemned => give_back(pooled, permit),
            State::Idle | State::Broken => give_back(pooled, permit),
            State::Transaction | State::Handled | State::Busy => match self.handle.take() {
                Some(handle) => drop(handle.spawn(clean_up(pooled, permit))),
                None => {
                    pooled.condemned = true;
                    give_back(pooled, permit);
                }
            },
        }
    }
}

/// Makes a connection idle: stops what runs, rolls back. What does not become idle in time is thrown away.
async fn clean_up(mut pooled: PooledConnection<'static, Manager>, permit: OwnedSemaphorePermit) {
    // Should the runtime end meanwhile, this is dropped half-way: the state then tells that it is not idle.
    let cleaned = timeout(PATIENCE, async {
        let connection = &*pooled.connection;
        if connection.state() == State::Busy {
            connection.cancel(Sparing::Nothing).await;
        }
        if connection.state() != State::Idle {
            connection.control(&NoDebt, &[Control::Rollback]).await?;
        }
        Ok::<_, crate::fault::Fault>(connection.state() == State::Idle)
    });
    let outcome = cleaned.await;
    if !matches!(outcome, Ok(Ok(true))) {
        tracing::debug!(target: "nestling", "a connection could not be made idle and is thrown away");
        pooled.condemned = true;
    }
    give_back(pooled, permit);
}

/// The connection is back in the pool before the next in the queue is let in.
fn give_back(pooled: PooledConnection<'static, Manager>, permit: OwnedSemaphorePermit) {
    drop(pooled);
    drop(permit);
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("connection", &self.pooled.as_ref().map(|p| p.connection.state())).finish()
    }
}
