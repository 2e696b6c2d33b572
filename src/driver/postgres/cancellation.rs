//! How a connection is stopped: what is outstanding on it is cancelled, and what is left of it when it goes. It knows no
//! statements; how a cancel request travels is the affair of `cancel.rs`.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{classify, wire::Wire};
use crate::transaction::impact::DriverError;

/// How long a connection may take to come to rest before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long steps are given to be through, and then a cancel request to take effect before the next is sent, which doubles
/// with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

impl Wire {
    /// Stops what is outstanding, and returns when no cancel request is under way any more.
    pub(super) async fn stop(self: Arc<Self>) {
        // What is kept and not polled must not hold up the answers behind it.
        self.link.revoke();
        if self.is_busy() && timeout(PATIENCE, self.cancel_all()).await.is_err() {
            self.mark_broken();
        }
    }

    async fn cancel_all(&self) {
        // Were a SAVEPOINT hit, the block around it would be lost too. Its answer comes with that of the statement; but it
        // takes the server no time, so what is not through by now is the statement. What has failed is as good as through:
        // the server sends its error by itself, ahead of ReadyForQuery, and the native client tells it at once.
        if (self.has_steps_outstanding() || self.link.status().has_failed)
            && let Ok(through) = timeout(FIRST_WAIT, self.round_trip()).await
        {
            return self.after_round_trip(through);
        }
        // A request that comes later than it seems could hit whoever is next: the end of its connection is proof of its
        // arrival only where nobody stands between, and the answer of what was dropped, which would be, went with it.
        self.retire();
        let token = self.client.cancel_token();
        let mut wait = FIRST_WAIT;
        loop {
            self.servers.cancel(&token).await;
            // A backend takes no notice of a request while it reads its next message, so one round trip behind it tells
            // that it has hit what it was meant for, or nothing.
            match timeout(wait, self.round_trip()).await {
                Ok(through) => return self.after_round_trip(through),
                // It was there before its statement, or another statement is outstanding behind the one that it hit.
                Err(_elapsed) => wait *= 2,
            }
        }
    }

    /// A round trip behind all that is outstanding, the native client's too. An error of the server's is an answer.
    async fn round_trip(&self) -> bool {
        match self.client.batch_execute("").await {
            Ok(()) => true,
            Err(error) => error.as_db_error().is_some() && self.is_alive(),
        }
    }

    /// Waits until all that was sent is answered, the native client's requests too.
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

    /// The connection goes. What the server is still at for it would keep its locks until it ends by itself, and whoever
    /// could have stopped it in order, the runtime, may be gone.
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
