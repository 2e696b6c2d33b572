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
    known::{Known, Shown},
    server::Server,
    session::Session,
    texts::Texts,
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
const TRUSTED: Duration = Duration::from_millis(500);

/// A connection that somebody has the turn on.
pub(super) struct Wire {
    pub(super) conn: Session,
    pub(super) shown: Arc<Shown>,
    /// Session variables that were set for the open transaction, to be set back at its end.
    pub(super) locals: Vec<String>,
    /// Why the transaction is gone, for those who have not been told: a dropped statement has no caller.
    pub(super) gone: Option<Error>,
    /// Whether the open transaction is one that may not write.
    is_read_only: bool,
    pub(super) server: Server,
    pub(super) texts: Texts,
    /// Whether the last command ran in a transaction, or left one open, of which its block knows.
    pub(super) is_in_block: bool,
    /// Whether the marker is set.
    pub(super) is_marked: bool,
    /// When the last command ended.
    at_rest_since: Instant,
}

impl Wire {
    pub(super) fn new(conn: Session, shown: Arc<Shown>, server: Server, texts: Texts) -> Self {
        let at_rest_since = Instant::now();
        Self {
            conn,
            shown,
            locals: Vec::new(),
            gone: None,
            is_read_only: false,
            is_in_block: false,
            is_marked: false,
            server,
            texts,
            at_rest_since,
        }
    }

    pub(super) fn native(&self) -> &Conn {
        &self.conn
    }

    pub(super) fn native_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// The connection was lent, and is back.
    pub(super) fn look_after_loan(&mut self) {
        self.texts.lent();
        if self.conn.is_disconnected() {
            // The server would go on with a command that was dropped half-way.
            end_session(self.conn.opts().clone(), self.conn.id());
            self.shown.set(Known::Lost);
        } else if let known @ (Known::Idle | Known::Transaction) = self.look() {
            self.shown.set(known);
        }
    }

    /// Looks at the status flags of the last answer, which was a success.
    pub(super) fn look(&self) -> Known {
        let flags = self.conn.last_ok_packet().map(mysql_async::OkPacket::status_flags);
        if !self.commits_alone() {
            self.shown.mark().note(SessionEffect::Reset);
        }
        match flags {
            Some(flags) if flags.contains(StatusFlags::SERVER_STATUS_IN_TRANS) => Known::Transaction,
            Some(_) => Known::Idle,
            None => Known::Unknown,
        }
    }

    /// What an error means: it has no status flags, so the server is asked, with one round trip. Boxed, as commands
    /// are not to carry what is seldom needed.
    pub(super) fn judge<'w>(&'w mut self, error: Native, sql: &'w str, was_open: bool) -> BoxFuture<'w, DriverError> {
        Box::pin(self.look_into(error, sql, was_open))
    }

    async fn look_into(&mut self, error: Native, sql: &str, was_open: bool) -> DriverError {
        if classify::is_lost(&error) {
            self.shown.set(Known::Lost);
            return DriverError::new(Impact::Connection, classify::statement(error, sql));
        }
        let error = classify::statement(error, sql);
        if let Err(lost) = self.conn.ping().await {
            self.shown.set(Known::Lost);
            tracing::debug!(target: "nestling", error = %lost, "the connection was lost after an error");
            return DriverError::new(Impact::Connection, error);
        }
        let known = self.look();
        self.shown.set(known);
        if !was_open || known == Known::Transaction {
            return DriverError::harmless(error);
        }
        // Such a statement commits before it finds out that it fails.
        self.went(if implicit::commits(sql) { implicit::error(sql).with_source(error) } else { error })
    }

    /// The transaction has ended by itself.
    pub(super) fn went(&mut self, error: Error) -> DriverError {
        self.shown.set(Known::Gone);
        self.gone = Some(error.clone());
        DriverError::new(Impact::Transaction, error)
    }

    /// What a success means: a transaction that is no longer open was committed by the statement itself (rule 35).
    /// `sql` tells what has succeeded.
    pub(super) fn conclude<S: AsRef<str>>(
        &mut self,
        was_open: bool,
        sql: impl FnOnce() -> S,
    ) -> Result<(), DriverError> {
        let known = self.look();
        self.shown.set(known);
        if was_open && known == Known::Idle {
            return Err(self.went(implicit::error(sql().as_ref())));
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
        Err(self.went(Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)))
    }

    /// A command ends, and the connection is at rest.
    pub(super) fn rest(&mut self) {
        self.at_rest_since = Instant::now();
        self.shown.set_has_locals(!self.locals.is_empty());
    }

    /// Whether the connection was at rest for so long that it may have died: nobody reads from it meanwhile, so that its
    /// end is not seen.
    pub(super) fn has_lain_idle(&self) -> bool {
        self.at_rest_since.elapsed() > TRUSTED
    }

    /// Whether a transaction is to be open behind these steps. From here on the state is unknown, until the answer.
    ///
    /// # Errors
    /// The transaction that they were meant for is gone.
    pub(super) fn note(&mut self, steps: &[Control]) -> Result<bool, DriverError> {
        let begins_anew = |step: &Control| matches!(step, Control::Begin(_) | Control::Rollback);
        if steps.iter().any(begins_anew) {
            self.gone = None;
        } else if let Some(error) = &self.gone {
            return Err(DriverError::new(Impact::Transaction, error.clone()));
        }
        let mut open = self.shown.get() == Known::Transaction;
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
        self.shown.set(Known::Unknown);
        self.is_in_block = open;
        Ok(open)
    }

    /// Why the transaction is gone, if it is.
    pub(super) fn cause(&self) -> Option<Error> {
        self.gone.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.shown.get() == Known::Unknown {
            end_session(self.conn.opts().clone(), self.conn.id());
        }
    }
}
