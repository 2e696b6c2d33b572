//! One flight: the owed steps and a request, put on the wire in one poll, and their answers awaited together. It knows
//! the order of requests on a connection, and so what is outstanding; not what the requests are.

use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::{
    answered::{Answered, Outcome},
    cancel::Servers,
    classify,
    dial::Connected,
    in_flight::{Request, Requests},
    link::Link,
    outstanding::Outstanding,
    schema::NewSchema,
};
use crate::{
    control::Control,
    driver::{Dialect, State, session_mark::SessionMark},
    fault::{Debt, Fault, Verdict},
    statement::SessionEffect,
};

/// The wire of one connection: what was sent, what was answered, and the control steps whose answer nobody has seen yet.
pub(crate) struct Wire {
    pub(super) client: Client,
    /// Speaks with the server for the client. Ended, it closes the socket.
    pub(super) task: AbortHandle,
    pub(super) servers: Servers,
    link: Arc<Link>,
    new_schema: NewSchema,
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
    pub(super) requests: Requests,
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
    pub(super) fn new(Connected { client, task, servers, link }: Connected) -> Self {
        Self {
            client,
            task,
            servers,
            link,
            new_schema: NewSchema::default(),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            in_transaction: AtomicBool::new(false),
            tally: Mutex::default(),
            handled: AtomicBool::new(false),
            mark: SessionMark::default(),
            broken: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            steps: Mutex::new(None),
            requests: Requests::default(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.client.is_closed() && !self.is_condemned()
    }

    /// A fault with what the server has said of it, if it is the end of the connection.
    pub(super) fn lost(&self, fault: Fault) -> Fault {
        match self.link.last_words() {
            Some(words) if matches!(fault.verdict, Verdict::Lost | Verdict::Unsent) => classify::ended(fault, &words),
            _ => fault,
        }
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.broken.load(Ordering::Acquire)
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

    /// Whether a change of the schema is not committed, or was undone.
    pub(super) fn has_new_schema(&self) -> bool {
        self.new_schema.is_there()
    }

    pub(super) fn note_new_schema(&self) {
        if self.is_in_transaction() {
            self.new_schema.note();
        }
    }

    pub(super) fn take_undone_schema(&self) -> bool {
        self.new_schema.take_undone()
    }

    pub(super) fn set_in_transaction(&self, open: bool) {
        if !open {
            self.new_schema.settle();
        }
        self.in_transaction.store(open, Ordering::Release);
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.in_transaction.load(Ordering::Acquire)
    }

    pub(super) fn state(&self) -> State {
        if !self.is_alive() {
            State::Broken
        } else if self.is_busy() {
            State::Busy
        } else if self.retired.load(Ordering::Acquire) && !self.is_in_transaction() {
            State::Broken
        } else if self.mark.is_set() {
            State::Handled
        } else if self.is_in_transaction() {
            State::Transaction
        } else {
            State::Idle
        }
    }

    pub(super) fn is_busy(&self) -> bool {
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

    pub(super) fn send(self: &Arc<Self>) -> Outstanding {
        Outstanding { number: self.count(), wire: Arc::clone(self) }
    }

    /// Sends the debt and `request` in one poll, in this order, and waits for both answers; the number is that of the
    /// request, which is outstanding until it is said to be answered.
    pub(super) async fn fly<T: Send + 'static>(
        self: &Arc<Self>,
        debt: &dyn Debt,
        request: Request<T>,
        classify: impl FnOnce(tokio_postgres::Error, bool) -> Fault,
    ) -> Result<(T, u64), Fault> {
        if !self.is_alive() {
            return Err(self.lost(classify::unsent()));
        }
        let mut request = self.requests.hold(request);
        let mut number = 0;
        let mut ahead = None;
        let first = poll_fn(|cx| {
            let mut first = Poll::Pending;
            let paid = debt.pay(&mut |steps| {
                ahead = self.send_steps_ahead(steps, cx);
                number = self.count();
                first = request.poll_unpin(cx);
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
            // Its answer is still to come, for nobody.
            (_, None) => Err(classify::revoked()),
            (Err(fault), _) => {
                self.is_answered(number);
                Err(fault)
            }
            (Ok(()), Some(Ok(value))) => Ok((value, number)),
            (Ok(()), Some(Err(error))) => {
                self.is_answered(number);
                let fault = self.lost(classify(error, self.is_alive()));
                self.judge(&fault);
                Err(fault)
            }
        }
    }

    /// A connection that is lost for its user is so for everybody, be it that the socket stands: an answer was not
    /// understood, and nobody knows what is to come.
    pub(super) fn judge(&self, fault: &Fault) {
        if fault.verdict == Verdict::Lost {
            self.condemn();
        }
    }

    /// Puts control steps on the wire; the caller polls once to send them.
    fn send_steps(self: &Arc<Self>, steps: &[Control]) -> Answered {
        self.new_schema.sent(steps);
        let text = Dialect::Postgres.render_all(steps);
        let begins = steps.iter().any(|step| matches!(step, Control::Begin(_)));
        let opens = steps.iter().rev().find_map(|step| match step {
            Control::Begin(_) => Some(true),
            Control::Rollback | Control::Commit => Some(false),
            _ => None,
        });
        // Not what they are set to.
        let settings: String = steps.iter().flat_map(Control::locals).flat_map(|(key, _)| [key, " "]).collect();
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
            result.map_err(|error| wire.judge_steps(error, begins, &settings))
        };
        let answered = Answered::new(answer.boxed());
        *self.lock_steps() = Some((number, answered.another()));
        answered
    }

    /// What it means that steps have failed. The server may say what `settings` are called.
    fn judge_steps(&self, error: tokio_postgres::Error, begins: bool, settings: &str) -> Fault {
        let mut fault = self.lost(classify::steps(error, self.is_alive(), settings));
        self.judge(&fault);
        if begins && fault.verdict == Verdict::Lost && classify::was_told(&fault) {
            // The server has ended the session ahead of this: what stands behind it has not run.
            fault.verdict = Verdict::Unsent;
        }
        if begins && classify::may_have_stopped_begin(&fault.error) {
            // What stands behind that BEGIN may have run outside a transaction: nobody uses this again (rule 19).
            self.condemn();
        }
        fault
    }

    /// Sends the debt alone, and waits for its answer.
    pub(super) async fn fly_steps(self: &Arc<Self>, debt: &dyn Debt, steps: &[Control]) -> Outcome {
        if !self.is_alive() {
            return Err(self.lost(classify::unsent()));
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

    /// The answer to the control steps that were sent last, if it is not here yet.
    pub(super) fn last_steps(&self) -> Option<Answered> {
        self.lock_steps().as_ref().map(|(_, answer)| answer.another())
    }

    /// The answer to steps is here: later flights need not look at it, unless newer steps have taken its place.
    fn forget_steps(&self, number: u64) {
        let mut steps = self.lock_steps();
        if steps.as_ref().is_some_and(|(newest, _)| *newest == number) {
            *steps = None;
        }
    }

    pub(super) fn lock_steps(&self) -> MutexGuard<'_, Option<(u64, Answered)>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The answer to control steps: a future that is ready must not be polled again.
pub(super) enum Ahead {
    Known(Outcome),
    Awaited(Answered),
}

pub(super) async fn answer_to(steps: Option<Ahead>) -> Outcome {
    match steps {
        Some(Ahead::Known(outcome)) => outcome,
        Some(Ahead::Awaited(answer)) => answer.await,
        None => Ok(()),
    }
}
