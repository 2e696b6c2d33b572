//! The registry of a database: its sessions that have a connection, so that a close can wait for them, and end them in the
//! end; and those that wait for one. It tells what is open.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use slab::Slab;
use tokio::{sync::Notify, time::timeout};

use crate::{
    error::Error,
    runtime::{Frame, Session, SessionState},
};

/// How long the rollback of a session that is ended may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that has a connection, or waits for one.
#[derive(Debug)]
pub(super) struct Member<S: Session> {
    /// How many have entered before.
    number: u64,
    /// It lives as long as any block of the session, which it is around.
    outermost: Weak<Frame<S>>,
    since: Instant,
}

/// A session that is open, by its outermost frame.
#[derive(Debug)]
pub(super) struct OpenSession<S: Session> {
    pub(super) outermost: Arc<Frame<S>>,
    /// Since when it has its connection, or waits for it.
    pub(super) since: Instant,
    pub(super) is_waiting: bool,
}

/// The sessions that have a connection.
#[derive(Debug)]
pub(crate) struct Registry<S: Session> {
    members: Mutex<Members<S>>,
    left: Notify,
}

#[derive(Debug)]
struct Members<S: Session> {
    next: u64,
    open: Slab<Member<S>>,
    /// Those that wait for a connection. A close does not wait for them: their wait ends with the pool.
    waiting: Slab<Member<S>>,
}

impl<S: Session> Members<S> {
    fn next(&mut self, frame: &Arc<Frame<S>>) -> Member<S> {
        self.next += 1;
        Member { number: self.next - 1, outermost: Arc::downgrade(frame.outermost()), since: Instant::now() }
    }
}

impl<S: Session> Default for Registry<S> {
    fn default() -> Self {
        Self { members: Mutex::new(Members { next: 0, open: Slab::new(), waiting: Slab::new() }), left: Notify::new() }
    }
}

impl<S: Session> Registry<S> {
    /// Enters a session until the returned value is dropped.
    pub(super) fn enter(self: &Arc<Self>, frame: &Arc<Frame<S>>) -> Registration<S> {
        let mut members = self.members();
        let member = members.next(frame);
        Registration { registry: Arc::clone(self), place: members.open.insert(member) }
    }

    /// Enters a session that waits for a connection, until the returned value is dropped.
    pub(super) fn enter_waiting(self: &Arc<Self>, frame: &Arc<Frame<S>>) -> WaitingEntry<S> {
        let mut members = self.members();
        let member = members.next(frame);
        WaitingEntry { registry: Arc::clone(self), place: members.waiting.insert(member) }
    }

    /// How many sessions have a connection.
    pub(super) fn count(&self) -> usize {
        self.members().open.len()
    }

    /// The sessions that are open now, the oldest first.
    pub(super) fn look(&self) -> Vec<OpenSession<S>> {
        let mut found: Vec<_> = {
            let members = self.members();
            let of = |member: &Member<S>, is_waiting| {
                Some(OpenSession { outermost: member.outermost.upgrade()?, since: member.since, is_waiting })
            };
            let open = members.open.iter().filter_map(|(_, member)| of(member, false));
            open.chain(members.waiting.iter().filter_map(|(_, member)| of(member, true))).collect()
        };
        found.sort_by_key(|session| session.since);
        found
    }

    fn members(&self) -> MutexGuard<'_, Members<S>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All sessions that have entered until now.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot(self.members().next)
    }

    /// Waits until no session of the snapshot is left.
    pub(super) async fn empty(&self, snapshot: Snapshot) {
        loop {
            let left = self.left.notified();
            if !self.members().open.iter().any(|(_, member)| snapshot.contains(member.number)) {
                return;
            }
            left.await;
        }
    }

    fn open(&self, snapshot: Snapshot) -> Vec<Arc<SessionState<S>>> {
        let open =
            |(_, member): (usize, &Member<S>)| snapshot.contains(member.number).then(|| member.outermost.upgrade())?;
        // Dropped outside the lock: with a frame that is the last of its session, the session leaves.
        let frames: Vec<_> = self.members().open.iter().filter_map(open).collect();
        frames.iter().map(|frame| Arc::clone(frame.session_state())).collect()
    }

    /// Lets nothing more be sent by any session of the snapshot: their blocks end in `error`.
    pub(super) fn lose_all(&self, snapshot: Snapshot, error: &Error) {
        self.open(snapshot).iter().for_each(|session_state| session_state.lose(error.clone()));
    }

    /// Ends all sessions of the snapshot by `end`: their blocks end in `error`.
    pub(super) async fn end_all<F: Future<Output = ()>>(
        &self,
        snapshot: Snapshot,
        error: &Error,
        end: impl Fn(&S) -> F,
    ) {
        let open = self.open(snapshot);
        let endings = open.iter().map(|session_state| {
            session_state.lose(error.clone());
            end(session_state.session())
        });
        // A session that does not end in time is thrown away with its connection, which ends it at the server.
        let _ = timeout(PATIENCE, join_all(endings)).await;
    }
}

/// The sessions that had entered by some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot(u64);

impl Snapshot {
    fn contains(self, number: u64) -> bool {
        number < self.0
    }
}

/// The entry of a session. Its drop leaves the registry.
#[derive(Debug)]
pub(super) struct Registration<S: Session> {
    registry: Arc<Registry<S>>,
    place: usize,
}

impl<S: Session> Drop for Registration<S> {
    fn drop(&mut self) {
        drop(self.registry.members().open.try_remove(self.place));
        self.registry.left.notify_waiters();
    }
}

/// The entry of a session that waits for a connection. Its drop takes it out.
#[derive(Debug)]
pub(super) struct WaitingEntry<S: Session> {
    registry: Arc<Registry<S>>,
    place: usize,
}

impl<S: Session> Drop for WaitingEntry<S> {
    fn drop(&mut self) {
        drop(self.registry.members().waiting.try_remove(self.place));
    }
}
