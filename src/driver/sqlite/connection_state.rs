//! [`ConnectionState`]: an open database, and what SQLite does not tell of it.

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

/// A database with what SQLite does not tell of it.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) db: Connection,
    pub(super) cancel: Arc<CancelFlag>,
    pub(super) metas: StatementMetaCache,
    /// The thread that the work runs on just now.
    pub(super) current_thread: CurrentThread,
    /// How long the last COMMIT took.
    pub(super) commit: LastCost,
    /// The open transaction is a read-only one.
    pub(super) query_only: bool,
    /// Steps that count as sent, but were called off together with their statement: they are taken ahead of the next.
    pub(super) pending: Vec<Control>,
    /// Why the transaction is gone that whoever comes next may take to be open: the work that lost it may have been
    /// dropped, so that nobody has heard.
    pub(super) lost: Option<Error>,
    pub(super) write_access: WriteAccess,
    /// Whether the work that runs may stop to wait for a lock of another process, and be done again.
    pub(super) may_wait: bool,
    /// Whether the session may have been changed: then it is not for others as it is.
    pub(super) needs_reset: Arc<AtomicBool>,
}

impl ConnectionState {
    /// A statement of a block whose transaction was rolled back by the statement ahead of it, of which nobody may have
    /// heard yet: it would commit on its own.
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
        }
    }
}
