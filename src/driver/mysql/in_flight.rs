//! [`InFlight`]: a command under way, from its sending to its last answer.
//!
//! The future that sends a command is its [`Owner`] and polls it in place. Nothing else reads the answer, so whatever
//! waits for the connection must be able to run the command to its end: the owner may have been dropped, or may be kept
//! and not polled. Nearly always the owner alone waits. Then the command is one future behind a lock that is never
//! contended. It becomes shared when something else waits for its end, or when the owner is dropped before that.
//!
//! A shared command is polled by whichever waiter is polled, with a waker that wakes all of them. No waker is woken or
//! dropped under a lock.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::OwnedMutexGuard};
use tracing::Instrument as _;

use super::wire::Wire;
use crate::{
    driver::Answer,
    primitives::{Mutex, MutexGuard},
    transaction::impact::DriverError,
};

/// The right to use the connection.
pub(super) type WireGuard = OwnedMutexGuard<Wire>;

/// The answer to a command, and the guard that the command ran under.
pub(super) type Outcome<A = Result<Answer, DriverError>, G = WireGuard> = (A, G);

/// The future that runs a command.
pub(super) type Work<A = Result<Answer, DriverError>, G = WireGuard> = BoxFuture<'static, Outcome<A, G>>;

/// A command under way. Tests have other answers and guards.
pub(super) struct InFlight<A = Result<Answer, DriverError>, G = WireGuard>(Mutex<State<A, G>>);

enum State<A, G> {
    /// The owner alone polls it. The waker is there from the first poll on.
    Owned { work: Work<A, G>, owner: Option<Waker> },
    /// Several may poll it. The work is taken out while one of them does.
    Shared { work: Option<Work<A, G>>, wakers: Arc<Wakers>, has_owner: bool },
    /// It has ended, and the owner has not taken the answer yet.
    Finished { answer: A, guard: Option<G> },
    /// Nothing is left of it.
    Over,
}

/// The wakers of those who wait for a shared command, by the numbers of the waiters. The command is polled with it.
#[derive(Default)]
struct Wakers(Mutex<Registered>);

#[derive(Default)]
struct Registered {
    wakers: Vec<(u64, Waker)>,
    next: u64,
    /// How often the command has woken them.
    wakes: u64,
}

impl Wakers {
    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut registered = self.registered();
        registered.next += 1;
        registered.next
    }

    /// Registers a waker, and returns the one whose place it takes, and how often the command has woken before.
    fn register(&self, number: u64, waker: Waker) -> (Option<Waker>, u64) {
        let mut registered = self.registered();
        let wakes = registered.wakes;
        match registered.wakers.iter_mut().find(|(known, _)| *known == number) {
            Some((_, known)) => (Some(mem::replace(known, waker)), wakes),
            None => {
                registered.wakers.push((number, waker));
                (None, wakes)
            }
        }
    }

    fn remove(&self, number: u64) {
        let mut registered = self.registered();
        let at = registered.wakers.iter().position(|(known, _)| *known == number);
        let removed = at.map(|at| registered.wakers.swap_remove(at));
        drop(registered);
        drop(removed);
    }

    fn wakes(&self) -> u64 {
        self.registered().wakes
    }

    fn wake_all(&self) {
        let wakers = mem::take(&mut self.registered().wakers);
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.registered().wakes += 1;
        self.wake_all();
    }
}

impl<A, G> InFlight<A, G> {
    fn state(&self) -> MutexGuard<'_, State<A, G>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the command a shared one, unless it has ended; `has_owner` is false for the owner that goes.
    fn share(self: &Arc<Self>, has_owner: bool) -> Option<Waiter<A, G>> {
        let mut state = self.state();
        let mut own_waker = None;
        let wakers = match mem::replace(&mut *state, State::Over) {
            State::Owned { work, owner } => {
                own_waker = owner;
                let wakers = Arc::<Wakers>::default();
                *state = State::Shared { work: Some(work), wakers: Arc::clone(&wakers), has_owner };
                wakers
            }
            State::Shared { work, wakers, has_owner: had_owner } => {
                *state = State::Shared { work, wakers: Arc::clone(&wakers), has_owner: has_owner && had_owner };
                wakers
            }
            ended => {
                *state = ended;
                return None;
            }
        };
        drop(state);
        // The work will wake the registered waiters from now on: the owner must come and register.
        if let Some(waker) = own_waker.filter(|_| has_owner) {
            waker.wake();
        }
        Some(Waiter { number: wakers.number(), in_flight: Arc::clone(self), wakers })
    }

    /// Runs the command to its end, and takes its guard if the owner has not and `is_due` says so.
    pub(super) async fn finish(self: Arc<Self>, is_due: impl Fn() -> bool) -> Option<G> {
        if let Some(waiter) = self.share(true) {
            waiter.await;
        }
        match &mut *self.state() {
            State::Finished { guard, .. } if is_due() => guard.take(),
            _ => None,
        }
    }

    /// Leaves the answer to the owner, if there is one.
    fn end(&self, answer: A, guard: G) {
        let mut state = self.state();
        if let State::Shared { has_owner: true, .. } = *state {
            *state = State::Finished { answer, guard: Some(guard) };
            return;
        }
        *state = State::Over;
        drop(state);
        // What waits for the guard is woken by its drop.
        drop((answer, guard));
    }
}

