//! What is known of a session, for whoever looks at it from outside.

use std::sync::atomic::{AtomicU8, Ordering};

/// What is known of the session. It is `Unknown` while a command is under way: dropped half-way, it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Idle = 0,
    Transaction = 1,
    Unknown = 2,
    Lost = 3,
}

/// A [`Known`] that is looked at from outside.
#[derive(Debug)]
pub(super) struct Shown(AtomicU8);

impl Shown {
    pub(super) fn new(known: Known) -> Self {
        Self(AtomicU8::new(known as u8))
    }

    pub(super) fn get(&self) -> Known {
        match self.0.load(Ordering::Acquire) {
            0 => Known::Idle,
            1 => Known::Transaction,
            2 => Known::Unknown,
            _ => Known::Lost,
        }
    }

    pub(super) fn set(&self, known: Known) {
        self.0.store(known as u8, Ordering::Release);
    }
}
