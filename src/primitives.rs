//! Locks of the modules whose interleavings are tested: those of `std`, or loom's in tests that are built with
//! `--cfg nestling_loom` (`just loom`).
//!
//! The name of the cfg is our own: with `--cfg loom`, tokio and others among the dependencies leave out what they do not model.

#[cfg(all(test, nestling_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, nestling_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard};
