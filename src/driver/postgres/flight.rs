//! One flight: the owed steps and a request, put on the wire in one poll, and their answers awaited together. It knows
//! the order of requests on a connection, and so what is outstanding; not what the requests are.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, join},
};
use tokio_postgres::Client;

use super::classify;
use crate::{
    control::Control,
    driver::{Dialect, State},
    fault::{Debt, Fault},
};

type Outcome = Result<(), Fault>;
type Answered = Shared<BoxFuture<'static, Outcome>>;

/// The wire of one connection: what was sent, what was answered, and the control steps whose answer nobody has seen yet.
pub(crate) struct Wire {
    client: Client,
    sent: AtomicU64,
    answered: AtomicU64,
    in_transaction: AtomicBool,
    /// The caller had the native client.
    handled: AtomicBool,
    broken: AtomicBool,
    /// Answers come in order, so whoever has the answer to a later request can know this one; and must look at it
    /// first, for behind a BEGIN that failed a statement commits on its own.
    steps: Mutex<Option<(u64, Answered)>>,
}

impl Wire {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            in_transaction: AtomicBool::new(false),
            handled: AtomicBool::new(false),
            broken: AtomicBool::new(false),
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

    pub(crate) fn set_handled(&self, handled: bool) {
        self.handled.store(handled, Ordering::Release);
    }

    pub(super) fn is_handled(&self) -> bool {
        self.handled.load(Ordering::Acquire)
    }

    pub(super) fn set_in_transaction(&self, open: bool) {
        self.in_transaction.store(open, Ordering::Release);
    }

    pub(super) fn state(&self) -> State {
        if !self.is_alive() {
            State::Broken
        } else if self.is_busy() {
            State::Busy
        } else if self.is_handled() {
            State::Handled
        } else if self.in_transaction.load(Ordering::Acquire) {
            State::Transaction
        } else {
            State::Idle
        }
    }

    fn is_busy(&self) -> bool {
        self.answered.load(Ordering::Acquire) < self.sent.load(Ordering::Acquire)
    }

    /// Counts a request that goes out now.
    pub(super) fn send(self: &Arc<Self>) -> Outstanding {
        Outstanding { wire: Arc::clone(self), number: self.sent.fetch_add(1, Ordering::AcqRel) + 1 }
    }

    /// Sends the debt and `request` in one poll, in this order, and waits for both answers. `request` MUST send itself
    /// in its first poll.
    pub(super) async fn fly<T>(
        self: &Arc<Self>,
        debt: &dyn Debt,
        request: impl Future<Output = Result<T, tokio_postgres::Error>>,
        classify: impl FnOnce(tokio_postgres::Error, bool) -> Fault,
    ) -> Result<(T, Outstanding), Fault> {
        if !self.is_alive() {
            return Err(classify::unsent());
        }
        let mut request = pin!(request);
        let mut sent = None;
        let first = poll_fn(|cx| {
            let mut first = Poll::Pending;
            let paid = debt.pay(&mut |steps| {
                if !steps.is_empty() {
                    let _ = self.send_steps(steps).poll_unpin(cx);
                }
                sent = Some(self.send());
                first = request.as_mut().poll(cx);
            });
            Poll::Ready(paid.map(|()| first))
        })
        .await
        .map_err(Fault::kept)?;
        let outstanding = sent.expect("a debt that is paid has called its send");
        let rest = async {
            match first {
                Poll::Ready(out) => out,
                Poll::Pending => request.await,
            }
        };
        let (steps, out) = join(self.steps(), rest).await;
        // An error is an answer too: whether one is outstanding is the connection's affair from here on.
        match (steps, out) {
            (Err(fault), _) => {
                outstanding.answered();
                Err(fault)
            }
            (Ok(()), Ok(value)) => Ok((value, outstanding)),
            (Ok(()), Err(error)) => {
                outstanding.answered();
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
        if opens == Some(true) {
            self.set_in_transaction(true);
        }
        let wire = Arc::clone(self);
        let outstanding = self.send();
        let number = outstanding.number;
        let answer = async move {
            let result = wire.client.batch_execute(&text).await;
            outstanding.answered();
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
        let shared = answer.boxed().shared();
        *self.lock_steps() = Some((number, shared.clone()));
        shared
    }

    /// Sends the debt alone, and waits for its answer.
    pub(super) async fn fly_steps(self: &Arc<Self>, debt: &dyn Debt, steps: &[Control]) -> Outcome {
        if !self.is_alive() {
            return Err(classify::unsent());
        }
        poll_fn(|cx| {
            let paid = debt.pay(&mut |owed| {
                let all: Vec<Control> = owed.iter().chain(steps).cloned().collect();
                if !all.is_empty() {
                    let _ = self.send_steps(&all).poll_unpin(cx);
                }
            });
            Poll::Ready(paid.map_err(Fault::kept))
        })
        .await?;
        self.steps().await
    }

    /// The answer to the control steps that were sent last, if it is not here yet.
    pub(super) async fn steps(&self) -> Outcome {
        let pending = self.lock_steps().as_ref().map(|(_, answer)| answer.clone());
        match pending {
            Some(answer) => answer.await,
            None => Ok(()),
        }
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

/// A request whose answer is outstanding until it is said to be here. Forgotten about, it leaves the connection busy.
pub(super) struct Outstanding {
    wire: Arc<Wire>,
    number: u64,
}

impl Outstanding {
    /// The answer is here, and with it the answers to all earlier requests.
    pub(super) fn answered(&self) {
        self.wire.answered.fetch_max(self.number, Ordering::AcqRel);
    }
}
