//! [`StallDetector`]: notices that the server has stopped in the middle of a text of several statements. A KILL QUERY that comes
//! between two of them makes MariaDB and MySQL execute neither, though the last answer has promised another one: without
//! it the client would wait forever.

use std::{io, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use mysql_async::{Conn, Error as Native, Opts, prelude::Queryable as _};
use tokio::time::timeout;

use super::kill::within;

/// The pause before the server is asked for the first time; it doubles each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(60);

/// The time that each step of a question may take.
const ASK: Duration = Duration::from_secs(3);

/// The time that an answer may be on its way from a server that has nothing more to do.
const ON_ITS_WAY: Duration = Duration::from_secs(3);

/// What tells about one session, over a connection of its own.
pub(super) struct StallDetector {
    opts: Opts,
    id: u32,
}

impl StallDetector {
    pub(super) fn new(conn: &Conn) -> Self {
        Self { opts: conn.opts().clone(), id: conn.id() }
    }

    /// Waits for the next result of a text. From time to time it asks the server whether the session is still at work.
    ///
    /// # Errors
    /// `TimedOut`, if the session is at rest and no answer comes.
    pub(super) async fn wait_for<T>(&self, result: impl Future<Output = Result<T, Native>>) -> Result<T, Native> {
        let mut result = pin!(result);
        let mut wait = FIRST_WAIT;
        loop {
            if let Ok(out) = timeout(wait, result.as_mut()).await {
                return out;
            }
            let question = pin!(self.is_at_rest());
            match select(result.as_mut(), question).await {
                Either::Left((out, _)) => return out,
                Either::Right((Ok(true), _)) => break,
                Either::Right((Ok(false), _)) => {}
                Either::Right((Err(error), _)) => {
                    tracing::debug!(target: "nestling", %error, "the server was not asked whether a session is at work");
                }
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
        timeout(ON_ITS_WAY, result).await.unwrap_or_else(|_late| {
            let text = "the server stopped between two statements of one message, as a KILL QUERY makes it do";
            Err(Native::Io(io::Error::new(io::ErrorKind::TimedOut, text).into()))
        })
    }

    /// Whether the server waits for the session's next command, or has ended it.
    async fn is_at_rest(&self) -> Result<bool, Native> {
        let mut helper = within(ASK, Conn::new(self.opts.clone())).await?;
        let sql = format!("SELECT command FROM information_schema.processlist WHERE id = {}", self.id);
        let command: Option<String> = within(ASK, helper.query_first(sql)).await?;
        within(ASK, helper.disconnect()).await?;
        Ok(command.is_none_or(|command| command == "Sleep"))
    }
}
