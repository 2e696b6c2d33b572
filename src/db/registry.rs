//! The sessions of a database that have a connection, so that a closing database can wait for them, and end them when
//! it has waited long enough.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::Notify, time::timeout};

use super::session::DbSession;
use crate::{error::Error, runtime::SessionState};

/// How long the rollback of a session that is ended may take.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Members {
    next: u64,
    open: HashMap<u64, Weak<SessionState<DbSession>>>,
}

/// The sessions that have a connection.
#[derive(Debug, Default)]
pub(super) struct Registry {
    members: Mutex<Members>,
    left: Notify,
}

impl Registry {
    /// Enters a session until the returned value is dropped.
    pub(super) fn enter(self: &Arc<Self>, session_state: &Arc<SessionState<DbSession>>) -> Registration {
        let mut members = self.members();
        let number = members.next;
        members.next += 1;
        members.open.insert(number, Arc::downgrade(session_state));
        Registration { registry: Arc::clone(self), number }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All who are or were there until now.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot(self.members().next)
    }

    /// Waits until no session of the snapshot is there.
    pub(super) async fn empty(&self, snapshot: Snapshot) {
        loop {
            let left = self.left.notified();
            if !self.members().open.keys().any(|number| snapshot.names(*number)) {
                return;
            }
            left.await;
        }
    }

    fn open(&self, snapshot: Snapshot) -> Vec<Arc<SessionState<DbSession>>> {
        let named =
            |(number, session_state): (&u64, &Weak<_>)| snapshot.names(*number).then(|| session_state.upgrade())?;
        self.members().open.iter().filter_map(named).collect()
    }

    /// Lets nothing more be sent by any session of the snapshot: their blocks end in `error`.
    pub(super) fn lose_all(&self, snapshot: Snapshot, error: &Error) {
        self.open(snapshot).iter().for_each(|session_state| session_state.lose(error.clone()));
    }

    /// Takes their connections from all sessions of the snapshot: their blocks end in `error`.
    pub(super) async fn end_all(&self, snapshot: Snapshot, error: &Error) {
        let open = self.open(snapshot);
        let endings = open.iter().map(|session_state| {
            session_state.lose(error.clone());
            session_state.session().end_now()
        });
        // What does not snapshot back in time is thrown away with its connection, which ends it at the server.
        let _ = timeout(PATIENCE, join_all(endings)).await;
    }
}

/// Those who had entered by some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot(u64);

impl Snapshot {
    fn names(self, number: u64) -> bool {
        number < self.0
    }
}

/// A session's place in the registry.
#[derive(Debug)]
pub(super) struct Registration {
    registry: Arc<Registry>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.members().open.remove(&self.number);
        self.registry.left.notify_waiters();
    }
}
