//! Ends the statement of a session, from a connection of its own.

use std::{pin::pin, time::Duration};

use mysql_async::{Conn, Opts, prelude::Queryable as _};
use tokio::time::timeout;

use super::detached::end_session;

/// How long a statement may take to end before it is killed again; twice as long each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(2);

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

    /// Asks the server to end what the session is at until `over` is ready: a KILL QUERY that meets a statement at its very
    /// beginning is forgotten by the server. It is not repeated once `is_same` says that another statement runs. If
    /// nothing comes of it within `patience`, the session itself is ended: then it is `None`.
    pub(super) async fn end<T>(
        &self,
        over: impl Future<Output = T>,
        is_same: impl Fn() -> bool,
        patience: Duration,
    ) -> Option<T> {
        let mut over = pin!(over);
        let (mut wait, mut waited) = (FIRST_WAIT, Duration::ZERO);
        while is_same() {
            if waited >= patience {
                end_session(self.opts.clone(), self.id);
                return None;
            }
            self.kill().await;
            if let Ok(out) = timeout(wait, over.as_mut()).await {
                return Some(out);
            }
            waited += wait;
            wait = (wait * 2).min(LAST_WAIT);
        }
        Some(over.await)
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
