//! A connection of the pool: what the pool knows of it, and how bb8 makes, counts and ends it. The only file that names bb8. It
//! knows no queue.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bb8::{AddError, ManageConnection};
use futures_util::FutureExt as _;
use tokio::{runtime::Handle, task::yield_now};

use super::{
    recent::RecentStatements,
    session_options::{ConnectionInfo, SessionOptions},
    session_setup::SessionSetup,
    usage::Usage,
};
use crate::{
    driver::{Connection, Driver, Query, SessionToken, SessionTracker, State, Want},
    error::{Error, ErrorKind},
    runtime::{require_live_runtime, within},
};

/// How long an idle connection is fresh: it is used without giving the runtime a chance to see that it was closed.
const FRESH: Duration = Duration::from_millis(500);

/// How long the runtime is given to see that an idle connection was closed, at most.
const GLANCE: Duration = Duration::from_millis(2);

/// The epoch of the server: one more each time that all older connections became suspect at once.
#[derive(Debug, Default)]
pub(super) struct ServerEpoch {
    /// A connection that was made, or seen to work, in an earlier epoch is checked before it is used.
    current: AtomicU64,
    /// A connection that was made in an earlier epoch is not used again.
    stale_before: AtomicU64,
}

impl ServerEpoch {
    fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// A connection was found dead: the others are checked before they are used again.
    pub(super) fn mark_unverified(&self) {
        self.current.fetch_add(1, Ordering::AcqRel);
    }

    /// The server of a connection that was `made` in some epoch is not what it was opened for (after a failover, say): no
    /// connection that was made before now is used again. False if that was known.
    pub(super) fn mark_stale(&self, made: u64) -> bool {
        if self.is_stale(made) {
            return false;
        }
        let epoch = self.current.fetch_add(1, Ordering::AcqRel) + 1;
        self.stale_before.fetch_max(epoch, Ordering::AcqRel);
        true
    }

    pub(super) fn is_stale(&self, made: u64) -> bool {
        made < self.stale_before.load(Ordering::Acquire)
    }
}

/// A connection, and what the pool knows of it.
#[derive(Debug)]
pub(crate) struct PoolEntry {
    pub(crate) connection: Arc<dyn Connection>,
    /// It is thrown away at its return.
    pub(crate) condemned: bool,
    /// Its user has just seen that it is idle, and gives it back.
    pub(crate) was_seen_idle: bool,
    pub(super) idle_since: Instant,
    /// Since when its user has it.
    lent_at: Option<Instant>,
    /// Whether it was lent before, or had been idle for long.
    was_used: bool,
    /// Whether that was so when it was lent last: it had been idle, rather than being made for its user.
    pub(crate) was_at_rest: bool,
    pub(super) born: Instant,
    /// The epoch in which it was made.
    pub(crate) made: u64,
    /// The epoch in which it was last seen to work.
    seen: u64,
    /// The runtime that it was lent on last.
    handle: Handle,
    setup: Arc<SessionSetup>,
    usage: Arc<Usage>,
    /// What the block that has it has sent.
    pub(crate) recent: RecentStatements,
    /// Whether it is reset at each return.
    resets_on_return: bool,
    // Dropped last: the connection has begun its goodbye by then.
    _session: SessionToken,
}

/// Makes connections for bb8.
struct Factory {
    driver: Arc<dyn Driver>,
    connect_timeout: Duration,
    epoch: Arc<ServerEpoch>,
    sessions: SessionTracker,
    setup: Arc<SessionSetup>,
    usage: Arc<Usage>,
}

impl ManageConnection for Factory {
    type Connection = PoolEntry;
    type Error = Error;

