//! [`Answered`]: the answer to control steps, for the flight that took them along and for whoever comes behind it and must
//! know it too. Used by the wire; it knows neither.
//!
//! Nearly always the flight alone waits. Then the work is polled in place: futures' `Shared` wakes all who wait when it
//! ends, the task that polls it just then among them, which has the runtime schedule it once more and wake a second
//! thread. It becomes a `Shared` when somebody else comes.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use super::classify;
use crate::fault::Fault;

pub(super) type Outcome = Result<(), Fault>;

type Work = BoxFuture<'static, Outcome>;

enum State {
    /// Its beginner alone polls it. The waker is there from the first poll on.
    Own {
        work: Work,
        beginner: Option<Waker>,
    },
    /// Others do too, or instead.
    Joint(Shared<Work>),
    Ended(Outcome),
    /// Being polled just now; or that panicked, and there is no answer.
    Out,
}

/// The answer, for one that waits for it. It may be polled again after it was ready.
pub(super) struct Answered {
    state: Arc<Mutex<State>>,
    is_beginner: bool,
    /// Set once others wait as well.
    joint: Option<Shared<Work>>,
}

impl Answered {
    /// The end of the flight that takes the steps along. Nothing is sent before it is polled.
    pub(super) fn new(work: Work) -> Self {
        let state = Arc::new(Mutex::new(State::Own { work, beginner: None }));
        Self { state, is_beginner: true, joint: None }
    }

    /// One more end, for somebody else.
    pub(super) fn another(&self) -> Self {
        Self { state: Arc::clone(&self.state), is_beginner: false, joint: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Answered {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Self { state, is_beginner, joint } = &mut *self;
        let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out while it is polled: should it panic, nobody polls it again.
        match mem::replace(&mut *held, State::Out) {
            State::Ended(outcome) => {
                *held = State::Ended(outcome.clone());
                return Poll::Ready(outcome);
            }
            State::Own { mut work, beginner } if *is_beginner => {
                if let Poll::Ready(outcome) = work.as_mut().poll(cx) {
                    *held = State::Ended(outcome.clone());
                    return Poll::Ready(outcome);
                }
                let known = beginner.filter(|known| known.will_wake(cx.waker()));
                let beginner = Some(known.unwrap_or_else(|| cx.waker().clone()));
                *held = State::Own { work, beginner };
                return Poll::Pending;
            }
            State::Own { work, beginner } => {
                let shared = work.shared();
                *held = State::Joint(shared.clone());
                *joint = Some(shared);
                drop(held);
                // What wakes the beginner so far will wake those who poll from now on: it must come and join them.
                beginner.into_iter().for_each(Waker::wake);
            }
            State::Out => return Poll::Ready(Err(classify::unsent())),
            State::Joint(shared) => {
                joint.get_or_insert_with(|| shared.clone());
                *held = State::Joint(shared);
                drop(held);
            }
        }
        let outcome = match joint {
            Some(shared) => ready!(shared.poll_unpin(cx)),
            None => Err(classify::unsent()),
        };
        *joint = None;
        *self.state() = State::Ended(outcome.clone());
        Poll::Ready(outcome)
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("is_beginner", &self.is_beginner).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "answered_tests.rs"]
mod tests;
