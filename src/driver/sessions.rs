//! [`SessionTracker`]: counts the sessions that a server may still list, so that a closing pool can wait for their end.
//! A session has a token from the attempt to connect until the server has closed it, which may be long after the
//! connection was dropped.
//!
//! Used by the pool, which waits, and by the drivers, which know when a session has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts sessions.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionTracker(Arc<Tracked>);

#[derive(Debug, Default)]
struct Tracked {
    sessions: Mutex<Sessions>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Sessions {
    count: usize,
    is_closing: bool,
    /// The server's numbers of those that have ended since the pool began to close.
    ended: Vec<u64>,
}

impl Tracked {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Each change under this lock is complete before anything can panic.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionTracker {
    /// A token for a session that is about to begin.
    pub(crate) fn token(&self) -> SessionToken {
        self.0.sessions().count += 1;
        SessionToken { tracked: Arc::clone(&self.0), id: None }
    }

    /// The pool closes: from now on the numbers of sessions that end are kept.
    pub(crate) fn close(&self) {
        self.0.sessions().is_closing = true;
    }

    /// Waits until no session has a token, and gives the numbers of those that have ended since the pool began to close.
    pub(crate) async fn all_ended(&self) -> Vec<u64> {
        loop {
            let changed = self.0.changed.notified();
            {
                let sessions = self.0.sessions();
                if sessions.count == 0 {
                    return sessions.ended.clone();
                }
            }
            changed.await;
        }
    }
}

/// A session that the server may list. It is dropped when the client has closed the session.
#[derive(Debug)]
pub(crate) struct SessionToken {
    tracked: Arc<Tracked>,
    id: Option<u64>,
}

impl SessionToken {
    /// The server's number of the session, for servers that can be asked whether it has ended.
    #[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "elsewhere the client sees the end of a session"))]
    pub(crate) fn set_id(&mut self, id: u64) {
        self.id = Some(id);
    }
}

/// One more session of the same pool.
impl Clone for SessionToken {
    fn clone(&self) -> Self {
        self.tracked.sessions().count += 1;
        Self { tracked: Arc::clone(&self.tracked), id: None }
    }
}

impl Drop for SessionToken {
    fn drop(&mut self) {
        let mut sessions = self.tracked.sessions();
        sessions.count -= 1;
        if sessions.is_closing {
            sessions.ended.extend(self.id);
        }
        let is_last = sessions.count == 0;
        // A waker may run code that comes here again.
        drop(sessions);
        if is_last {
            self.tracked.changed.notify_waiters();
        }
    }
}
