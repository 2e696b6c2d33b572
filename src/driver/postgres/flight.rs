//! One flight: the owed steps and a request, put on the wire in one poll, and their answers awaited together. It knows
//! the order of requests on a connection, and so what is outstanding; not what the requests are.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{
    answered::{Answered, Outcome},
    cancel::Servers,
    classify,
};
use crate::{
    control::Control,
    driver::{Dialect, State, session_mark::SessionMark},
    fault::{Debt, Fault},
    statement::SessionEffect,
};

/// How long a connection may take to come to rest before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a cancel request is given to take effect before the next is sent; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The wire of one connection: what was sent, what was answered, and the control steps whose answer nobody has seen yet.
pub(crate) struct Wire {
    client: Client,
    servers: Servers,
    sent: AtomicU64,
    answered: AtomicU64,
    in_transaction: AtomicBool,
    tally: Mutex<Tally>,
    /// The caller had the native client.
    handled: AtomicBool,
    mark: SessionMark,
    broken: AtomicBool,
    /// It still works, but is not to be anybody else's.
    retired: AtomicBool,
    /// Answers come in order, so whoever has the answer to a later request can know this one; and must look at it
    /// first, for behind a BEGIN that failed a statement commits on its own.
    steps: Mutex<Option<(u64, Answered)>>,
}

/// What is known of the requests of the open transaction.
#[derive(Default)]
struct Tally {
    /// The one that began it.
    begun: u64,
    /// How many from that one on were seen to succeed.
    succeeded: u64,
}

