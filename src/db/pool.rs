//! The pool: the database's being open or closed, and the ways from the one to the other.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::timeout;

use super::{
    builder::Options,
    counters::Counters,
    generation::Generation,
    lease::Sole,
    pooled_connection::{Connector, Trust},
    registry::Registry,
};
use crate::{
    driver::{Driver, SessionTracker},
    error::{Error, ErrorKind},
    runtime::{require_live_runtime, require_runtime},
};

/// How long the end of sessions may take beyond the time for open transactions, where these had to be ended.
const GOODBYE: Duration = Duration::from_secs(1);

enum Phase {
    /// Never connected, and never closed.
    Fresh,
    Open(Arc<Generation>),
    /// With the sessions that may not have ended yet, if it ever was open.
    Closed(Option<SessionTracker>),
}

/// Whether the database is open, and how it came to be so.
struct Door {
    phase: Phase,
    /// How often it was closed: who began to connect before that does not open it again.
    closings: u64,
}

type Attempt = BoxFuture<'static, Result<(), Error>>;

/// The pool of one database.
pub(super) struct Pool {
    driver: Arc<dyn Driver>,
    options: Options,
    counters: Arc<Counters>,
    registry: Arc<Registry>,
    trust: Arc<Trust>,
    door: Arc<Mutex<Door>>,
    /// The attempt to connect that is under way. Those who wait for it own it: with the last of them it goes, rather than
    /// lie half-made until its time is over.
    attempt: Mutex<Option<WeakShared<Attempt>>>,
}

impl Pool {
    pub(super) fn new(
        driver: Arc<dyn Driver>,
        options: Options,
        counters: Arc<Counters>,
        registry: Arc<Registry>,
    ) -> Self {
        Self {
            driver,
            options,
            counters,
            registry,
            trust: Arc::default(),
            door: Arc::new(Mutex::new(Door { phase: Phase::Fresh, closings: 0 })),
            attempt: Mutex::default(),
        }
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        lock(&self.door)
    }

    fn build(&self) -> Arc<Generation> {
        let (driver, trust) = (Arc::clone(&self.driver), Arc::clone(&self.trust));
        let Options { max_connections, connect_timeout, .. } = self.options;
        let connector = Connector::new(driver, max_connections, connect_timeout, trust);
        Arc::new(Generation::new(self.options.clone(), Arc::clone(&self.counters), connector))
    }

    pub(super) fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    /// Whether a query is let in, be it that the database must be opened for it.
    pub(super) fn admits(&self) -> Result<(), Error> {
        self.check(&self.door().phase)
    }

    fn check(&self, phase: &Phase) -> Result<(), Error> {
        match phase {
            Phase::Fresh if self.options.autoconnect == Some(false) => {
                Err(Error::new(ErrorKind::Closed, "the database is not connected; call `connect` first"))
            }
            Phase::Closed(_) if self.options.autoconnect != Some(true) => Err(closed()),
            Phase::Open(_) | Phase::Fresh | Phase::Closed(_) => Ok(()),
        }
    }

    /// The open generation, opened now where that is allowed.
    fn generation(&self) -> Result<Arc<Generation>, Error> {
        let mut door = self.door();
        if let Phase::Open(generation) = &door.phase {
            return Ok(Arc::clone(generation));
        }
        self.check(&door.phase)?;
        let generation = self.build();
        door.phase = Phase::Open(Arc::clone(&generation));
        Ok(generation)
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(&self.door().phase, Phase::Open(generation) if generation.connector.count() > 0)
    }

    pub(super) fn connections(&self) -> (u64, u64) {
        match &self.door().phase {
            Phase::Open(generation) => (generation.connector.count(), generation.wait_queue.ready() as u64),
            Phase::Fresh | Phase::Closed(_) => (0, 0),
        }
    }

    /// A connection was found dead: the others are looked at before they are used again.
    pub(super) fn distrust(&self) {
        self.trust.distrust();
    }

