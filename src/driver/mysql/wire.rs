//! The commands of one connection: texts with owed steps, and what the answers tell of the transaction. Prepared
//! statements are in a file of their own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use mysql_async::{Conn, Error as Native, consts::StatusFlags, prelude::Queryable as _};

use super::{
    classify,
    detached::end_session,
    implicit,
    server::Server,
    session::Session,
    session_status::{SessionStatus, StatusCell},
    statement_cache::StatementCache,
};
use crate::{
    error::{Error, ErrorKind},
    sql::statement::SessionEffect,
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// How long a connection that is at rest is trusted without asking.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

/// A connection that somebody has the turn on.
pub(super) struct Wire {
    pub(super) conn: Session,
    pub(super) status: Arc<StatusCell>,
    /// Session variables that were set for the open transaction, to be set back at its end.
    pub(super) locals: Vec<String>,
    /// Why the transaction is gone, for those who have not been told: a dropped statement has no caller.
    pub(super) ended_by: Option<Error>,
    /// Whether the open transaction is one that may not write.
    is_read_only: bool,
    pub(super) server: Server,
    pub(super) statements: StatementCache,
    /// Whether the last command ran in a transaction, or left one open, of which its block knows.
    pub(super) is_in_block: bool,
    /// Whether the marker is set.
    pub(super) is_marked: bool,
    /// When the last command ended.
    idle_since: Instant,
}

impl Wire {
    pub(super) fn new(conn: Session, status: Arc<StatusCell>, server: Server, statements: StatementCache) -> Self {
        let idle_since = Instant::now();
        Self {
            conn,
            status,
            locals: Vec::new(),
            ended_by: None,
            is_read_only: false,
            is_in_block: false,
            is_marked: false,
            server,
            statements,
            idle_since,
        }
    }

    pub(super) fn native(&self) -> &Conn {
        &self.conn
    }

    pub(super) fn native_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// The connection was lent, and is back.
    pub(super) fn after_loan(&mut self) {
        self.statements.after_loan();
        if self.conn.is_disconnected() {
            // The server would go on with a command that was dropped half-way.
            end_session(self.conn.opts().clone(), self.conn.id());
            self.status.set(SessionStatus::Lost);
        } else if let status @ (SessionStatus::Idle | SessionStatus::Transaction) = self.read_status() {
            self.status.set(status);
        }
    }

    /// Looks at the status flags of the last answer, which was a success.
    pub(super) fn read_status(&self) -> SessionStatus {
        let flags = self.conn.last_ok_packet().map(mysql_async::OkPacket::status_flags);
        if !self.commits_alone() {
            self.status.mark().note(SessionEffect::Reset);
        }
        match flags {
            Some(flags) if flags.contains(StatusFlags::SERVER_STATUS_IN_TRANS) => SessionStatus::Transaction,
            Some(_) => SessionStatus::Idle,
            None => SessionStatus::Unknown,
        }
    }

    /// What an error means: it has no status flags, so the server is asked, with one round trip. Boxed, as commands
    /// are not to carry what is seldom needed.
    pub(super) fn classify_error<'w>(
        &'w mut self,
        error: Native,
        sql: &'w str,
        was_open: bool,
    ) -> BoxFuture<'w, DriverError> {
        Box::pin(self.classify_with_ping(error, sql, was_open))
    }

    async fn classify_with_ping(&mut self, error: Native, sql: &str, was_open: bool) -> DriverError {
        if classify::is_lost(&error) {
            self.status.set(SessionStatus::Lost);
            return DriverError::new(Impact::Connection, classify::statement(error, sql));
        }
        let error = classify::statement(error, sql);
        if let Err(lost) = self.conn.ping().await {
            self.status.set(SessionStatus::Lost);
            tracing::debug!(target: "nestling", error = %lost, "the connection was lost after an error");
            return DriverError::new(Impact::Connection, error);
        }
        let status = self.read_status();
        self.status.set(status);
        if !was_open || status == SessionStatus::Transaction {
            return DriverError::harmless(error);
        }
        // Such a statement commits before it finds out that it fails.
        self.transaction_ended(if implicit::commits(sql) { implicit::error(sql).with_source(error) } else { error })
    }

    /// The transaction has ended by itself.
    pub(super) fn transaction_ended(&mut self, error: Error) -> DriverError {
        self.status.set(SessionStatus::TransactionEnded);
        self.ended_by = Some(error.clone());
        DriverError::new(Impact::Transaction, error)
    }

    /// What a success means: a transaction that is no longer open was committed by the statement itself (rule 35).
    /// `sql` tells what has succeeded.
    pub(super) fn check_success<S: AsRef<str>>(
        &mut self,
        was_open: bool,
        sql: impl FnOnce() -> S,
    ) -> Result<(), DriverError> {
        let status = self.read_status();
        self.status.set(status);
        if was_open && status == SessionStatus::Idle {
            return Err(self.transaction_ended(implicit::error(sql().as_ref())));
        }
        Ok(())
    }

    /// A statement that commits implicitly takes effect in a transaction that may not write, too, as the transaction
    /// ends ahead of it. So it is not sent.
    pub(super) fn refuse_to_write(&mut self, is_open: bool, sql: &str) -> Result<(), DriverError> {
        if !(is_open && self.is_read_only && implicit::commits(sql)) {
            return Ok(());
        }
        let text = "the statement would commit the transaction implicitly and then write, though the transaction is \
                    read-only; it was not sent";
        Err(self.transaction_ended(Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)))
    }

    /// A command ends, and the connection is at rest.
    pub(super) fn end_command(&mut self) {
        self.idle_since = Instant::now();
        self.status.set_has_locals(!self.locals.is_empty());
    }

    /// Whether the connection was at rest for so long that it may have died: nobody reads from it meanwhile, so that its
    /// end is not seen.
    pub(super) fn is_long_idle(&self) -> bool {
        self.idle_since.elapsed() > TRUSTED_IDLE
    }

    /// Whether a transaction is to be open behind these steps. From here on the state is unknown, until the answer.
    ///
    /// # Errors
    /// The transaction that they were meant for is gone.
    pub(super) fn begin_command(&mut self, steps: &[Control]) -> Result<bool, DriverError> {
        let begins_anew = |step: &Control| matches!(step, Control::Begin(_) | Control::Rollback);
        if steps.iter().any(begins_anew) {
            self.ended_by = None;
        } else if let Some(error) = &self.ended_by {
            return Err(DriverError::new(Impact::Transaction, error.clone()));
        }
        let mut open = self.status.get() == SessionStatus::Transaction;
        for step in steps {
            match step {
                Control::Begin(settings) => {
                    open = true;
                    self.is_read_only = settings.read_only() == Some(true);
                    self.locals.extend(settings.locals().iter().map(|(key, _)| key.clone()));
                }
                Control::Commit | Control::Rollback => open = false,
                // What a nested block sets back is set back once more with the end of the transaction, which drops releases.
                Control::Set(locals) => {
                    self.locals.extend(locals.settings.locals().iter().map(|(key, _)| key.clone()));
                }
                Control::Savepoint(_) | Control::Restore(_) | Control::Release(_) | Control::RollbackTo(_) => {}
            }
        }
        self.status.set(SessionStatus::Unknown);
        self.is_in_block = open;
        Ok(open)
    }

    /// Why the transaction is gone, if it is.
    pub(super) fn cause(&self) -> Option<Error> {
        self.ended_by.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.status.get() == SessionStatus::Unknown {
            end_session(self.conn.opts().clone(), self.conn.id());
        }
    }
}
