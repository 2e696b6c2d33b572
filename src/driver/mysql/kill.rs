//! Ends the statement of a session, from a connection of its own.

use std::{
    io,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{Either, select};
use mysql_async::{Conn, Error as Native, Opts, prelude::Queryable as _};
use tokio::time::{Instant, timeout};

use super::detached::end_session;

/// How long a statement may take to end before it is killed again; twice as long each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(2);

/// How long the connection for a request may take.
const CONNECT: Duration = Duration::from_secs(1);

/// How long the answer to a request may take. As it may hit whatever comes next, the session is given up without one: so it
/// is waited for much longer, as a busy machine may take its time.
const ANSWER: Duration = Duration::from_secs(3);

/// Who can end the statements of one session.
#[derive(Debug, Clone)]
pub(super) struct Killer {
    opts: Opts,
    id: u32,
}

impl Killer {
    pub(super) fn new(opts: Opts, id: u32) -> Self {
        Self { opts, id }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Asks the server to end what the session is at until `over` is ready: a KILL QUERY that meets a statement at its very
    /// beginning is forgotten by the server. It is not repeated once `is_same` says that another statement runs. If
    /// nothing comes of it within `patience`, the session itself is ended: then it is `None`. So it is too where a request
    /// may still be on its way, which could hit whatever comes next.
    pub(super) async fn end<T>(
        &self,
        over: impl Future<Output = T>,
        is_same: impl Fn() -> bool,
        patience: Duration,
    ) -> Option<T> {
        let mut over = pin!(over);
        let (mut wait, mut waited) = (FIRST_WAIT, Duration::ZERO);
        while is_same() {
            if waited >= patience {
                return self.kill_session();
            }
            let began = Instant::now();
            let request = Request::default();
            let out = self.ask_until(&request, over.as_mut()).await;
            if request.is_unanswered() {
                return self.kill_session();
            }
            if out.is_some() {
                return out;
            }
            if !request.has_arrived() {
                // What was waited for the request counts: the server may not be within reach.
                waited += began.elapsed();
            }
            if let Ok(out) = timeout(wait, over.as_mut()).await {
                return Some(out);
            }
            waited += wait;
            wait = (wait * 2).min(LAST_WAIT);
        }
        Some(over.await)
    }

    fn kill_session<T>(&self) -> Option<T> {
        end_session(self.opts.clone(), self.id);
        None
    }

    /// Makes one request. What it is to end may end by itself meanwhile; then a request that was not sent yet is dropped,
    /// and one that was is waited for.
    async fn ask_until<T>(&self, request: &Request, over: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let asked = pin!(self.kill(request));
        let (out, asked) = match select(over, asked).await {
            Either::Left((out, asked)) if request.is_unanswered() => (Some(out), asked.await),
            Either::Left((out, _unsent)) => return Some(out),
            Either::Right((asked, _)) => (None, asked),
        };
        if let Err(error) = asked {
            tracing::debug!(target: "nestling", %error, "a KILL QUERY did not reach the server, or was not answered");
        }
        out
    }

    /// Asks the server to end what the session is at. It may come too late, and then hit what comes next: whoever uses
    /// the session sees to that.
    async fn kill(&self, request: &Request) -> Result<(), Native> {
        let mut helper = within(CONNECT, Conn::new(self.opts.clone())).await?;
        request.is_sent.store(true, Ordering::Release);
        let answer = within(ANSWER, helper.query_drop(format!("KILL QUERY {}", self.id))).await;
        // A server's error is an answer as well.
        let is_answer = matches!(answer, Ok(()) | Err(Native::Server(_)));
        request.is_answered.store(is_answer, Ordering::Release);
        answer?;
        within(CONNECT, helper.disconnect()).await
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = Result<T, Native>>) -> Result<T, Native> {
    timeout(time, work).await.unwrap_or_else(|late| Err(Native::Io(io::Error::from(late).into())))
}

/// How far a request has come.
#[derive(Debug, Default)]
struct Request {
    is_sent: AtomicBool,
    is_answered: AtomicBool,
}

impl Request {
    fn has_arrived(&self) -> bool {
        self.is_answered.load(Ordering::Acquire)
    }

    /// Whether the server may still carry it out at any time.
    fn is_unanswered(&self) -> bool {
        self.is_sent.load(Ordering::Acquire) && !self.has_arrived()
    }
}
