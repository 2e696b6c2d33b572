//! A connection of the pool: how bb8 makes, counts and ends it, what is known of it while it lies idle, and its being out. It
//! knows no queue and no database. The only place that names bb8.

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

use crate::{
    driver::{Connection, Driver, Query, SessionToken, SessionTracker, State, Want},
    error::{Error, ErrorKind},
    runtime::{require_live_runtime, within},
};

/// How long an idle connection is trusted without giving the runtime a chance to see that it was closed.
const TRUSTED: Duration = Duration::from_millis(500);

/// How long the runtime is given to see that an idle connection was closed, where it cannot say that it has looked.
const GLANCE: Duration = Duration::from_millis(2);

/// What was learnt of the server, and so of all connections that were made before. It is counted in epochs.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// One more with each connection that was found dead: those that were made or seen before are not trusted.
    epoch: AtomicU64,
    /// Connections that were made in an earlier epoch are at a server that is not what it was opened for.
    stale_before: AtomicU64,
}

impl Trust {
    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A connection was found dead: the others are looked at before they are used again.
    pub(super) fn distrust(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The server of a connection, made in some epoch, is not what it was opened for: none that was made before now is used
    /// again. False if that was known.
    pub(super) fn retire(&self, made: u64) -> bool {
        if self.is_stale(made) {
            return false;
        }
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.stale_before.fetch_max(epoch, Ordering::AcqRel);
        true
    }

    pub(super) fn is_stale(&self, made: u64) -> bool {
        made < self.stale_before.load(Ordering::Acquire)
    }
}

/// A connection in the pool.
#[derive(Debug)]
pub(super) struct PooledConnection {
    pub(super) connection: Arc<dyn Connection>,
    /// It is thrown away at its return.
    pub(super) condemned: bool,
    /// Whoever gives it back has just seen that it is idle.
    pub(super) was_seen_idle: bool,
    pub(super) idle_since: Instant,
    /// Whether somebody has had it, or it was found to have been idle for long.
    was_used: bool,
    /// Whether that was so when it was borrowed last: it had been idle, rather than being made for its user.
    pub(super) was_at_rest: bool,
    pub(super) born: Instant,
    /// The epoch in which it was made.
    pub(super) made: u64,
    /// The epoch in which it was last seen to work.
    seen: u64,
    /// The runtime that it was borrowed on last.
    handle: Handle,
    // The last to go: the connection has begun its goodbye by then.
    _session: SessionToken,
}

/// Makes connections for bb8.
struct Maker {
    driver: Arc<dyn Driver>,
    connect_timeout: Duration,
    trust: Arc<Trust>,
    sessions: SessionTracker,
}

impl ManageConnection for Maker {
    type Connection = PooledConnection;
    type Error = Error;

    async fn connect(&self) -> Result<PooledConnection, Error> {
        let (made, session) = (self.trust.epoch(), self.sessions.token());
        let (wait, servers) = (self.connect_timeout, self.driver.servers());
        let all = wait.saturating_mul(servers.len().max(1).try_into().unwrap_or(u32::MAX));
        let connection = match within(all, self.driver.connect(wait, session.clone())).await? {
            Some(Ok(connection)) => Arc::from(connection),
            // At the end of a runtime sockets fail: what is wrong then is not the server.
            Some(Err(error)) => return Err(require_live_runtime().err().unwrap_or(error)),
            None => {
                let to = if servers.is_empty() { String::new() } else { format!(" to {}", servers.join(", ")) };
                return Err(Error::new(ErrorKind::Connect, format!("no connection{to} was made within {all:?}")));
            }
        };
        let (now, handle) = (Instant::now(), Handle::current());
        Ok(PooledConnection {
            connection,
            condemned: false,
            was_seen_idle: false,
            idle_since: now,
            was_used: false,
            was_at_rest: false,
            born: now,
            made,
            seen: made,
            handle,
            _session: session,
        })
    }

    /// bb8 is never asked for a check: the line looks at what lies ready.
    async fn is_valid(&self, _: &mut PooledConnection) -> Result<(), Error> {
        Ok(())
    }

