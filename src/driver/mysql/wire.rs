//! The commands of one connection: texts with owed steps, and what the answers tell of the transaction. Prepared
//! statements are in a file of their own.

use std::{
    borrow::Cow,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use mysql_async::{Conn, Error as Native, QueryResult, TextProtocol, consts::StatusFlags, prelude::Queryable as _};
use tokio::time::timeout;

use super::{
    SETUP, classify,
    detached::end_session,
    implicit,
    known::{Known, Shown},
    marker,
    placeholders::Text,
    server::Server,
    session::Session,
    texts::Texts,
};
use crate::{
    driver::{Answer, Dialect},
    error::{Error, ErrorKind},
    sql::statement::SessionEffect,
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// How long variables may take to be set back. A KILL QUERY that comes between two statements of a text makes the server
/// go on with neither, though it has promised another result: without a bound it would be waited for that for ever.
const PATIENCE: Duration = Duration::from_secs(2);

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

    /// Sends steps, and behind them a statement without parameters whose rows nobody wants, as one message.
    #[expect(clippy::manual_async_fn, reason = "as `run_text`")]
    pub(super) fn text(
        &mut self,
        steps: &[Control],
        tail: Option<&Text>,
    ) -> impl Future<Output = Result<Answer, DriverError>> {
        async move {
            let was_open = self.note(steps)?;
            if let Some(tail) = tail {
                self.refuse_to_commit(was_open, &tail.sql)?;
                self.refuse_to_write(was_open, &tail.sql)?;
                self.shown.mark().note(tail.effect);
            }
            let is_marked = was_open && tail.is_some_and(|tail| tail.is_opaque);
            let (text, ahead) = marker::message(steps, is_marked, tail);
            if let Err(error) = self.server.check_text(text.len()) {
                // The statement was looked at before: it is a setting that is too large, and nothing is begun with it.
                return Err(self.went(error));
            }
            let sql =
                || tail.map_or_else(|| classify::steps_without_values(steps).into(), |tail| Cow::Borrowed(&*tail.sql));
            let (through, result) = self.run_text(&text, usize::MAX).await;
            self.is_marked = is_marked && (result.is_ok() || through >= ahead);
            let error = match result {
                Ok(answer) => return self.conclude(was_open, sql).map(|()| answer),
                Err(error) => error,
            };
            if through >= ahead {
                return Err(self.judge(error, &sql(), was_open).await);
            }
            // Nothing behind the step, or behind the marker, has run.
            let is_killed = classify::is_killed(&error);
            if is_killed && is_marked && through + 1 == ahead {
                self.shown.set(Known::Transaction);
                return Err(DriverError::harmless(classify::statement(error, &sql())));
            }
            if is_killed && Box::pin(self.retake(steps, through)).await {
                return Err(DriverError::harmless(classify::statement(error, &sql())));
            }
            let is_told = matches!(error, Native::Server(_));
            let mut fault = self.judge_step(error, steps, was_open).await;
            if fault.impact == Impact::Connection && (tail.is_none() || is_told) {
                // Nothing of the caller's was sent, or the server has ended the session ahead of it.
                fault.impact = Impact::NotSent;
            }
            Err(fault)
        }
    }

    /// A step failed: the transaction as a whole cannot be relied on.
    fn judge_step<'w>(&'w mut self, error: Native, steps: &'w [Control], was_open: bool) -> BoxFuture<'w, DriverError> {
        Box::pin(async move {
            let fault = self.judge(error, &classify::steps_without_values(steps), was_open).await;
            let impact = if fault.impact == Impact::Connection { Impact::Connection } else { Impact::Transaction };
            DriverError { impact, ..fault }
        })
    }

    /// Runs a text of several statements: how many of them are through, and how many rows they affected or returned in
    /// all: steps affect none, nor does the empty statement that a comment at the end is. Each has a result of its own,
    /// and an error in one comes when the one before it is read to its end. Those behind the first `waited_for` take no
    /// time: what does not come in a while will never come.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its parameters twice, and is to be small")]
    pub(super) fn run_text(
        &mut self,
        text: &str,
        waited_for: usize,
    ) -> impl Future<Output = (usize, Result<Answer, Native>)> {
        async move {
            let mut through = 0;
            let mut answer = Answer::count(0);
            let mut result = match self.conn.query_iter(text).await {
                Ok(result) => result,
                Err(error) => return (through, Err(error)),
            };
            while let Some(has_rows) = result.columns().map(|columns| !columns.is_empty()) {
                if !has_rows {
                    // Before it is read to its end, which is where the next one begins.
                    answer.affected += result.affected_rows();
                    let last = result.last_insert_id().and_then(|id| i64::try_from(id).ok());
                    answer.last_insert_id = last.or(answer.last_insert_id);
                }
                if result.is_empty() {
                    // The only one, or the last: nothing is left to be read.
                    return (through + 1, Ok(answer));
                }
                // This reads on to the beginning of what comes next.
                let end = if through + 1 < waited_for {
                    read_on(&mut result).await
                } else {
                    // Boxed, for the timer that few texts need.
                    let end = Box::pin(timeout(PATIENCE, read_on(&mut result))).await;
                    end.unwrap_or_else(|late| Err(Native::Io(io::Error::from(late).into())))
                };
                through += 1;
                match end {
                    Ok(rows) => answer.affected += rows,
                    Err(error) => return (through, Err(error)),
                }
            }
            // The error of a further one is told here.
            (through, result.next().await.map(|_none| answer))
        }
    }

    /// A batch that commits half-way is not sent: the statements behind would run on their own.
    fn refuse_to_commit(&mut self, is_open: bool, sql: &str) -> Result<(), DriverError> {
        if !(is_open && implicit::commits_among_several(sql)) {
            return Ok(());
        }
        let text = "one of these statements commits the transaction implicitly, and those behind it would run outside \
                    of any; none of them was sent";
        Err(self.went(Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)))
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

    /// Ends the transaction, and sets back what was set for it, by one message.
    pub(super) async fn end(&mut self, steps: &[Control]) -> Result<Answer, DriverError> {
        let was_open = self.note(steps)?;
        let mut text = Dialect::Mysql.render_all(steps);
        if !self.locals.is_empty() {
            text.to_mut().push_str(&self.restoration());
        }
        let waited_for = if self.locals.is_empty() { usize::MAX } else { steps.len() };
        let (through, error) = match self.run_text(&text, waited_for).await {
            (_, Ok(_)) => {
                self.locals.clear();
                return self.conclude(was_open, || classify::steps_without_values(steps)).map(|()| Answer::count(0));
            }
            (through, Err(error)) => (through, error),
        };
        if through < steps.len() {
            return Err(self.judge_step(error, steps, was_open).await);
        }
        // It has ended as it should have; only its variables are still set.
        tracing::debug!(target: "nestling", %error, "what was set for a transaction could not be set back");
        if classify::is_lost(&error) {
            self.shown.set(Known::Lost);
        } else {
            // Should this fail too, the connection is marked as lost, and goes.
            let _ = Box::pin(self.reset()).await;
        }
        Ok(Answer::count(0))
    }

    /// What sets back the variables that were set for the transaction.
    fn restoration(&self) -> String {
        let mut text: String = self.locals.iter().map(|key| format!("; SET SESSION {key} = DEFAULT")).collect();
        let is_ours = |key: &String| ["time_zone", "sql_mode"].iter().any(|ours| key.eq_ignore_ascii_case(ours));
        if self.locals.iter().any(is_ours) || self.locals.iter().any(|key| key.to_lowercase().starts_with("collation"))
        {
            // Their default is the server's, not ours.
            text.push_str("; ");
            text.push_str(SETUP);
        }
        text
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

/// Reads a result to its end, and counts its rows.
async fn read_on(result: &mut QueryResult<'_, 'static, TextProtocol>) -> Result<u64, Native> {
    let mut rows = 0;
    while result.next().await?.is_some() {
        rows += 1;
    }
    Ok(rows)
}
