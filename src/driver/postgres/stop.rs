//! How a connection is stopped: what is outstanding on it is cancelled, and what is left of it when it goes. It knows no
//! statements; how a cancel request travels is the affair of `cancel.rs`.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::flight::{Ahead, Wire, answer_to};

/// How long a connection may take to come to rest before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a cancel request is given to take effect before the next is sent; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

impl Wire {
    /// Stops what is outstanding, and returns when no cancel request is under way any more.
    pub(super) async fn stop(self: Arc<Self>) {
        // What is kept and not polled must not hold up the answers behind it.
        self.requests.revoke();
        if self.is_busy() && timeout(PATIENCE, self.cancel_all()).await.is_err() {
            self.condemn();
        }
    }

    async fn cancel_all(self: &Arc<Self>) {
        // A request that comes later than it seems could hit whoever is next: the end of its connection is proof of its
        // arrival only where nobody stands between, and the answer of what was dropped, which would be, went with it.
        self.retire();
        // Were a SAVEPOINT hit, the block around it would be lost too; and behind a BEGIN that was hit statements commit.
        let _ = answer_to(self.last_steps().map(Ahead::Awaited)).await;
        let token = self.client.cancel_token();
        let mut wait = FIRST_WAIT;
        loop {
            self.servers.cancel(&token).await;
            // A backend takes no notice of a request while it reads its next message, so one round trip behind it tells
            // that it has hit what it was meant for, or nothing.
            let outstanding = self.send();
            match timeout(wait, self.client.batch_execute("")).await {
                Ok(Ok(())) => return outstanding.answered(),
                Ok(Err(error)) if error.as_db_error().is_some() && self.is_alive() => return outstanding.answered(),
                Ok(Err(_)) => return self.condemn(),
                // It was there before its statement, or another statement is outstanding behind the one that it hit.
                Err(_elapsed) => wait *= 2,
            }
        }
    }

    /// The connection goes. What the server is still at for it would keep its locks until it ends by itself, and whoever
    /// could have stopped it in order, the runtime, may be gone.
    pub(super) fn abandon(&self) {
        // Steps whose answer nobody has awaited hold the wire, which holds them: the socket would stay open.
        let pending = self.lock_steps().take();
        drop(pending);
        if self.is_busy() {
            self.servers.cancel_detached(self.client.cancel_token());
        }
        if self.is_condemned() {
            // It may wait for an answer that never comes, as a COPY waits for its data, and keep the session open.
            self.task.abort();
        }
    }
}
