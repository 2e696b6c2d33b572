//! Random numbers for pauses and for the order of hosts. They are not suited for secrets.

use std::hash::{BuildHasher as _, RandomState};

/// A random number. Each `RandomState` has keys of its own.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}