/// Something that waits for the end of a shared command. It is not tied to the owner.
struct Waiter<A, G> {
    in_flight: Arc<InFlight<A, G>>,
    wakers: Arc<Wakers>,
    number: u64,
}

impl<A, G> Future for Waiter<A, G> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { in_flight, wakers, number } = &*self;
        let waker = cx.waker().clone();
        let mut state = in_flight.state();
        let State::Shared { work, .. } = &mut *state else { return Poll::Ready(()) };
        // Under the lock: an end that is not seen here wakes this waker.
        let (replaced, wakes) = wakers.register(*number, waker);
        let work = work.take();
        drop(state);
        drop(replaced);
        // Without it another waiter polls the work, and wakes this one if it has to be polled again.
        let Some(mut work) = work else { return Poll::Pending };
        let mut panic = EndsByPanic { waiter: &self, has_panicked: true };
        let polled = work.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(wakers))));
        panic.has_panicked = false;
        let Poll::Ready((answer, guard)) = polled else {
            if let State::Shared { work: place, .. } = &mut *in_flight.state() {
                *place = Some(work);
            }
            // Who was woken meanwhile has not found the work.
            if wakers.wakes() != wakes {
                wakers.wake_all();
            }
            return Poll::Pending;
        };
        in_flight.end(answer, guard);
        wakers.wake_all();
        Poll::Ready(())
    }
}

impl<A, G> Drop for Waiter<A, G> {
    fn drop(&mut self) {
        self.wakers.remove(self.number);
    }
}

/// A panic of the work ends the command for all.
struct EndsByPanic<'w, A, G> {
    waiter: &'w Waiter<A, G>,
    has_panicked: bool,
}

impl<A, G> Drop for EndsByPanic<'_, A, G> {
    fn drop(&mut self) {
        if self.has_panicked {
            *self.waiter.in_flight.state() = State::Over;
            self.waiter.wakers.wake_all();
        }
    }
}

/// Where a command goes on whose owner was dropped.
pub(super) trait Detach {
    fn detach(&self, rest: impl Future<Output = ()> + Send + 'static);
}

impl Detach for Handle {
    fn detach(&self, rest: impl Future<Output = ()> + Send + 'static) {
        self.spawn(rest.in_current_span());
    }
}

/// The future that has begun a command. It gives the answer, and the guard unless something else has taken that; `None`
/// if the work has panicked.
pub(super) struct Owner<'c, A: Send + 'static, G: Send + 'static, D: Detach = Handle> {
    in_flight: Arc<InFlight<A, G>>,
    /// There once the command is shared.
    shared: Option<Waiter<A, G>>,
    is_finished: bool,
    /// The drop may happen on any thread.
    runtime: &'c D,
}

/// Begins a command. Nothing is sent before one of the two is polled.
pub(super) fn begin<A: Send, G: Send, D: Detach>(
    work: Work<A, G>,
    runtime: &D,
) -> (Arc<InFlight<A, G>>, Owner<'_, A, G, D>) {
    let in_flight = Arc::new(InFlight(Mutex::new(State::Owned { work, owner: None })));
    (Arc::clone(&in_flight), Owner { in_flight, shared: None, is_finished: false, runtime })
}

impl<A: Send + 'static, G: Send + 'static, D: Detach> Future for Owner<'_, A, G, D> {
    type Output = Option<(A, Option<G>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { in_flight, shared, is_finished, runtime: _ } = &mut *self;
        if shared.is_none() {
            let mut state = in_flight.state();
            // Taken out while it is polled: a panic leaves nothing that could be polled again.
            match mem::replace(&mut *state, State::Over) {
                State::Owned { mut work, owner } => {
                    if let Poll::Ready((answer, guard)) = work.as_mut().poll(cx) {
                        *is_finished = true;
                        return Poll::Ready(Some((answer, Some(guard))));
                    }
                    let (known, replaced) = match owner {
                        Some(known) if known.will_wake(cx.waker()) => (known, None),
                        other => (cx.waker().clone(), other),
                    };
                    *state = State::Owned { work, owner: Some(known) };
                    drop(state);
                    drop(replaced);
                    return Poll::Pending;
                }
                shared_or_ended => *state = shared_or_ended,
            }
            drop(state);
            *shared = in_flight.share(true);
        }
        if let Some(shared) = shared {
            ready!(Pin::new(shared).poll(cx));
        }
        *is_finished = true;
        Poll::Ready(match mem::replace(&mut *in_flight.state(), State::Over) {
            State::Finished { answer, guard } => Some((answer, guard)),
            _ => None,
        })
    }
}

impl<A: Send + 'static, G: Send + 'static, D: Detach> Drop for Owner<'_, A, G, D> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Some(rest) = self.in_flight.share(false) {
            // After the runtime's end it is given up here, and with it the connection: the server rolls back.
            self.runtime.detach(rest);
            return;
        }
        let left = mem::replace(&mut *self.in_flight.state(), State::Over);
        drop(left);
    }
}

#[cfg(all(test, nestling_loom))]
#[path = "in_flight_loom_tests.rs"]
mod loom_tests;
#[cfg(all(test, not(nestling_loom)))]
#[path = "in_flight_tests.rs"]
mod tests;