    async fn connect(&self) -> Result<PoolEntry, Error> {
        let (start, made, session) = (Instant::now(), self.epoch.current(), self.sessions.token());
        let (wait, servers) = (self.connect_timeout, self.driver.servers());
        let all = wait.saturating_mul(servers.len().max(1).try_into().unwrap_or(u32::MAX));
        let connection: Arc<dyn Connection> = match within(all, self.driver.connect(wait, session.clone())).await? {
            Some(Ok(connection)) => Arc::from(connection),
            // At the shutdown of a runtime sockets fail: the server is not at fault then.
            Some(Err(error)) => return Err(require_live_runtime().err().unwrap_or(error)),
            None => {
                let to = if servers.is_empty() { String::new() } else { format!(" to {}", servers.join(", ")) };
                return Err(Error::new(ErrorKind::Connect, format!("no connection{to} was made within {all:?}")));
            }
        };
        self.usage.instruments.connected_to(self.driver.system_name());
        self.setup.prepare(&connection).await?;
        let (now, handle) = (Instant::now(), Handle::current());
        self.usage.created(now.duration_since(start));
        Ok(PoolEntry {
            connection,
            condemned: false,
            was_seen_idle: false,
            idle_since: now,
            lent_at: None,
            was_used: false,
            was_at_rest: false,
            born: now,
            made,
            seen: made,
            handle,
            setup: Arc::clone(&self.setup),
            usage: Arc::clone(&self.usage),
            recent: RecentStatements::default(),
            resets_on_return: self.setup.resets_on_return(),
            _session: session,
        })
    }

    /// Never asked for: the pool checks idle connections by itself.
    async fn is_valid(&self, _: &mut PoolEntry) -> Result<(), Error> {
        Ok(())
    }

    /// A connection goes back to bb8 to be closed; the wait queue keeps the idle ones.
    fn has_broken(&self, entry: &mut PoolEntry) -> bool {
        entry.condemned
    }
}

/// Makes connections, and counts them until they end.
pub(super) struct Connector {
    pub(super) epoch: Arc<ServerEpoch>,
    pub(super) sessions: SessionTracker,
    bb8: bb8::Pool<Factory>,
}

impl Connector {
    /// Up to `most` connections at once.
    pub(super) fn new(
        driver: Arc<dyn Driver>,
        most: u32,
        connect_timeout: Duration,
        options: SessionOptions,
        epoch: Arc<ServerEpoch>,
        usage: Arc<Usage>,
    ) -> Self {
        let sessions = SessionTracker::default();
        let setup = Arc::new(SessionSetup::new(options, driver.dialect(), connect_timeout));
        let factory =
            Factory { driver, connect_timeout, epoch: Arc::clone(&epoch), sessions: sessions.clone(), setup, usage };
        // Without timeouts and without a minimum bb8 starts no task, which would be bound to the runtime of its start.
        let bb8 = bb8::Pool::builder()
            .max_size(most)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_on_check_out(false)
            .retry_connection(false)
            .build_unchecked(factory);
        Self { epoch, sessions, bb8 }
    }

    /// How many of its connections there are.
    pub(super) fn count(&self) -> u64 {
        self.bb8.state().connections.into()
    }

    /// Makes a connection by one attempt. bb8 itself would retry until its timeout, and lose the reason.
    pub(super) async fn connect(&self) -> Result<PooledConnection, Error> {
        let made = self.bb8.dedicated_connection().await?;
        let no_room = || Error::new(ErrorKind::Connect, "there are as many connections as there may be");
        match self.bb8.add(made) {
            Ok(()) => {}
            Err(AddError::Broken(_) | AddError::NoCapacity(_)) => return Err(no_room()),
        }
        // bb8 has one now: this or another one that was made at the same moment.
        let taken = self.bb8.get_owned().now_or_never();
        taken.and_then(Result::ok).map(|entry| PooledConnection(Some(Box::new(entry)))).ok_or_else(no_room)
    }
}

impl PoolEntry {
    /// Whether it may go to the next user.
    pub(super) fn is_sound(&mut self) -> bool {
        let is_idle = mem::take(&mut self.was_seen_idle) || self.connection.state() == State::Idle;
        is_idle && !self.condemned
    }

    /// The present moment, if it can be used without a check while it is idle: it was used just now, and none was found dead
    /// since.
    pub(super) fn fresh_at(&self, epoch: &ServerEpoch) -> Option<Instant> {
        let now = (self.seen == epoch.current()).then(Instant::now)?;
        (now <= self.idle_since + FRESH).then_some(now)
    }