impl Wire {
    pub(super) fn new(client: Client, servers: Servers) -> Self {
        Self {
            client,
            servers,
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            in_transaction: AtomicBool::new(false),
            tally: Mutex::default(),
            handled: AtomicBool::new(false),
            mark: SessionMark::default(),
            broken: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            steps: Mutex::new(None),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.client.is_closed() && !self.broken.load(Ordering::Acquire)
    }

    /// The connection is not to be used again.
    pub(super) fn condemn(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// The connection is thrown away when its user is done with it.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// What was left behind in the session.
    pub(super) fn mark(&self) -> &SessionMark {
        &self.mark
    }

    /// The session was reset.
    pub(super) fn is_new(&self) {
        self.mark.clear();
        self.handled.store(false, Ordering::Release);
    }

    /// Lends the client. Until the loan is said to be over, anything may be outstanding.
    pub(crate) fn lend(self: &Arc<Self>) -> Outstanding {
        self.handled.store(true, Ordering::Release);
        self.mark.note(SessionEffect::Reset);
        self.send()
    }

    pub(super) fn set_in_transaction(&self, open: bool) {
        self.in_transaction.store(open, Ordering::Release);
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.in_transaction.load(Ordering::Acquire)
    }

    pub(super) fn state(&self) -> State {
        if !self.is_alive() || self.retired.load(Ordering::Acquire) {
            State::Broken
        } else if self.is_busy() {
            State::Busy
        } else if self.mark.is_set() {
            State::Handled
        } else if self.is_in_transaction() {
            State::Transaction
        } else {
            State::Idle
        }
    }

    fn is_busy(&self) -> bool {
        self.answered.load(Ordering::Acquire) < self.sent.load(Ordering::Acquire)
    }

    /// Counts a request that goes out now, and gives its number.
    fn count(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The answer to the request of a number is here, and with it the answers to all earlier ones.
    pub(super) fn is_answered(&self, number: u64) {
        self.answered.fetch_max(number, Ordering::AcqRel);
    }

    /// The request of a number has succeeded.
    pub(super) fn has_succeeded(&self, number: u64) {
        self.is_answered(number);
        let mut tally = self.tally();
        // What was sent ahead of a transaction says nothing about it.
        if number >= tally.begun {
            tally.succeeded += 1;
        }
    }

    /// Whether each request of the open transaction was seen to succeed, and nobody but us has sent any: then the server
    /// cannot have aborted it.
    pub(super) fn is_sound(&self) -> bool {
        let Tally { begun, succeeded } = *self.tally();
        let sent = self.sent.load(Ordering::Acquire) + 1 - begun;
        self.is_in_transaction() && !self.handled.load(Ordering::Acquire) && succeeded == sent
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(self: &Arc<Self>) -> Outstanding {
        Outstanding { number: self.count(), wire: Arc::clone(self) }
    }

    /// Sends the debt and `request` in one poll, in this order, and waits for both answers; the number is that of the
    /// request, which is outstanding until it is said to be answered. `request` MUST send itself in its first poll; it is
    /// pinned by the caller, as such futures are large and would be held twice here.
    pub(super) async fn fly<T>(
        self: &Arc<Self>,
        debt: &dyn Debt,
        mut request: Pin<&mut impl Future<Output = Result<T, tokio_postgres::Error>>>,
        classify: impl FnOnce(tokio_postgres::Error, bool) -> Fault,
    ) -> Result<(T, u64), Fault> {
        if !self.is_alive() {
            return Err(classify::unsent());
        }
        let mut number = 0;
        let mut ahead = None;
        let first = poll_fn(|cx| {
            let mut first = Poll::Pending;
            let paid = debt.pay(&mut |steps| {
                ahead = self.send_steps_ahead(steps, cx);
                number = self.count();
                first = request.as_mut().poll(cx);
            });
            Poll::Ready(paid.map(|()| first))
        })
        .await
        .map_err(Fault::kept)?;
        // One after the other, as they come: while the first answer is not here, neither is the second.
        let steps = answer_to(ahead).await;
        let out = match first {
            Poll::Ready(out) => out,
            Poll::Pending => request.await,
        };
        // An error is an answer too: whether one is outstanding is the connection's affair from here on.
        match (steps, out) {
            (Err(fault), _) => {
                self.is_answered(number);
                Err(fault)
            }
            (Ok(()), Ok(value)) => Ok((value, number)),
            (Ok(()), Err(error)) => {
                self.is_answered(number);
                Err(classify(error, self.is_alive()))
            }
        }
    }

    /// Puts control steps on the wire; the caller polls once to send them.
    fn send_steps(self: &Arc<Self>, steps: &[Control]) -> Answered {
        let text = Dialect::Postgres.render_all(steps);
        let begins = steps.iter().any(|step| matches!(step, Control::Begin(_)));
        let opens = steps.iter().rev().find_map(|step| match step {
            Control::Begin(_) => Some(true),
            Control::Rollback | Control::Commit => Some(false),
            _ => None,
        });
        let number = self.count();
        if opens == Some(true) {
            self.set_in_transaction(true);
        }
        if begins {
            *self.tally() = Tally { begun: number, succeeded: 0 };
        }
        let wire = Arc::clone(self);
        let answer = async move {
            let result = wire.client.batch_execute(&text).await;
            if result.is_ok() {
                wire.has_succeeded(number);
            } else {
                wire.is_answered(number);
            }
            wire.forget_steps(number);
            if opens == Some(false) && result.is_ok() {
                wire.set_in_transaction(false);
            }
            result.map_err(|error| {
                let fault = classify::control(error, wire.is_alive());
                if begins && classify::may_have_stopped_begin(&fault.error) {
                    // What stands behind that BEGIN may have run outside a transaction: nobody uses this again (rule 19).
                    wire.condemn();
                }
                fault
            })
        };
        let answered = Answered::new(answer.boxed());
        *self.lock_steps() = Some((number, answered.another()));
        answered
    }

    /// Sends the debt alone, and waits for its answer.
    pub(super) async fn fly_steps(self: &Arc<Self>, debt: &dyn Debt, steps: &[Control]) -> Outcome {
        if !self.is_alive() {
            return Err(classify::unsent());
        }
        let mut sent = None;
        poll_fn(|cx| {
            let paid = debt.pay(&mut |owed| {
                let all: Vec<Control> = owed.iter().chain(steps).cloned().collect();
                sent = self.send_steps_ahead(&all, cx);
            });
            Poll::Ready(paid.map_err(Fault::kept))
        })
        .await?;
        answer_to(sent).await
    }

    /// Puts control steps on the wire, and gives their answer; without any, that to the steps that were sent last, if it
    /// is not here yet. It is taken now: the answer may come before anybody waits for it, and would be forgotten then.
    fn send_steps_ahead(self: &Arc<Self>, steps: &[Control], cx: &mut Context<'_>) -> Option<Ahead> {
        if steps.is_empty() {
            return self.last_steps().map(Ahead::Awaited);
        }
        let mut answer = self.send_steps(steps);
        Some(match answer.poll_unpin(cx) {
            Poll::Ready(outcome) => Ahead::Known(outcome),
            Poll::Pending => Ahead::Awaited(answer),
        })
    }

    /// Stops what is outstanding, and returns when no cancel request is under way any more.
    pub(super) async fn stop(self: Arc<Self>) {
        if self.is_busy() && timeout(PATIENCE, self.cancel_all()).await.is_err() {
            self.condemn();
        }
    }

    async fn cancel_all(self: &Arc<Self>) {
        // Were a SAVEPOINT hit, the block around it would be lost too; and behind a BEGIN that was hit statements commit.
        let _ = answer_to(self.last_steps().map(Ahead::Awaited)).await;
        let token = self.client.cancel_token();
        let mut wait = FIRST_WAIT;
        loop {
            self.servers.cancel(&token).await;
            // A backend takes no notice of a request while it reads its next message, so one round trip behind it tells
            // that it has hit what it was meant for, or nothing.
            let outstanding = self.send();
            match timeout(wait, self.client.batch_execute("")).await {
                Ok(Ok(())) => return outstanding.answered(),
                Ok(Err(error)) if error.as_db_error().is_some() && self.is_alive() => return outstanding.answered(),
                Ok(Err(_)) => return self.condemn(),
                // It was there before its statement, or another statement is outstanding behind the one that it hit.
                Err(_elapsed) => wait *= 2,
            }
        }
    }

    /// The connection goes. What the server is still at for it would keep its locks until it ends by itself, and whoever
    /// could have stopped it in order, the runtime, may be gone.
    pub(super) fn abandon(&self) {
        // Steps whose answer nobody has awaited hold the wire, which holds them: the socket would stay open.
        let pending = self.lock_steps().take();
        drop(pending);
        if self.is_busy() {
            self.servers.cancel_detached(self.client.cancel_token());
        }
    }

    /// The answer to the control steps that were sent last, if it is not here yet.
    fn last_steps(&self) -> Option<Answered> {
        self.lock_steps().as_ref().map(|(_, answer)| answer.another())
    }

    /// The answer to steps is here: later flights need not look at it, unless newer steps have taken its place.
    fn forget_steps(&self, number: u64) {
        let mut steps = self.lock_steps();
        if steps.as_ref().is_some_and(|(newest, _)| *newest == number) {
            *steps = None;
        }
    }

    fn lock_steps(&self) -> MutexGuard<'_, Option<(u64, Answered)>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The answer to control steps: a future that is ready must not be polled again.
enum Ahead {
    Known(Outcome),
    Awaited(Answered),
}

async fn answer_to(steps: Option<Ahead>) -> Outcome {
    match steps {
        Some(Ahead::Known(outcome)) => outcome,
        Some(Ahead::Awaited(answer)) => answer.await,
        None => Ok(()),
    }
}

/// A request whose answer is outstanding until it is said to be here. Forgotten about, it leaves the connection busy.
pub(crate) struct Outstanding {
    wire: Arc<Wire>,
    number: u64,
}

impl Outstanding {
    /// The answer is here, and with it the answers to all earlier requests.
    pub(crate) fn answered(&self) {
        self.wire.is_answered(self.number);
    }
}