    /// What comes back to bb8 is to end, and is condemned; what is to be used again lies ready in the line.
    fn has_broken(&self, pooled: &mut PooledConnection) -> bool {
        pooled.condemned
    }
}

/// Makes connections, and counts them until they end.
pub(super) struct Connector {
    pub(super) trust: Arc<Trust>,
    pub(super) sessions: SessionTracker,
    bb8: bb8::Pool<Maker>,
}

impl Connector {
    /// Up to `most` connections at once.
    pub(super) fn new(driver: Arc<dyn Driver>, most: u32, connect_timeout: Duration, trust: Arc<Trust>) -> Self {
        let sessions = SessionTracker::default();
        let maker = Maker { driver, connect_timeout, trust: Arc::clone(&trust), sessions: sessions.clone() };
        // Without ages and without a least number bb8 starts no task, which would be bound to the runtime of its start.
        let bb8 = bb8::Pool::builder()
            .max_size(most)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_on_check_out(false)
            .retry_connection(false)
            .build_unchecked(maker);
        Self { trust, sessions, bb8 }
    }

    /// How many of its connections there are.
    pub(super) fn count(&self) -> u64 {
        self.bb8.state().connections.into()
    }

    /// Makes a connection. bb8 would try again until its time is over, and not say why: so it is asked for one attempt.
    pub(super) async fn connect(&self) -> Result<Borrowed, Error> {
        let made = self.bb8.dedicated_connection().await?;
        let no_room = || Error::new(ErrorKind::Connect, "there are as many connections as there may be");
        match self.bb8.add(made) {
            Ok(()) => {}
            Err(AddError::Broken(_) | AddError::NoCapacity(_)) => return Err(no_room()),
        }
        // One lies there now, this or another one that was made at the same moment.
        let taken = self.bb8.get_owned().now_or_never();
        taken.and_then(Result::ok).map(|pooled| Borrowed(Some(Box::new(pooled)))).ok_or_else(no_room)
    }
}

impl PooledConnection {
    /// Whether somebody else may have it.
    pub(super) fn is_sound(&mut self) -> bool {
        let is_idle = mem::take(&mut self.was_seen_idle) || self.connection.state() == State::Idle;
        is_idle && !self.condemned
    }
}

/// A connection that is out of the pool. It goes from hand to hand, so it is no more than a pointer.
#[derive(Debug)]
pub(super) struct Borrowed(Option<Box<bb8::PooledConnection<'static, Maker>>>);

const THERE: &str = "only the drop takes the connection out";

impl Borrowed {
    /// The runtime that it was borrowed on.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// It is somebody's from here on, who may be on another runtime than the one before.
    pub(super) fn arrive(&mut self, handle: Option<Handle>) {
        if let Some(handle) = handle {
            self.handle = handle;
        }
        self.was_at_rest = mem::replace(&mut self.was_used, true);
    }
}

impl Deref for Borrowed {
    type Target = PooledConnection;

    #[inline]
    fn deref(&self) -> &PooledConnection {
        self.0.as_deref().expect(THERE)
    }
}

impl DerefMut for Borrowed {
    #[inline]
    fn deref_mut(&mut self) -> &mut PooledConnection {
        self.0.as_deref_mut().expect(THERE)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Drivers may need a runtime to close a connection; but futures are dropped outside of runtimes, and after their
        // end.
        let Some(mut pooled) = self.0.take() else { return };
        pooled.condemned = true;
        let handle = pooled.handle.clone();
        let _entered = Handle::try_current().is_err().then(|| handle.enter());
        drop(pooled);
    }
}

/// Whether a connection that is idle can be used as it is: it was used just now, and none was found dead since.
pub(super) fn is_recent(pooled: &PooledConnection, trust: &Trust) -> bool {
    pooled.seen == trust.epoch() && Instant::now() <= pooled.idle_since + TRUSTED
}

/// Whether a connection that was idle can be used. It costs no round trip unless others were found dead.
pub(super) async fn is_fit(pooled: &mut PooledConnection, trust: &Trust) -> bool {
    if pooled.idle_since.elapsed() > TRUSTED {
        pooled.was_used = true;
        // Let the runtime look at the socket, and then the task that reads it: a server that is gone has said so. By the
        // clock too, as a runtime that stands still during a blocking call does not go on behind a yield.
        let look = async {
            for _ in 0..2 {
                yield_now().await;
            }
        };
        // Without a runtime there is nobody who could look.
        let _ = within(GLANCE, look).await;
    }
    if pooled.connection.state() == State::Idle && !trust.is_stale(pooled.made) {
        let now = trust.epoch();
        if pooled.seen == now {
            return true;
        }
        if pooled.connection.run(&(), SIGN_OF_LIFE, Want::Batch).await.is_ok() {
            pooled.seen = now;
            return true;
        }
    }
    pooled.condemned = true;
    false
}

/// What any database answers.
pub(super) const SIGN_OF_LIFE: Query<'static> = Query { sql: "SELECT 1", params: &[], reader: None };
