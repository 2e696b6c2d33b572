//! Makes a session fit for its next user: pings, late cancellations, resets.

use futures_util::future::BoxFuture;
use mysql_async::{ChangeUserOpts, Error as Native, OkPacket, consts::StatusFlags, prelude::Queryable as _};

use super::{classify, session_status::SessionStatus, wire::Wire};
use crate::{
    driver::{Answer, Dialect, left_open},
    error::{Error, ErrorKind},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// How often steps are run again that a KILL QUERY has hit.
pub(super) const STEP_RETRIES: usize = 5;

impl Wire {
    /// Runs the owed steps again that a KILL QUERY has hit, which was meant for a dropped statement: they count as
    /// sent, and the block relies on them. Returns whether that worked.
    pub(super) fn retry_steps<'w>(&'w mut self, steps: &'w [Control], completed: usize) -> BoxFuture<'w, bool> {
        Box::pin(self.retry_steps_now(steps, completed))
    }

    async fn retry_steps_now(&mut self, mut steps: &[Control], mut completed: usize) -> bool {
        // A COMMIT may have taken effect.
        if steps.iter().any(|step| matches!(step, Control::Commit)) {
            return false;
        }
        for _ in 0..STEP_RETRIES {
            while let [first, rest @ ..] = steps
                && completed >= Dialect::Mysql.statements(first)
            {
                completed -= Dialect::Mysql.statements(first);
                steps = rest;
            }
            // Only a BEGIN with settings is more than one statement, and it cannot be continued.
            let again = if completed > 0 { "ROLLBACK; " } else { "" };
            let text = format!("{again}{}", Dialect::Mysql.render_all(steps));
            match self.run_text(&text, u32::MAX).await {
                (_, Ok(_)) => {
                    self.status.set(self.read_status());
                    return true;
                }
                (done, Err(error)) if classify::is_killed(&error) => {
                    completed = done.saturating_sub(usize::from(!again.is_empty()));
                }
                (_, Err(_)) => return false,
            }
        }
        false
    }

    /// Pings the server, which takes a round trip.
    pub(super) async fn ping(&mut self) -> Result<Answer, DriverError> {
        if let Err(error) = self.conn.ping().await {
            self.status.set(SessionStatus::Lost);
            return Err(DriverError::new(Impact::Connection, classify::statement(error, "ping")));
        }
        if self.ended_by.is_none() {
            self.status.set(self.read_status());
        }
        Ok(Answer::count(0))
    }

    /// Whether autocommit is on, as far as the last answer tells.
    pub(super) fn commits_alone(&self) -> bool {
        let flags = self.conn.last_ok_packet().map(OkPacket::status_flags);
        flags.is_none_or(|flags| flags.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT))
    }

    /// Whether nothing is left to do after a command.
    pub(super) fn is_settled(&self) -> bool {
        let is_as_expected = match self.status.get() {
            SessionStatus::Transaction => self.is_in_block,
            SessionStatus::Idle => self.commits_alone(),
            SessionStatus::Unknown | SessionStatus::Lost | SessionStatus::TransactionEnded => true,
        };
        is_as_expected && !self.is_marked
    }

    /// Cleans up after a command, the statement `sql`: checks the marker, and turns autocommit on again if the
    /// statement has turned it off.
    pub(super) async fn settled(
        &mut self,
        result: Result<Answer, DriverError>,
        sql: &str,
    ) -> Result<Answer, DriverError> {
        let mut result = result;
        if std::mem::take(&mut self.is_marked) && self.status.get() == SessionStatus::Transaction {
            result = self.check_mark(result, sql).await;
        }
        if self.is_settled() {
            return result;
        }
        let was_open = self.status.get() == SessionStatus::Transaction;
        // In these words, as with `completion_type` a plain ROLLBACK may begin another transaction.
        let undo = if was_open { "ROLLBACK AND NO CHAIN NO RELEASE; " } else { "" };
        let text = &[undo, "SET autocommit = 1"].concat();
        self.status.set(SessionStatus::Unknown);
        match self.run_text(text, u32::MAX).await {
            (_, Ok(_)) => self.status.set(self.read_status()),
            (_, Err(error)) => {
                tracing::debug!(target: "nestling", %error, "a session could not be brought back");
                self.status.set(SessionStatus::Lost);
            }
        }
        match result {
            Ok(_) if was_open => {
                let DriverError { error, impact } = left_open();
                Err(DriverError::new(impact, if sql.is_empty() { error } else { error.with_statement(sql) }))
            }
            result => result,
        }
    }

    /// Absorbs a KILL QUERY that came too late for its statement, so that it does not hit a later one.
    pub(super) async fn absorb_kill(&mut self) {
        if matches!(self.status.get(), SessionStatus::Unknown | SessionStatus::Lost) {
            return;
        }
        for _ in 0..3 {
            match self.conn.query_drop("DO 0").await {
                Ok(()) => {
                    if self.ended_by.is_none() {
                        self.status.set(self.read_status());
                    }
                    return;
                }
                Err(error) if classify::is_killed(&error) => {}
                Err(_) => break,
            }
        }
        self.status.set(SessionStatus::Lost);
    }

    /// Logs in anew, as the same user, by the password that is good now.
    async fn log_in_again(&mut self) -> Result<(), Native> {
        let password = self.conn.login().new_password().await?;
        let opts = match password {
            Some(password) => ChangeUserOpts::default().with_pass(Some(password)),
            None => ChangeUserOpts::default(),
        };
        self.conn.change_user(opts).await
    }

    /// Resets the session for its next user.
    pub(super) async fn reset(&mut self) -> Result<(), DriverError> {
        self.statements.reset();
        // A reset does not change the default database, and our setup selects ours again. A user without a database
        // logs in again.
        let reset = if self.conn.opts().db_name().is_some() {
            self.conn.reset().await
        } else {
            self.log_in_again().await.map(|()| true)
        };
        match reset {
            Ok(true) => {
                self.status.set(SessionStatus::Idle);
                self.status.mark().clear();
                self.is_in_block = false;
                self.locals.clear();
                self.ended_by = None;
                Ok(())
            }
            Ok(false) | Err(_) => {
                self.status.set(SessionStatus::Lost);
                let text = "the session could not be reset";
                Err(DriverError::new(Impact::Connection, Error::new(ErrorKind::ConnectionLost, text)))
            }
        }
    }
}
