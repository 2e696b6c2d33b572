//! [`Wire`]: the native connection with what its answers tell about the transaction. Whatever uses the connection holds
//! a guard of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use mysql_async::{Conn, Error as Native, consts::StatusFlags, prelude::Queryable as _};

use super::{
    classify, implicit,
    kill::end_session,
    server::Server,
    session::Session,
    session_status::{SessionStatus, StatusCell},
    stall_detector::StallDetector,
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

/// The time for which an idle connection is trusted without a ping.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

/// The native connection, and what is known of its session.
pub(super) struct Wire {
    pub(super) conn: Session,
    pub(super) stall: StallDetector,
    pub(super) status: Arc<StatusCell>,
    /// Session variables that were set for the open transaction, to be restored at its end.
    pub(super) locals: Vec<String>,
    /// Why the transaction has ended, for a later statement: a dropped statement has no caller to tell.
    pub(super) ended_by: Option<Error>,
    /// Whether the open transaction is read-only.
    is_read_only: bool,
    pub(super) server: Server,
    pub(super) statements: StatementCache,
    /// Whether the last command ran in the transaction of a block, or has begun one.
    pub(super) is_in_block: bool,
    /// Whether the marker is set.
    pub(super) is_marked: bool,
    /// When the last command ended.
    idle_since: Instant,
}

impl Wire {
    pub(super) fn new(conn: Session, status: Arc<StatusCell>, server: Server, statements: StatementCache) -> Self {
        let (stall, idle_since) = (StallDetector::new(&conn), Instant::now());
        Self {
            conn,
            stall,
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

    /// The connection was lent and has come back.
    pub(super) fn after_loan(&mut self) {
        self.statements.after_loan();
        if self.conn.is_disconnected() {
            // The server would go on with a command that was dropped.
            end_session(self.conn.login().clone(), self.conn.id());
            self.status.set(SessionStatus::Lost);
        } else if let status @ (SessionStatus::Idle | SessionStatus::Transaction) = self.read_status() {
            self.status.set(status);
        }
    }

    /// The status that the flags of the last answer tell, which was a success.
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

    /// Classifies an error. It has no status flags, so the server is asked, by one round trip. Boxed, as it is seldom
    /// needed and commands would be larger.
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
        // Such a statement commits before it fails.
        self.transaction_ended(if implicit::commits(sql) { implicit::error(sql).with_source(error) } else { error })
    }

    /// The server has ended the transaction.
    pub(super) fn transaction_ended(&mut self, error: Error) -> DriverError {
        self.status.set(SessionStatus::TransactionEnded);
        self.ended_by = Some(error.clone());
        DriverError::new(Impact::Transaction, error)
    }

    /// Checks a success: a transaction that is no longer open was committed by the statement itself (rule 35). `sql`
    /// gives the statement.
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

    /// Refuses a statement that commits implicitly in a read-only transaction: the transaction would end ahead of it,
    /// and it would take effect.
    pub(super) fn refuse_to_write(&mut self, is_open: bool, sql: &str) -> Result<(), DriverError> {
        if !(is_open && self.is_read_only && implicit::commits(sql)) {
            return Ok(());
        }
        let text = "the statement would commit the transaction implicitly and then write, though the transaction is \
                    read-only; it was not sent";
        Err(self.transaction_ended(Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)))
    }

    /// A command has ended: the connection is idle.
    pub(super) fn end_command(&mut self) {
        self.idle_since = Instant::now();
        self.status.set_has_locals(!self.locals.is_empty());
    }

    /// Whether the connection was idle for so long that it may have died: an idle connection is not read, so its end is
    /// not noticed.
    pub(super) fn is_long_idle(&self) -> bool {
        self.idle_since.elapsed() > TRUSTED_IDLE
    }

    /// Begins a command: returns whether a transaction will be open behind these steps. The status is unknown from here
    /// on, until the answer.
    ///
    /// # Errors
    /// The transaction of the steps has ended.
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
                // A variable of a nested block is restored once more at the end of the transaction, as releases may be
                // dropped.
                Control::Set(locals) => {
                    self.locals.extend(locals.settings.locals().iter().map(|(key, _)| key.clone()));
                }
                Control::Savepoint(_)
                | Control::Restore(_)
                | Control::Release(_)
                | Control::RollbackTo(_)
                | Control::Limit(_) => {}
            }
        }
        self.status.set(SessionStatus::Unknown);
        self.is_in_block = open;
        Ok(open)
    }

    /// Why the transaction has ended, if it has.
    pub(super) fn cause(&self) -> Option<Error> {
        self.ended_by.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.status.get() == SessionStatus::Unknown {
            end_session(self.conn.login().clone(), self.conn.id());
        }
    }
}
