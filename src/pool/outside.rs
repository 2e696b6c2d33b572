//! [`Outside`]: makes connections that the pool does not lend, and ends with it. A close waits for their sessions as for others.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::time::sleep;

use super::wait_queue::{WaitQueue, closed};
use crate::{
    driver::{Driver, Notifications, SessionTracker},
    error::Error,
};

/// The pause before the server is asked for a connection again; it doubles each time, up to a limit.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// The open pool, for what has connections of its own. It does not keep the pool open.
pub(crate) struct Outside {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) wait: Duration,
    pub(super) sessions: SessionTracker,
    pub(super) wait_queue: Arc<WaitQueue>,
}

impl Outside {
    /// A session that listens to these channels.
    ///
    /// # Errors
    /// `Closed`, or the driver's.
    pub(crate) async fn listen(&self, channels: &[String]) -> Result<Notifications, Error> {
        let listening = self.driver.listen(self.wait, self.sessions.token(), channels);
        self.while_open(listening).await.ok_or_else(closed)?
    }

    /// The same, however long the server has no connection to give.
    pub(crate) async fn listen_again(&self, channels: &[String]) -> Notifications {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listen(channels).await {
                Ok(notifications) => return notifications,
                Err(error) => tracing::warn!(target: "nestling", %error, "a listener is without a connection"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The outcome of some work, or `None` if the pool closes before. The work is dropped then.
    pub(crate) async fn while_open<F: Future>(&self, work: F) -> Option<F::Output> {
        let closing = pin!(self.wait_queue.closing.notified());
        if self.wait_queue.is_closed() {
            return None;
        }
        match select(pin!(work), closing).await {
            Either::Left((out, _)) => Some(out),
            Either::Right(_) => None,
        }
    }
}