    /// The server of a connection, which was `made` in some epoch, is not what it was opened for: none of the connections that were made before now is used
    /// again. Those that lie ready are closed, and the others at their return.
    pub(super) fn retire(&self, made: u64) {
        if self.trust.retire(made)
            && let Phase::Open(generation) = &self.door().phase
        {
            generation.wait_queue.sweep();
        }
    }

    pub(super) async fn connect(&self) -> Result<(), Error> {
        require_runtime()?;
        let attempt = {
            let mut current = lock(&self.attempt);
            if self.is_connected() {
                return Ok(());
            }
            // One that has ended answered those who waited for it; who comes later tries again.
            let under_way = current.as_ref().and_then(WeakShared::upgrade).filter(|attempt| attempt.peek().is_none());
            under_way.unwrap_or_else(|| {
                let attempt = self.try_connect();
                *current = attempt.downgrade();
                attempt
            })
        };
        attempt.await
    }

    fn try_connect(&self) -> Shared<Attempt> {
        let shared = Arc::clone(&self.door);
        let mut door = self.door();
        let closings = door.closings;
        let generation = match &door.phase {
            Phase::Open(generation) => Arc::clone(generation),
            Phase::Fresh | Phase::Closed(_) => self.build(),
        };
        if self.check(&door.phase).is_ok() {
            // A query would open it as well, and they share what is made.
            door.phase = Phase::Open(Arc::clone(&generation));
        }
        drop(door);
        async move {
            // Given back at once, it lies ready.
            generation.lease(0).await?;
            let mut door = lock(&shared);
            if door.closings != closings {
                return Err(closed());
            }
            door.phase = Phase::Open(generation);
            Ok(())
        }
        .boxed()
        .shared()
    }

    /// A connection for which nobody need wait, if there is one.
    pub(super) fn lease_at_hand(&self, held: usize) -> Option<Sole> {
        let Phase::Open(generation) = &self.door().phase else { return None };
        let generation = Arc::clone(generation);
        generation.lease_at_hand(held)
    }

    /// Waits for a connection. `held` tells how many of this database the task has already.
    ///
    /// # Cancel safety
    /// As [`Generation::lease`].
    pub(super) async fn lease(&self, held: usize) -> Result<Sole, Error> {
        require_runtime()?;
        self.generation()?.lease(held).await
    }

    pub(super) async fn close(&self, patience: Duration) {
        // Closed already, it waits all the same: the first caller may have been dropped. What is begun after this, on a
        // database that was opened again, is nobody's affair here: so the snapshot is taken while the door is held.
        let (snapshot, sessions) = {
            let mut door = self.door();
            door.closings += 1;
            let sessions = match &door.phase {
                Phase::Fresh => None,
                Phase::Open(generation) => {
                    generation.connector.sessions.close();
                    generation.wait_queue.close();
                    Some(generation.connector.sessions.clone())
                }
                Phase::Closed(sessions) => sessions.clone(),
            };
            let before = std::mem::replace(&mut door.phase, Phase::Closed(sessions.clone()));
            let snapshot = self.registry.snapshot();
            drop(door);
            drop(before);
            (snapshot, sessions)
        };
        if require_live_runtime().is_err() {
            // There is no clock to wait by: what is open ends now.
            return self.registry.lose_all(snapshot, &closed());
        }
        let start = Instant::now();
        let mut least = Duration::ZERO;
        if timeout(patience, self.registry.empty(snapshot)).await.is_err() {
            self.registry.end_all(snapshot, &closed()).await;
            least = GOODBYE.min(patience);
        }
        let Some(sessions) = sessions else { return };
        let goodbye = async {
            let ended = sessions.all_ended().await;
            self.driver.ended(&ended).await;
        };
        if timeout(patience.saturating_sub(start.elapsed()).max(least), goodbye).await.is_err() {
            tracing::debug!(target: "nestling", "the database was closed before the server had ended its sessions");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under these locks is one assignment: a panic leaves nothing half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the database is closed")
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connections, idle) = self.connections();
        f.debug_struct("Pool").field("connections", &connections).field("idle", &idle).finish_non_exhaustive()
    }
}
