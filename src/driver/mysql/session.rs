//! [`Session`]: the native connection, on the runtime of its socket. The end of that runtime is noticed at once; a
//! dropped session says goodbye there, and the pool can wait for that.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use mysql_async::Conn;
use tokio::{runtime::Handle, task::AbortHandle, time::timeout};

use super::{login::Login, session_status::StatusCell};
use crate::driver::SessionToken;

/// The settings of every session: all of Unicode, also after a reset, which goes back to the server's default; strict
/// mode, so that no value is truncated silently; UTC, so that a TIMESTAMP means the same moment in every session; and
/// autocommit.
pub(super) const SETUP: &str = "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, \
                     sql_mode = CONCAT_WS(',', @@sql_mode, 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES')";

/// The time that a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

const THERE: &str = "only the drop takes the connection out";

/// A session, which has its connection until it is dropped.
pub(super) struct Session {
    conn: Option<Conn>,
    login: Login,
    token: Option<SessionToken>,
    runtime: Handle,
    sentinel: AbortHandle,
}

/// Held by a task that does nothing, and dropped with the runtime.
struct Sentinel(Arc<StatusCell>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.0.set_runtime_gone();
    }
}

impl Session {
    /// A new connection, on the current runtime.
    pub(super) fn new(conn: Conn, login: Login, mut token: SessionToken, status: &Arc<StatusCell>) -> Self {
        token.set_id(conn.id().into());
        let (runtime, sentinel) = (Handle::current(), Sentinel(Arc::clone(status)));
        let sentinel = runtime.spawn(async move {
            let _there = sentinel;
            std::future::pending::<()>().await;
        });
        Self { conn: Some(conn), login, token: Some(token), runtime, sentinel: sentinel.abort_handle() }
    }

    /// What a helper of this session logs in with.
    pub(super) fn login(&self) -> &Login {
        &self.login
    }
}

impl Deref for Session {
    type Target = Conn;

    #[inline]
    fn deref(&self) -> &Conn {
        self.conn.as_ref().expect(THERE)
    }
}

impl DerefMut for Session {
    #[inline]
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn.as_mut().expect(THERE)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sentinel.abort();
        let (Some(conn), token) = (self.conn.take(), self.token.take()) else { return };
        // After the runtime's end both are dropped here: the server sees that the socket is closed.
        self.runtime.spawn(async move {
            // An outstanding answer is not awaited: the server has been asked to end the statement.
            let _ = timeout(GOODBYE, conn.disconnect()).await;
            drop(token);
        });
    }
}
