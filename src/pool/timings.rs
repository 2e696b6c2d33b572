//! [`Timings`]: how often something was done, and how long it took in all and at most.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often something was done since the database was opened, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Timings {
    /// How often.
    pub count: u64,
    /// How long in all.
    pub total: Duration,
    /// How long at most.
    pub largest: Duration,
}

/// Times as they are measured.
#[derive(Debug, Default)]
pub(super) struct Times {
    count: AtomicU64,
    /// Nanoseconds: their sum runs over after 584 years.
    total: AtomicU64,
    largest: AtomicU64,
}

impl Times {
    pub(super) fn add(&self, time: Duration) {
        let nanos = time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into());
        self.count.fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(nanos, Ordering::Relaxed);
        // Read first, as it seldom changes.
        if self.largest.load(Ordering::Relaxed) < nanos {
            self.largest.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Timings {
        let Self { count, total, largest } = self;
        Timings {
            count: count.load(Ordering::Relaxed),
            total: Duration::from_nanos(total.load(Ordering::Relaxed)),
            largest: Duration::from_nanos(largest.load(Ordering::Relaxed)),
        }
    }
}
