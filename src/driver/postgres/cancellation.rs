//! Cancels what is outstanding on a connection. It knows no statements; how a cancel request is sent is in
//! `servers.rs`.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{classify, wire::Wire};
use crate::transaction::impact::{CancelScope, DriverError};

/// The time that a connection may take to become idle before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time for steps to complete, and then for a cancel request to take effect before the next is sent; it doubles
/// each time.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The time for a SAVEPOINT to complete whose transaction must survive. It takes the server no time, unless the server is very
/// busy.
const SAVEPOINT_WAIT: Duration = Duration::from_millis(250);

impl Wire {
    /// Cancels what is outstanding, and returns when no cancel request is under way any more.
    pub(super) async fn stop(self: Arc<Self>, scope: CancelScope) {
        // A future that is kept and not polled must not delay the answers behind it.
        self.link.revoke();
        if self.is_busy() && timeout(PATIENCE, self.cancel_all(scope)).await.is_err() {
            self.mark_broken();
        }
    }

    async fn cancel_all(&self, scope: CancelScope) {
        // If a SAVEPOINT were cancelled, the block around it would be lost too. Its answer comes with that of the
        // statement; but after this wait the statement is running. A statement that has failed is complete: the server
        // sends its error ahead of ReadyForQuery, and the native client returns it at once.
        let steps_wait = if scope == CancelScope::Transaction { SAVEPOINT_WAIT } else { FIRST_WAIT };
        if (self.has_steps_outstanding() || self.link.status().has_failed)
            && let Ok(through) = timeout(steps_wait, self.round_trip()).await
        {
            return self.after_round_trip(through);
        }
        // A request that arrives late could hit the next user. The end of its connection proves its arrival only where
        // there is no proxy in between; otherwise the answer of the dropped statement would, and that was discarded.
        self.retire();
        let token = self.client.cancel_token();
        let mut wait = FIRST_WAIT;
        loop {
            self.servers.cancel(&token).await;
            // A backend ignores a request while it reads its next message, so one round trip behind it shows that it
            // has hit its statement or nothing.
            match timeout(wait, self.round_trip()).await {
                Ok(through) => return self.after_round_trip(through),
                // It came before its statement, or another statement is outstanding behind the one that it has hit.
                Err(_elapsed) => wait *= 2,
            }
        }
    }

    /// A round trip behind all that is outstanding, including the native client's requests. An error of the server is
    /// an answer.
    async fn round_trip(&self) -> bool {
        match self.client.batch_execute("").await {
            Ok(()) => true,
            Err(error) => error.as_db_error().is_some() && self.is_alive(),
        }
    }

    /// Waits until all requests are answered, including the native client's.
    pub(super) async fn wait_until_idle(&self) -> Result<(), DriverError> {
        if self.round_trip().await {
            return Ok(());
        }
        self.mark_broken();
        Err(self.with_fatal_error(classify::lost(self.link.failure(), "")))
    }

    fn after_round_trip(&self, through: bool) {
        if through {
            self.end_loan();
        } else {
            self.mark_broken();
        }
    }

    /// The connection is dropped. A statement that the server still runs, or is yet to read, would keep its locks until
    /// its end, and the runtime that could cancel it in order may be gone.
    pub(super) fn abandon(&self) {
        if self.is_busy() {
            self.servers.cancel_detached(self.client.cancel_token());
        }
        if self.is_broken() {
            // It may wait for an answer that never comes, as a COPY waits for its data, and keep the session open.
            self.task.abort();
        }
    }
}
