//! [`ConnectionState`]: an open database, and what SQLite does not tell about it.

use std::sync::{Arc, atomic::AtomicBool};

use rusqlite::Connection;

use super::{
    cancel_flag::CancelFlag,
    run_on::{CurrentThread, LastCost},
    statement_meta::StatementMetaCache,
    write_access::WriteAccess,
    write_lock::WriteLock,
};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// Pragmas of the caller's, which hold in each session: names and values.
pub(super) type Pragmas = Arc<[(String, String)]>;

/// An open database, and what SQLite does not tell about it.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) db: Connection,
    pub(super) cancel: Arc<CancelFlag>,
    pub(super) metas: StatementMetaCache,
    /// The thread of the current work.
    pub(super) current_thread: CurrentThread,
    /// The cost of the last COMMIT.
    pub(super) commit: LastCost,
    /// Whether the open transaction is read-only.
    pub(super) query_only: bool,
    /// Steps that count as sent, but were cancelled together with their statement: they are run ahead of the next one.
    pub(super) pending: Vec<Control>,
    /// Why the transaction has ended, for a later statement: the work that has ended it may have been dropped, so that
    /// its caller does not know.
    pub(super) lost: Option<Error>,
    pub(super) write_access: WriteAccess,
    /// Whether the current work may stop to wait for a lock of another process, and be repeated.
    pub(super) may_wait: bool,
    /// Whether the session may have been changed and must be reset.
    pub(super) needs_reset: Arc<AtomicBool>,
    pub(super) pragmas: Pragmas,
}

impl ConnectionState {
    /// Refuses a statement of a block whose transaction was rolled back by an earlier statement, which its caller may
    /// not know yet: it would commit on its own.
    ///
    /// # Errors
    /// There is no transaction open.
    pub(super) fn check_open(&self) -> Result<(), DriverError> {
        if !self.db.is_autocommit() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Aborted, "the transaction is gone");
        Err(DriverError::new(Impact::Transaction, self.lost.iter().cloned().fold(error, Error::with_source)))
    }

    pub(super) fn new(
        db: Connection,
        cancel: Arc<CancelFlag>,
        statements: usize,
        lock: Option<Arc<WriteLock>>,
        pragmas: Pragmas,
    ) -> Self {
        Self {
            db,
            write_access: WriteAccess::new(lock, Arc::clone(&cancel)),
            cancel,
            metas: StatementMetaCache::new(statements),
            current_thread: CurrentThread::OWN_THREAD,
            commit: LastCost::default(),
            query_only: false,
            pending: Vec::new(),
            lost: None,
            may_wait: false,
            needs_reset: Arc::default(),
            pragmas,
        }
    }
}
