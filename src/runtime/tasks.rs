//! [`Tasks`]: how many tasks that take part in a block have not ended, so that its end can wait for them (rule 5).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::{lock::Lockable, within};
use crate::error::{Error, ErrorKind};

/// How many tasks of some kind have not ended.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: AtomicUsize,
    ended: Notify,
}

impl Tasks {
    pub(super) fn are_running(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// Waits until all tasks have ended, for as long as a turn in `frame` may take.
    ///
    /// # Errors
    /// `TurnTimeout`, or `NoRuntime` if it would have to wait outside a runtime.
    pub(super) async fn ended(&self, frame: &impl Lockable) -> Result<(), Error> {
        let all = async {
            loop {
                let one = self.ended.notified();
                if !self.are_running() {
                    return;
                }
                one.await;
            }
        };
        let wait = frame.turn_timeout();
        within(wait, all).await?.ok_or_else(|| {
            let (running, label) = (self.running.load(Ordering::Acquire), frame.label());
            let text = format!("the end of the block {label} waited {wait:?} for {running} tasks that take part in it");
            Error::new(ErrorKind::TurnTimeout, text)
        })
    }

    /// One more task.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }
}

/// One task that has not ended, until this is dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<Tasks>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}
