//! Text messages: owed steps, several statements in one message, and the end of a transaction. Prepared statements are
//! in `prepared.rs`.

use std::{borrow::Cow, io, time::Duration};

use futures_util::future::BoxFuture;
use mysql_async::{Error as Native, QueryResult, TextProtocol, prelude::Queryable as _};
use tokio::time::timeout;

use super::{
    classify, implicit, marker, session::SETUP, session_status::SessionStatus, statement::StatementText, wire::Wire,
};
use crate::{
    driver::{Answer, Dialect},
    error::{Error, ErrorKind},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// The time that restoring variables may take: see [`StallDetector`](super::stall_detector::StallDetector) for why a result may not come.
const PATIENCE: Duration = Duration::from_secs(5);

impl Wire {
    /// Sends steps and a statement without parameters that returns no rows to the caller, as one message.
    #[expect(clippy::manual_async_fn, reason = "as `run_text`")]
    pub(super) fn text(
        &mut self,
        steps: &[Control],
        tail: Option<&StatementText>,
    ) -> impl Future<Output = Result<Answer, DriverError>> {
        async move {
            let was_open = self.begin_command(steps)?;
            if let Some(tail) = tail {
                self.refuse_to_commit(was_open, &tail.sql)?;
                self.refuse_to_write(was_open, &tail.sql)?;
                self.status.mark().note(tail.effect);
            }
            let is_marked = was_open && tail.is_some_and(|tail| tail.is_opaque);
            let (text, ahead) = marker::message(steps, is_marked, tail);
            if let Err(error) = self.server.check_text(text.len()) {
                // The statement was checked before: a setting is too large, and no transaction is begun with it.
                return Err(self.transaction_ended(error));
            }
            let sql =
                || tail.map_or_else(|| classify::steps_without_values(steps).into(), |tail| Cow::Borrowed(&*tail.sql));
            let (completed, result) = self.run_text(&text, u32::MAX).await;
            self.is_marked = is_marked && (result.is_ok() || completed >= ahead);
            let error = match result {
                Ok(answer) => return self.check_success(was_open, sql).map(|()| answer),
                Err(error) => error,
            };
            if completed >= ahead {
                return Err(self.classify_error(error, &sql(), was_open).await);
            }
            // Nothing behind the failed step, or behind the marker, has run.
            let is_killed = classify::is_killed(&error);
            if is_killed && is_marked && completed + 1 == ahead {
                self.status.set(SessionStatus::Transaction);
                return Err(DriverError::harmless(classify::statement(error, &sql())));
            }
            if is_killed && Box::pin(self.retry_steps(steps, completed)).await {
                return Err(DriverError::harmless(classify::statement(error, &sql())));
            }
            let is_told = matches!(error, Native::Server(_));
            let mut fault = self.classify_step_error(error, steps, was_open).await;
            if fault.impact == Impact::Connection && (tail.is_none() || is_told) {
                // The caller's statement was not sent, or the server has ended the session ahead of it.
                fault.impact = Impact::NotSent;
            }
            Err(fault)
        }
    }

    /// Classifies the error of a step: the transaction as a whole cannot be relied on.
    fn classify_step_error<'w>(
        &'w mut self,
        error: Native,
        steps: &'w [Control],
        was_open: bool,
    ) -> BoxFuture<'w, DriverError> {
        Box::pin(async move {
            let fault = self.classify_error(error, &classify::steps_without_values(steps), was_open).await;
            let impact = if fault.impact == Impact::Connection { Impact::Connection } else { Impact::Transaction };
            DriverError { impact, ..fault }
        })
    }

    /// Runs a text of several statements. Returns how many of them are complete, and how many rows they affected or
    /// returned in total: steps affect none, nor does the empty statement of a trailing comment. Each statement has a
    /// result, and an error comes when the previous result is read to its end. The results are guarded by a
    /// [`StallDetector`](super::stall_detector::StallDetector). The statements behind the first `waited_for` take no time: a result of theirs that does not
    /// come within [`PATIENCE`] will never come.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its parameters twice, and is to be small")]
    pub(super) fn run_text(
        &mut self,
        text: &str,
        waited_for: u32,
    ) -> impl Future<Output = (usize, Result<Answer, Native>)> {
        async move {
            // Small numbers, as the future is to be small.
            let mut completed: u32 = 0;
            let mut answer = Answer::count(0);
            let stall = &self.stall;
            let mut result = match self.conn.query_iter(text).await {
                Ok(result) => result,
                Err(error) => return (completed as usize, Err(error)),
            };
            while let Some(has_rows) = result.columns().map(|columns| !columns.is_empty()) {
                if !has_rows {
                    // Before it is read to its end, where the next result begins.
                    answer.affected += result.affected_rows();
                    let last = result.last_insert_id().and_then(|id| i64::try_from(id).ok());
                    answer.last_insert_id = last.or(answer.last_insert_id);
                }
                if result.is_empty() {
                    // The only result, or the last one.
                    return (completed as usize + 1, Ok(answer));
                }
                // This reads up to the beginning of the next result.
                let end = if completed + 1 < waited_for {
                    stall.guard(read_on(&mut result)).await
                } else {
                    // Boxed, as few texts need the timer.
                    let end = Box::pin(timeout(PATIENCE, read_on(&mut result))).await;
                    end.unwrap_or_else(|late| Err(Native::Io(io::Error::from(late).into())))
                };
                completed += 1;
                match end {
                    Ok(rows) => answer.affected += rows,
                    Err(error) => return (completed as usize, Err(error)),
                }
            }
            // An error of a further result comes here.
            (completed as usize, result.next().await.map(|_none| answer))
        }
    }

    /// Refuses a batch that commits before its last statement: the statements behind would run on their own.
    fn refuse_to_commit(&mut self, is_open: bool, sql: &str) -> Result<(), DriverError> {
        if !(is_open && implicit::commits_among_several(sql)) {
            return Ok(());
        }
        let text = "one of these statements commits the transaction implicitly, and those behind it would run outside \
                    of any; none of them was sent";
        Err(self.transaction_ended(Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)))
    }

    /// Ends the transaction and restores its variables, by one message.
    pub(super) async fn end(&mut self, steps: &[Control]) -> Result<Answer, DriverError> {
        let was_open = self.begin_command(steps)?;
        let mut text = Dialect::Mysql.render_all(steps);
        if !self.locals.is_empty() {
            text.to_mut().push_str(&self.restoration());
        }
        let waited_for = if self.locals.is_empty() { u32::MAX } else { u32::try_from(steps.len()).unwrap_or(u32::MAX) };
        let (completed, error) = match self.run_text(&text, waited_for).await {
            (_, Ok(_)) => {
                self.locals.clear();
                return self
                    .check_success(was_open, || classify::steps_without_values(steps))
                    .map(|()| Answer::count(0));
            }
            (completed, Err(error)) => (completed, error),
        };
        if completed < steps.len() {
            return Err(self.classify_step_error(error, steps, was_open).await);
        }
        // The transaction has ended as requested; only its variables are still set.
        tracing::debug!(target: "nestling", %error, "what was set for a transaction could not be set back");
        if classify::is_lost(&error) {
            self.status.set(SessionStatus::Lost);
        } else {
            // If this fails too, the connection is marked as lost and thrown away.
            let _ = Box::pin(self.reset()).await;
        }
        Ok(Answer::count(0))
    }

    /// The statements that restore the variables of the transaction.
    fn restoration(&self) -> String {
        let mut text: String = self.locals.iter().map(|key| format!("; SET SESSION {key} = DEFAULT")).collect();
        let is_ours = |key: &String| ["time_zone", "sql_mode"].iter().any(|ours| key.eq_ignore_ascii_case(ours));
        if self.locals.iter().any(is_ours) || self.locals.iter().any(|key| key.to_lowercase().starts_with("collation"))
        {
            // Their default is the server's, not the one of [`SETUP`].
            text.push_str("; ");
            text.push_str(SETUP);
        }
        text
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
