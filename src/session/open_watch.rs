//! [`OpenWatch`]: warns of what is open for too long, once each, by one task for a database. Without a time that was asked for
//! there is none. It is told what is open by a closure.

use std::{
    collections::HashSet,
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use crate::traces::Labels;

/// The watch over the blocks of a database.
#[derive(Debug)]
pub(super) struct OpenWatch {
    longest: Duration,
    is_running: AtomicBool,
}

/// A block that is open: its number, its age, and what is told of it.
pub(super) type Seen<T> = (u64, Duration, T);

impl OpenWatch {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, is_running: AtomicBool::new(false) }
    }

    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// Starts the task on the current runtime, unless it runs. It ends with that runtime, or when `look` has nothing to look at
    /// any more.
    #[cold]
    pub(super) fn start<T>(
        self: &Arc<Self>,
        labels: Arc<Labels>,
        look: impl Fn() -> Option<Vec<Seen<T>>> + Send + 'static,
    ) where
        T: Display + Send + 'static,
    {
        let Ok(handle) = Handle::try_current() else { return };
        if !self.is_running.swap(true, Ordering::AcqRel) {
            drop(handle.spawn(run(Running(Arc::clone(self)), labels, look)));
        }
    }
}

/// The task runs until this is dropped.
struct Running(Arc<OpenWatch>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

async fn run<T: Display>(running: Running, labels: Arc<Labels>, look: impl Fn() -> Option<Vec<Seen<T>>>) {
    let longest = running.0.longest;
    let (mut told, mut wait) = (HashSet::new(), longest);
    loop {
        sleep(wait).await;
        let Some(open) = look() else { return };
        told.retain(|told| open.iter().any(|(id, ..)| id == told));
        // What is opened from now on is due at the earliest then.
        wait = longest;
        for (id, age, block) in &open {
            if told.contains(id) {
                continue;
            }
            match longest.checked_sub(*age) {
                Some(left) if !left.is_zero() => wait = wait.min(left),
                _ => {
                    told.insert(*id);
                    tracing::warn!(
                        target: "nestling",
                        { "nestling.database" = labels.name(),
                        "nestling.transaction.id" = id },
                        "a block is open for long: {block}"
                    );
                }
            }
        }
    }
}