    /// Since when its user has it, or how old it is where it has none.
    pub(crate) fn lent_at(&self) -> Instant {
        self.lent_at.unwrap_or(self.born)
    }

    /// Its user is gone, and it is idle from `now` on or ends.
    pub(super) fn left(&mut self, now: Instant) {
        self.idle_since = now;
        if let Some(lent_at) = self.lent_at.take() {
            self.usage.used(now.duration_since(lent_at));
        }
    }

    /// The connection goes back: it is reset first, if that is asked for.
    #[inline]
    pub(crate) fn returns(&self) {
        if self.resets_on_return {
            self.connection.set_changed(true);
        }
    }

    /// Whether a reset leaves something to do before the next user gets it.
    pub(crate) fn prepares(&self) -> bool {
        self.setup.prepares()
    }

    /// The session was reset: makes it again what a new one is made.
    ///
    /// # Errors
    /// As [`SessionSetup::prepare`].
    pub(crate) async fn prepare_again(&self) -> Result<(), Error> {
        self.setup.prepare(&self.connection).await
    }

    /// Checks by the program's own callback whether it may be lent.
    pub(super) async fn passes_check(&mut self) -> bool {
        let info = ConnectionInfo { age: self.born.elapsed(), idle: self.idle_since.elapsed() };
        let passes = self.setup.check(&self.connection, info).await;
        self.condemned |= !passes;
        passes
    }

    /// Checks whether it can be used. That costs a round trip only if others were found dead.
    pub(super) async fn is_usable(&mut self, epoch: &ServerEpoch) -> bool {
        if self.idle_since.elapsed() > FRESH {
            self.was_used = true;
            // Let the runtime poll the socket, and then the task that reads it: so a close by the server is seen. By the clock
            // too, as a runtime that does not run during a blocking call makes no progress behind a yield.
            let look = async {
                for _ in 0..2 {
                    yield_now().await;
                }
            };
            // Without a runtime nothing can be seen.
            let _ = within(GLANCE, look).await;
        }
        if self.connection.state() == State::Idle && !epoch.is_stale(self.made) {
            let now = epoch.current();
            if self.seen == now {
                return true;
            }
            if self.connection.run(&(), SIGN_OF_LIFE, Want::Batch).await.is_ok() {
                self.seen = now;
                return true;
            }
        }
        self.condemned = true;
        false
    }
}

/// A connection that bb8 has lent: a pointer, as it is moved often. Its drop closes the connection.
#[derive(Debug)]
pub(crate) struct PooledConnection(Option<Box<bb8::PooledConnection<'static, Factory>>>);

const THERE: &str = "only the drop takes the connection out";

impl PooledConnection {
    /// The runtime that it was lent on.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Lends it to a user, maybe on another runtime than before.
    pub(super) fn lend(&mut self, handle: Option<Handle>, now: Instant) {
        self.lent_at = Some(now);
        if let Some(handle) = handle {
            self.handle = handle;
        }
        self.was_at_rest = mem::replace(&mut self.was_used, true);
    }
}

impl Deref for PooledConnection {
    type Target = PoolEntry;

    #[inline]
    fn deref(&self) -> &PoolEntry {
        self.0.as_deref().expect(THERE)
    }
}

impl DerefMut for PooledConnection {
    #[inline]
    fn deref_mut(&mut self) -> &mut PoolEntry {
        self.0.as_deref_mut().expect(THERE)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        // Drivers may need a runtime to close a connection, and futures are dropped outside of runtimes, and after their end.
        let Some(mut entry) = self.0.take() else { return };
        entry.condemned = true;
        let handle = entry.handle.clone();
        let _entered = Handle::try_current().is_err().then(|| handle.enter());
        drop(entry);
    }
}

/// A statement that any database answers.
pub(crate) const SIGN_OF_LIFE: Query<'static> = Query { sql: "SELECT 1", params: &[], reader: None };
