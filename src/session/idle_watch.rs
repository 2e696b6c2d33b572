//! [`IdleWatch`]: ends a transaction that sends nothing for too long, whether its body is polled or not.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use tokio::{task::AbortHandle, time::sleep};

use super::session::DbSession;
use crate::{
    runtime::{Frame, Idle, Session as _},
    transaction::limits::IdleClock,
};

/// The watch over a root. Its drop ends it.
pub(crate) struct IdleWatch(AbortHandle);

impl IdleWatch {
    /// Watches a root, if its time to be idle is limited, by one task on the current runtime.
    pub(crate) fn over(root: &Arc<Frame<DbSession>>) -> Option<Self> {
        let clock = root.limits()?.idle.clone()?;
        let watch = tokio::spawn(watch(Arc::downgrade(root), clock));
        Some(Self(watch.abort_handle()))
    }
}

impl Drop for IdleWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for IdleWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleWatch").finish_non_exhaustive()
    }
}

async fn watch(root: Weak<Frame<DbSession>>, clock: Arc<IdleClock>) {
    let mut wait = clock.time();
    loop {
        sleep(wait).await;
        let Some(root) = root.upgrade() else { return };
        match root.lose_if_idle(&clock) {
            Idle::For(time) => wait = time,
            Idle::Over => return,
            Idle::TooLong => {
                tracing::debug!(target: "nestling", "a transaction was idle for too long and is rolled back");
                // The connection is rolled back and goes back to the pool, although the block is still open.
                root.session_state().session().release();
                return;
            }
        }
    }
}
