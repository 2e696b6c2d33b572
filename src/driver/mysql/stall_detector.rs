//! [`StallDetector`]: notices that the server has stopped in the middle of a text of several statements. A KILL QUERY that comes
//! between two of them makes MariaDB and MySQL execute neither, though the last answer has promised another one: without
//! it the client would wait forever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use mysql_async::{Error as Native, prelude::Queryable as _};
use pin_project::pin_project;
use tokio::time::sleep;

use super::{kill::within, login::Login, session::Session};

/// The pause before the server is asked for the first time; it doubles each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(60);

/// The time that each step of a question may take.
const ASK: Duration = Duration::from_secs(3);

/// The time that rows may be on their way from a server that has sent all of them: what its socket holds, over a slow network.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// Tells about one session, over a connection of its own.
#[derive(Clone)]
pub(super) struct StallDetector {
    login: Login,
    id: u32,
}

/// The next result of a text, or the error that none will come.
#[pin_project]
pub(super) struct Guarded<'s, F> {
    #[pin]
    result: F,
    detector: &'s StallDetector,
    /// Made when the result has to be waited for, as hardly any has. A thin pointer, as commands are to be small.
    stall: Option<Box<BoxFuture<'static, ()>>>,
}

impl StallDetector {
    pub(super) fn new(session: &Session) -> Self {
        Self { login: session.login().clone(), id: session.id() }
    }

    /// Waits for the next result of a text. From time to time it asks the server whether the session is still at work.
    ///
    /// # Errors
    /// `TimedOut`, if the session is at rest and no answer comes.
    pub(super) fn guard<F>(&self, result: F) -> Guarded<'_, F> {
        Guarded { result, detector: self, stall: None }
    }

    /// Ready once the session is at rest, and an answer would have arrived.
    async fn stalled(self) {
        let mut wait = FIRST_WAIT;
        loop {
            sleep(wait).await;
            match self.is_at_rest().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(target: "nestling", %error, "the server was not asked whether a session is at work");
                }
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
        sleep(ON_ITS_WAY).await;
    }

    /// Whether the server waits for the session's next command, or has ended it.
    async fn is_at_rest(&self) -> Result<bool, Native> {
        let mut helper = within(ASK, self.login.connect()).await?;
        let sql = format!("SELECT command FROM information_schema.processlist WHERE id = {}", self.id);
        let command: Option<String> = within(ASK, helper.query_first(sql)).await?;
        within(ASK, helper.disconnect()).await?;
        Ok(command.is_none_or(|command| command == "Sleep"))
    }
}

impl<T, F: Future<Output = Result<T, Native>>> Future for Guarded<'_, F> {
    type Output = Result<T, Native>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(out) = this.result.poll(cx) {
            return Poll::Ready(out);
        }
        let detector = *this.detector;
        let stall = this.stall.get_or_insert_with(|| Box::new(detector.clone().stalled().boxed()));
        stall.poll_unpin(cx).map(|()| {
            let text = "the server stopped between two statements of one message, as a KILL QUERY makes it do";
            Err(Native::Io(io::Error::new(io::ErrorKind::TimedOut, text).into()))
        })
    }
}
