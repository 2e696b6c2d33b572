//! An errand: a command that is under way, from its sending to its last answer. Whoever began it polls it; but nobody
//! else reads its answer, so that whoever waits for the connection must be able to see it through too: the beginner may
//! have been dropped, or be a future that nobody polls any more.
//!
//! Nearly always the beginner alone cares for it. Then it is one future behind a lock that nobody else takes; it becomes
//! one that several can poll when somebody else comes, or when the beginner is dropped before its end.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{runtime::Handle, sync::OwnedMutexGuard};
use tracing::Instrument as _;

use super::wire::Wire;
use crate::{driver::Answer, transaction::impact::DriverError};

pub(super) type WireGuard = OwnedMutexGuard<Wire>;

/// What comes of a command, and the turn that it was carried out in.
pub(super) type Outcome<A = Result<Answer, DriverError>, T = WireGuard> = (A, T);

/// A command on its way.
pub(super) type Work<A = Result<Answer, DriverError>, T = WireGuard> = BoxFuture<'static, Outcome<A, T>>;

/// The command for several that poll it. What comes of it goes to the errand.
type SharedWork = Shared<BoxFuture<'static, ()>>;

/// A command under way, for others than its beginner. Tests have other answers and turns.
pub(super) struct InFlight<A = Result<Answer, DriverError>, T = WireGuard>(Mutex<State<A, T>>);

enum State<A, T> {
    /// Its beginner alone polls it. The waker is there from the first poll on.
    Own { work: Work<A, T>, owner: Option<Waker> },
    /// Others do too, or have taken it over from a beginner that was dropped.
    Joint { drive: SharedWork, is_awaited: bool },
    /// It has ended. What its beginner has not come for yet.
    Ended { answer: A, wire: Option<T> },
    /// It has ended, and nothing is left of it.
    Over,
}

/// The end of the beginner, who takes the turn back, or gives it up when dropped.
pub(super) struct Owner<'c, A: Send + 'static = Result<Answer, DriverError>, T: Send + 'static = WireGuard> {
    in_flight: Arc<InFlight<A, T>>,
    /// Set once others see the errand through as well.
    drive: Option<SharedWork>,
    is_finished: bool,
    /// Where it goes on if this is dropped, which may happen on any thread.
    runtime: &'c Handle,
}

/// Begins an errand: both ends of it. Nothing is sent before one of them is polled.
pub(super) fn begin<A: Send, T: Send>(work: Work<A, T>, runtime: &Handle) -> (Arc<InFlight<A, T>>, Owner<'_, A, T>) {
    let in_flight = Arc::new(InFlight(Mutex::new(State::Own { work, owner: None })));
    (Arc::clone(&in_flight), Owner { in_flight, drive: None, is_finished: false, runtime })
}

impl<A: Send + 'static, T: Send + 'static> InFlight<A, T> {
    fn state(&self) -> MutexGuard<'_, State<A, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The command for one more to poll, unless it has ended.
    fn join(self: &Arc<Self>, is_awaited: bool) -> Option<SharedWork> {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Over) {
            State::Own { work, owner } => {
                // Not a strong one: this is kept in the errand itself.
                let in_flight = Arc::downgrade(self);
                let whole = async move {
                    let (answer, wire) = work.await;
                    if let Some(in_flight) = in_flight.upgrade() {
                        in_flight.end(answer, wire);
                    }
                };
                let drive = whole.boxed().shared();
                *state = State::Joint { drive: drive.clone(), is_awaited };
                drop(state);
                // What wakes the beginner so far will wake those who poll from now on: it must come and join them.
                if let Some(owner) = owner.filter(|_| is_awaited) {
                    owner.wake();
                }
                Some(drive)
            }
            State::Joint { drive, is_awaited: was_awaited } => {
                *state = State::Joint { drive: drive.clone(), is_awaited: is_awaited && was_awaited };
                Some(drive)
            }
            ended => {
                *state = ended;
                None
            }
        }
    }

    fn end(&self, answer: A, wire: T) {
        let mut state = self.state();
        if let State::Joint { is_awaited: true, .. } = *state {
            *state = State::Ended { answer, wire: Some(wire) };
        } else {
            *state = State::Over;
        }
    }

    /// Sees the errand through, and takes its turn if `is_due` says so and its beginner has not.
    pub(super) async fn finish(self: Arc<Self>, is_due: impl Fn() -> bool) -> Option<T> {
        if let Some(drive) = self.join(true) {
            drive.await;
        }
        match &mut *self.state() {
            State::Ended { wire, .. } if is_due() => wire.take(),
            _ => None,
        }
    }
}

/// What came of it, and the turn, unless somebody else has taken it.
impl<A: Send + 'static, T: Send + 'static> Future for Owner<'_, A, T> {
    type Output = Option<(A, Option<T>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { in_flight, drive, is_finished, runtime: _ } = &mut *self;
        let mut state = in_flight.state();
        // Taken out while it is polled: nobody must poll it again if it panics.
        match mem::replace(&mut *state, State::Over) {
            State::Own { mut work, owner } => {
                if let Poll::Ready((answer, wire)) = work.as_mut().poll(cx) {
                    *is_finished = true;
                    return Poll::Ready(Some((answer, Some(wire))));
                }
                let known = owner.filter(|known| known.will_wake(cx.waker()));
                let owner = Some(known.unwrap_or_else(|| cx.waker().clone()));
                *state = State::Own { work, owner };
                return Poll::Pending;
            }
            joint_or_ended => *state = joint_or_ended,
        }
        if let State::Joint { drive: joint, .. } = &*state {
            drive.get_or_insert_with(|| joint.clone());
        }
        drop(state);
        if let Some(drive) = drive {
            ready!(drive.poll_unpin(cx));
        }
        *is_finished = true;
        Poll::Ready(match mem::replace(&mut *in_flight.state(), State::Over) {
            State::Ended { answer, wire } => Some((answer, wire)),
            _ => None,
        })
    }
}

impl<A: Send + 'static, T: Send + 'static> Drop for Owner<'_, A, T> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Some(drive) = self.in_flight.join(false) {
            // After the runtime's end it is given up here, and with it the connection: the server rolls back.
            self.runtime.spawn(drive.in_current_span());
        } else {
            drop(mem::replace(&mut *self.in_flight.state(), State::Over));
        }
    }
}

#[cfg(test)]
#[path = "in_flight_tests.rs"]
mod tests;
