//! Locks and flags of the modules whose interleavings are tested: those of `std`, or loom's in tests that are built with
//! `--cfg nestling_loom` (`just loom`).
//!
//! The name of the cfg is our own: with `--cfg loom`, tokio and others among the dependencies leave out what they do not model.

#[cfg(all(test, nestling_loom))]
use loom::sync;
#[cfg(not(all(test, nestling_loom)))]
use std::sync;

#[cfg(feature = "postgres")]
pub(crate) use sync::atomic::{AtomicU64, AtomicUsize};
pub(crate) use sync::{Mutex, MutexGuard, atomic::AtomicBool};

/// The order of `SeqCst` operations among themselves, which loom takes for `AcqRel`. Outside models they have it by themselves.
pub(crate) fn sequential() {
    #[cfg(all(test, nestling_loom))]
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
}

/// Tries all interleavings in which no thread is interrupted more often than twice, or than `LOOM_MAX_PREEMPTIONS` says.
#[cfg(all(test, nestling_loom))]
pub(crate) fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(check);
}
