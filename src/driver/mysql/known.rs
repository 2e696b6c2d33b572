//! What is known of a session without asking: kept by the wire, looked at by the connection.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::driver::session_mark::SessionMark;

/// What is known of the session. It is `Unknown` while a command is under way: dropped half-way, it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Idle = 0,
    Transaction = 1,
    Unknown = 2,
    Lost = 3,
    /// The transaction has ended by itself: nothing is sent before its user has rolled it back too.
    Gone = 4,
}

/// A [`Known`] that is looked at from outside.
#[derive(Debug)]
pub(super) struct Shown {
    known: AtomicU8,
    /// Whether variables are set for the open transaction: then the session is not as the next user expects it.
    has_locals: AtomicBool,
    /// Whether the runtime has ended that the socket lives on: whatever is known, nothing can be sent any more.
    is_cut_off: AtomicBool,
    mark: SessionMark,
}

impl Shown {
    pub(super) fn new(known: Known) -> Self {
        Self {
            known: AtomicU8::new(known as u8),
            has_locals: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
            mark: SessionMark::default(),
        }
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Acquire)
    }

    pub(super) fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::Release);
    }

    pub(super) fn get(&self) -> Known {
        match self.known.load(Ordering::Acquire) {
            0 => Known::Idle,
            1 => Known::Transaction,
            2 => Known::Unknown,
            4 => Known::Gone,
            _ => Known::Lost,
        }
    }

    pub(super) fn set(&self, known: Known) {
        self.known.store(known as u8, Ordering::Release);
    }

    /// What was left behind in the session.
    pub(super) fn mark(&self) -> &SessionMark {
        &self.mark
    }

    pub(super) fn has_locals(&self) -> bool {
        self.has_locals.load(Ordering::Acquire)
    }

    pub(super) fn set_has_locals(&self, has_locals: bool) {
        self.has_locals.store(has_locals, Ordering::Release);
    }
}
