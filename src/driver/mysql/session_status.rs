//! [`SessionStatus`]: what is known of a session without asking the server. Written by the wire, read by the
//! connection.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::driver::session_mark::SessionMark;

/// The known status of a session. It is `Unknown` while a command is under way, and stays so if the command is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Idle = 0,
    Transaction = 1,
    Unknown = 2,
    Lost = 3,
    /// The server has ended the transaction: nothing is sent before its user has rolled it back too.
    TransactionEnded = 4,
}

/// The status of a session, shared between the wire and the connection.
#[derive(Debug)]
pub(super) struct StatusCell {
    status: AtomicU8,
    /// Whether variables are set for the open transaction: then the session is not as its next user expects it.
    has_locals: AtomicBool,
    /// Whether the runtime of the socket has ended: nothing can be sent any more.
    is_runtime_gone: AtomicBool,
    mark: SessionMark,
}

impl StatusCell {
    pub(super) fn new(status: SessionStatus) -> Self {
        Self {
            status: AtomicU8::new(status as u8),
            has_locals: AtomicBool::new(false),
            is_runtime_gone: AtomicBool::new(false),
            mark: SessionMark::default(),
        }
    }

    pub(super) fn is_runtime_gone(&self) -> bool {
        self.is_runtime_gone.load(Ordering::Acquire)
    }

    pub(super) fn set_runtime_gone(&self) {
        self.is_runtime_gone.store(true, Ordering::Release);
    }

    pub(super) fn get(&self) -> SessionStatus {
        match self.status.load(Ordering::Acquire) {
            0 => SessionStatus::Idle,
            1 => SessionStatus::Transaction,
            2 => SessionStatus::Unknown,
            4 => SessionStatus::TransactionEnded,
            _ => SessionStatus::Lost,
        }
    }

    pub(super) fn set(&self, status: SessionStatus) {
        self.status.store(status as u8, Ordering::Release);
    }

    /// What must be reset in the session.
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
