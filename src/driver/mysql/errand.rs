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

pub(super) type Turn = OwnedMutexGuard<Wire>;

/// What comes of a command, and the turn that it was carried out in.
pub(super) type Outcome<A = Result<Answer, DriverError>, T = Turn> = (A, T);

/// A command on its way.
pub(super) type Work<A = Result<Answer, DriverError>, T = Turn> = BoxFuture<'static, Outcome<A, T>>;

/// The command for several that poll it. What comes of it goes to the errand.
type Drive = Shared<BoxFuture<'static, ()>>;

/// A command under way, for others than its beginner. Tests have other answers and turns.
pub(super) struct Errand<A = Result<Answer, DriverError>, T = Turn>(Mutex<State<A, T>>);

enum State<A, T> {
    /// Its beginner alone polls it. The waker is there from the first poll on.
    Own { work: Work<A, T>, beginner: Option<Waker> },
    /// Others do too, or have taken it over from a beginner that was dropped.
    Joint { drive: Drive, is_awaited: bool },
    /// It has ended. What its beginner has not come for yet.
    Ended { answer: A, turn: Option<T> },
    /// It has ended, and nothing is left of it.
    Over,
}

/// The end of the beginner, who takes the turn back, or gives it up when dropped.
pub(super) struct Begun<'c, A: Send + 'static = Result<Answer, DriverError>, T: Send + 'static = Turn> {
    errand: Arc<Errand<A, T>>,
    /// Set once others see the errand through as well.
    drive: Option<Drive>,
    is_over: bool,
    /// Where it goes on if this is dropped, which may happen on any thread.
    runtime: &'c Handle,
}

/// Begins an errand: both ends of it. Nothing is sent before one of them is polled.
pub(super) fn begin<A: Send, T: Send>(work: Work<A, T>, runtime: &Handle) -> (Arc<Errand<A, T>>, Begun<'_, A, T>) {
    let errand = Arc::new(Errand(Mutex::new(State::Own { work, beginner: None })));
    (Arc::clone(&errand), Begun { errand, drive: None, is_over: false, runtime })
}

impl<A: Send + 'static, T: Send + 'static> Errand<A, T> {
    fn state(&self) -> MutexGuard<'_, State<A, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The command for one more to poll, unless it has ended.
    fn join(self: &Arc<Self>, is_awaited: bool) -> Option<Drive> {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Over) {
            State::Own { work, beginner } => {
                // Not a strong one: this is kept in the errand itself.
                let errand = Arc::downgrade(self);
                let whole = async move {
                    let (answer, turn) = work.await;
                    if let Some(errand) = errand.upgrade() {
                        errand.end(answer, turn);
                    }
                };
                let drive = whole.boxed().shared();
                *state = State::Joint { drive: drive.clone(), is_awaited };
                drop(state);
                // What wakes the beginner so far will wake those who poll from now on: it must come and join them.
                if let Some(beginner) = beginner.filter(|_| is_awaited) {
                    beginner.wake();
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

    fn end(&self, answer: A, turn: T) {
        let mut state = self.state();
        if let State::Joint { is_awaited: true, .. } = *state {
            *state = State::Ended { answer, turn: Some(turn) };
        } else {
            *state = State::Over;
        }
    }

    /// Sees the errand through, and takes its turn if `is_due` says so and its beginner has not.
    pub(super) async fn see_through(self: Arc<Self>, is_due: impl Fn() -> bool) -> Option<T> {
        if let Some(drive) = self.join(true) {
            drive.await;
        }
        match &mut *self.state() {
            State::Ended { turn, .. } if is_due() => turn.take(),
            _ => None,
        }
    }
}

/// What came of it, and the turn, unless somebody else has taken it.
impl<A: Send + 'static, T: Send + 'static> Future for Begun<'_, A, T> {
    type Output = Option<(A, Option<T>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { errand, drive, is_over, runtime: _ } = &mut *self;
        let mut state = errand.state();
        // Taken out while it is polled: nobody must poll it again if it panics.
        match mem::replace(&mut *state, State::Over) {
            State::Own { mut work, beginner } => {
                if let Poll::Ready((answer, turn)) = work.as_mut().poll(cx) {
                    *is_over = true;
                    return Poll::Ready(Some((answer, Some(turn))));
                }
                let known = beginner.filter(|known| known.will_wake(cx.waker()));
                let beginner = Some(known.unwrap_or_else(|| cx.waker().clone()));
                *state = State::Own { work, beginner };
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
        *is_over = true;
        Poll::Ready(match mem::replace(&mut *errand.state(), State::Over) {
            State::Ended { answer, turn } => Some((answer, turn)),
            _ => None,
        })
    }
}

impl<A: Send + 'static, T: Send + 'static> Drop for Begun<'_, A, T> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Some(drive) = self.errand.join(false) {
            // After the runtime's end it is given up here, and with it the connection: the server rolls back.
            self.runtime.spawn(drive.in_current_span());
        } else {
            drop(mem::replace(&mut *self.errand.state(), State::Over));
        }
    }
}

#[cfg(test)]
#[path = "errand_tests.rs"]
mod tests;
