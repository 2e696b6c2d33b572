//! The pool: bb8 behind a queue that serves whoever waits in order of arrival, and the database's being open or closed.
//! The only place that names bb8's pool.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bb8::RunError;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::{interval_at, timeout};

use super::{
    builder::Options,
    counters::Counters,
    lease::Lease,
    line::{Asked, Keeping, Line, Place, Waiting},
    registry::Registry,
    slot::{Borrowed, Manager, is_fit, is_trusted},
};
use crate::{
    driver::Driver,
    error::{Error, ErrorKind},
    runtime::{require_live_runtime, require_runtime, within},
};

/// How often idle connections are looked at that may have become too old: as often as their time asks for, within these.
const REAPING: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// The connections between an opening of the database and its closing.
struct Generation {
    bb8: bb8::Pool<Manager>,
    line: Arc<Line>,
}

enum Phase {
    /// Never connected, and never closed.
    Fresh,
    Open(Arc<Generation>),
    Closed,
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
    suspicion: Arc<AtomicU64>,
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
            suspicion: Arc::default(),
            door: Arc::new(Mutex::new(Door { phase: Phase::Fresh, closings: 0 })),
            attempt: Mutex::default(),
        }
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        lock(&self.door)
    }

    fn build(&self) -> Arc<Generation> {
        let Options { max_connections, min_connections, connect_timeout, idle_timeout, max_lifetime, .. } =
            self.options;
        let manager =
            Manager { driver: Arc::clone(&self.driver), connect_timeout, suspicion: Arc::clone(&self.suspicion) };
        let shortest = [idle_timeout, max_lifetime].into_iter().flatten().min();
        let rate = shortest.unwrap_or(REAPING.1).clamp(REAPING.0, REAPING.1);
        let bb8 = bb8::Pool::builder()
            .reaper_rate(rate)
            .max_size(max_connections)
            .min_idle(min_connections)
            .idle_timeout(idle_timeout)
            .max_lifetime(max_lifetime)
            .connection_timeout(self.options.acquire_timeout)
            .test_on_check_out(false)
            .retry_connection(false)
            .build_unchecked(manager);
        // bb8 takes what lies ready in the line to be in use, and would make others for it.
        let keeping = Keeping { ready: min_connections == 0, idle_timeout, max_lifetime };
        let line = Arc::new(Line::new(max_connections as usize, keeping));
        if keeping.ready && shortest.is_some() {
            tokio::spawn(sweep(Arc::downgrade(&line), rate));
        }
        Arc::new(Generation { bb8, line })
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
            Phase::Closed if self.options.autoconnect != Some(true) => Err(closed()),
            Phase::Open(_) | Phase::Fresh | Phase::Closed => Ok(()),
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
        matches!(&self.door().phase, Phase::Open(generation) if generation.bb8.state().connections > 0)
    }

    pub(super) fn connections(&self) -> (u64, u64) {
        match &self.door().phase {
            Phase::Open(generation) => {
                let state = generation.bb8.state();
                (state.connections.into(), u64::from(state.idle_connections) + generation.line.ready() as u64)
            }
            Phase::Fresh | Phase::Closed => (0, 0),
        }
    }

    /// A connection was found dead: the others are looked at before they are used again.
    pub(super) fn distrust(&self) {
        self.suspicion.fetch_add(1, Ordering::AcqRel);
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
        let door = self.door();
        let closings = door.closings;
        let generation = match &door.phase {
            Phase::Open(generation) => Arc::clone(generation),
            Phase::Fresh | Phase::Closed => self.build(),
        };
        async move {
            let slot = generation.bb8.dedicated_connection().await?;
            let mut door = lock(&shared);
            if door.closings != closings {
                return Err(closed());
            }
            // A query may have opened the database meanwhile.
            let open = match &door.phase {
                Phase::Open(open) => Arc::clone(open),
                Phase::Fresh | Phase::Closed => generation,
            };
            // With no room for it, another connection has been made meanwhile.
            let _ = open.bb8.add(slot);
            door.phase = Phase::Open(open);
            Ok(())
        }
        .boxed()
        .shared()
    }

    /// Waits for a connection. `held` tells how many of this database the task has already.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue; dropped while it connects, the connection goes.
    pub(super) async fn lease(&self, held: usize) -> Result<Lease, Error> {
        require_runtime()?;
        let generation = self.generation()?;
        if held >= self.options.max_connections as usize {
            return Err(self.late(held));
        }
        // Boxed is what is not needed where a connection is at hand.
        match generation.line.ask() {
            Asked::Place(place) => match self.trusted(place) {
                Ok(lease) => Ok(lease),
                Err(place) => Box::pin(self.fill(&generation, place, self.options.acquire_timeout)).await,
            },
            Asked::Later(waiting) => Box::pin(self.queue(&generation, waiting, held)).await,
            Asked::Closed => Err(closed()),
        }
    }

    /// The lease of a place, if a connection has come with it that can be used as it is.
    fn trusted(&self, place: Place) -> Result<Lease, Place> {
        match &place.borrowed {
            Some(borrowed) if is_trusted(borrowed, &self.suspicion) => Ok(Lease::new(place)),
            _ => Err(place),
        }
    }

    /// Waits for a place, in order of arrival.
    async fn queue(&self, generation: &Generation, waiting: Waiting, held: usize) -> Result<Lease, Error> {
        let _waiting = self.counters.waiting.during();
        let (wait, start) = (self.options.acquire_timeout, Instant::now());
        let waited = within(wait, waiting.place()).await?;
        let place = waited.ok_or_else(|| self.late(held))?.ok_or_else(closed)?;
        match self.trusted(place) {
            Ok(lease) if lease.is_late() => Err(closed()),
            Ok(lease) => Ok(lease),
            // Boxed again, as it is large and whoever waits in the queue has no use for it yet.
            Err(place) => Box::pin(self.fill(generation, place, wait.saturating_sub(start.elapsed()))).await,
        }
    }

    /// Finds a connection for whoever has a place: an idle one, or else a new one. One may have come with it that lay
    /// idle for a while.
    async fn fill(&self, generation: &Generation, mut place: Place, left: Duration) -> Result<Lease, Error> {
        let found = within(left, checkout(generation, &mut place, &self.suspicion)).await?;
        found.ok_or_else(|| self.slow())??;
        // Closed while it was made: whoever closed the database did not wait for this one.
        if place.is_late() { Err(closed()) } else { Ok(Lease::new(place)) }
    }

    /// There was room for a connection, but none was made in time.
    fn slow(&self) -> Error {
        let wait = self.options.acquire_timeout;
        Error::new(ErrorKind::PoolTimeout, format!("no new connection was made within {wait:?}"))
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

    pub(super) async fn close(&self, patience: Duration) {
        // Closed already, it waits all the same: the first caller may have been dropped. What is begun after this, on a
        // database that was opened again, is nobody's affair here: so the roll is called while the door is held.
        let roll = {
            let mut door = self.door();
            door.closings += 1;
            if let Phase::Open(generation) = std::mem::replace(&mut door.phase, Phase::Closed) {
                generation.line.close();
            }
            self.registry.roll()
        };
        if require_live_runtime().is_err() {
            // There is no clock to wait by: what is open ends now.
            return self.registry.lose_all(roll, &closed());
        }
        if timeout(patience, self.registry.empty(roll)).await.is_err() {
            self.registry.end_all(roll, &closed()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under these locks is one assignment: a panic leaves nothing half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that lies idle in bb8.
fn take_idle(pool: &bb8::Pool<Manager>) -> Option<Borrowed> {
    if pool.state().idle_connections == 0 {
        return None;
    }
    // It went back as broken, or another task was faster, if this is not ready.
    pool.get_owned().now_or_never()?.ok().map(Borrowed::new)
}

/// Puts a connection into a place, one that can be used.
async fn checkout(generation: &Generation, place: &mut Place, suspicion: &AtomicU64) -> Result<(), Error> {
    let Generation { bb8, line } = generation;
    loop {
        if place.borrowed.is_none() {
            place.borrowed = line.take_ready().or_else(|| take_idle(bb8));
        }
        if let Some(borrowed) = &mut place.borrowed {
            if is_fit(borrowed, suspicion).await {
                return Ok(());
            }
            place.borrowed = None;
            continue;
        }
        if bb8.state().idle_connections > 0 {
            continue;
        }
        // bb8 would retry until the time is over, and then not say why: so the connection is made here.
        let fresh = bb8.dedicated_connection().await?;
        // Without room for it another has been made meanwhile, which is somewhere now. Where none lie ready here it was
        // bb8 that made one, or that is at it.
        if bb8.add(fresh).is_err() && !line.keeps_ready() {
            place.borrowed = Some(bb8.get_owned().await.map(Borrowed::new).map_err(|error| match error {
                RunError::User(error) => error,
                RunError::TimedOut => Error::new(ErrorKind::PoolTimeout, "no connection was made in time"),
            })?);
            return Ok(());
        }
    }
}

/// Closes connections that lie ready for too long, for as long as the line is there: bb8 does not see them.
async fn sweep(line: Weak<Line>, rate: Duration) {
    let mut interval = interval_at(tokio::time::Instant::now() + rate, rate);
    loop {
        interval.tick().await;
        let Some(line) = line.upgrade() else { return };
        line.sweep();
    }
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
