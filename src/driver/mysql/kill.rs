//! [`Killer`]: ends the statement of a session by KILL QUERY, or the session by KILL, over a connection of its own.

use std::{
    io,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{Either, select};
use mysql_async::{Error as Native, prelude::Queryable as _};
use tokio::time::{Instant, timeout};

use super::login::Login;
use crate::driver::detached::detach;

/// The pause before a statement is killed again; it doubles each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The time that the connection for a request may take.
const CONNECT: Duration = Duration::from_secs(1);

/// The time that the answer to a request may take. Without an answer the session is given up, as the request could
/// still hit what comes next: so the time is generous, for busy machines.
const ANSWER: Duration = Duration::from_secs(3);

/// Ends the statements of one session.
#[derive(Debug, Clone)]
pub(super) struct Killer {
    login: Login,
    id: u32,
}

impl Killer {
    pub(super) fn new(login: Login, id: u32) -> Self {
        Self { login, id }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Asks the server to end the session's statement until `over` is ready: the server forgets a KILL QUERY that comes
    /// before its statement has begun. It is not repeated once `is_same` says that another statement runs. If the
    /// statement does not end within `patience`, or if a request may still be on its way and could hit a later
    /// statement, the session itself is ended, and `None` returned.
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
                return self.kill_session("its statement goes on");
            }
            let began = Instant::now();
            let request = Request::default();
            let out = self.ask_until(&request, over.as_mut()).await;
            if request.is_unanswered() {
                return self.kill_session("a KILL QUERY was not answered");
            }
            if out.is_some() {
                return out;
            }
            if !request.has_arrived() {
                // The time of the request counts: the server may not be reachable.
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

    fn kill_session<T>(&self, reason: &str) -> Option<T> {
        tracing::debug!(target: "nestling", session = self.id, reason, "a session is ended");
        end_session(self.login.clone(), self.id);
        None
    }

    /// Makes one request. If the statement ends meanwhile, a request that was not sent is dropped, and one that was
    /// sent is awaited.
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

    /// Sends KILL QUERY. It may come too late and hit a later statement: the user of the session must absorb it.
    async fn kill(&self, request: &Request) -> Result<(), Native> {
        let mut helper = within(CONNECT, self.login.connect()).await?;
        request.is_sent.store(true, Ordering::Release);
        let answer = within(ANSWER, helper.query_drop(format!("KILL QUERY {}", self.id))).await;
        // An error of the server is an answer too.
        let is_answer = matches!(answer, Ok(()) | Err(Native::Server(_)));
        request.is_answered.store(is_answer, Ordering::Release);
        answer?;
        within(CONNECT, helper.disconnect()).await
    }
}

/// Bounds one step of a request over a connection of its own.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = Result<T, Native>>) -> Result<T, Native> {
    timeout(time, work).await.unwrap_or_else(|late| Err(Native::Io(io::Error::from(late).into())))
}

/// The progress of a request.
#[derive(Debug, Default)]
struct Request {
    is_sent: AtomicBool,
    is_answered: AtomicBool,
}

impl Request {
    fn has_arrived(&self) -> bool {
        self.is_answered.load(Ordering::Acquire)
    }

    /// Whether the server may still execute it at any time.
    fn is_unanswered(&self) -> bool {
        self.is_sent.load(Ordering::Acquire) && !self.has_arrived()
    }
}

/// Asks the server to end a session whose connection was dropped during a command, so that it does not go on with the
/// statement and its locks. It does not wait, and needs no runtime, as the runtime may have ended.
pub(super) fn end_session(login: Login, id: u32) {
    detach(move || {
        let login = login.clone();
        async move {
            let ended = async {
                let mut helper = login.connect().await?;
                helper.query_drop(format!("KILL {id}")).await?;
                helper.disconnect().await
            };
            let ended: Result<(), Native> = ended.await;
            if let Err(error) = ended {
                tracing::debug!(target: "nestling", %error, "a KILL did not reach the server");
            }
            // It is never repeated: a server that starts anew counts its sessions from one again.
            true
        }
    });
}
