//! Ends the statement of a session, from a connection of its own.

use std::{pin::pin, time::Duration};

use mysql_async::{Conn, Opts, prelude::Queryable as _};
use tokio::time::timeout;

use super::detached::end_session;

/// How long a statement may take to end before it is killed again; twice as long each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(2);

/// How long a statement may take to end if its session need not live on.
const PATIENCE: Duration = Duration::from_millis(500);

/// Who can end the statements of one session.
#[derive(Debug, Clone)]
pub(super) struct Killer {
    opts: Opts,
    id: u32,
}

impl Killer {
    pub(super) fn new(opts: Opts, id: u32) -> Self {
        Self { opts, id }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Asks the server to end what the session is at, and if that is not heard in time, to end the session itself: then
    /// it is `None`, and nobody waits for it any longer.
    pub(super) async fn end_soon<T>(&self, over: impl Future<Output = T>, is_same: impl Fn() -> bool) -> Option<T> {
        let mut over = pin!(over);
        match timeout(PATIENCE, self.end(over.as_mut(), &is_same)).await {
            Ok(out) => Some(out),
            Err(_elapsed) if is_same() => {
                end_session(self.opts.clone(), self.id);
                None
            }
            // It has ended, and somebody's statement runs that is to run.
            Err(_elapsed) => Some(over.await),
        }
    }

    /// Asks the server to end what the session is at until `over` is ready: a KILL QUERY that meets a statement at its very
    /// beginning is forgotten by the server. It is not repeated once `is_same` says that another statement runs.
    pub(super) async fn end<T>(&self, over: impl Future<Output = T>, is_same: impl Fn() -> bool) -> T {
        let mut over = pin!(over);
        let mut wait = FIRST_WAIT;
        while is_same() {
            self.kill().await;
            if let Ok(out) = timeout(wait, over.as_mut()).await {
                return out;
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
        over.await
    }

    /// Asks the server to end what the session is at. It may come too late, and then hit what comes next: whoever uses
    /// the session sees to that.
    async fn kill(&self) {
        let killed = async {
            let mut helper = Conn::new(self.opts.clone()).await?;
            helper.query_drop(format!("KILL QUERY {}", self.id)).await?;
            helper.disconnect().await
        };
        let killed: Result<(), mysql_async::Error> = killed.await;
        if let Err(error) = killed {
            tracing::debug!(target: "nestling", %error, "a KILL QUERY did not reach the server");
        }
    }
}
