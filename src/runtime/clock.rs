//! Runtime checks and timeouts: a typed error instead of a panic when there is no live tokio runtime (rule 11).

use std::{
    future::{pending, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, Instant as StdInstant},
};

use pin_project::pin_project;
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep, timeout},
};

use crate::error::{Error, ErrorKind};

/// The error where there is no tokio runtime.
pub(super) fn no_runtime() -> Error {
    Error::new(ErrorKind::NoRuntime, "no tokio runtime is running here, or it is shutting down")
}

/// Checks that there is a tokio runtime, on which the end of a block can run.
pub(crate) fn require_runtime() -> Result<(), Error> {
    // A task has one around it; this check is cheaper.
    if tokio::task::try_id().is_some() {
        return Ok(());
    }
    Handle::try_current().map(|_| ()).map_err(|source| no_runtime().with_source(source))
}

/// Checks that the runtime is not shut down: a handle can outlive it, and its clock would panic.
pub(crate) fn require_live_runtime() -> Result<(), Error> {
    let handle = Handle::try_current().map_err(|source| no_runtime().with_source(source))?;
    // A task that is polled has a live runtime: only a future that is polled by hand can have outlived it.
    if tokio::task::try_id().is_some() {
        return Ok(());
    }
    // There is no other way to ask. A runtime that is shut down drops a new task on the spot.
    let probe = handle.spawn(pending::<()>());
    if probe.is_finished() {
        return Err(no_runtime());
    }
    probe.abort();
    Ok(())
}

/// Waits for a future for up to `wait`; `None` when that is over.
///
/// # Errors
/// `NoRuntime` where there is no clock. A future that is ready at once needs none.
pub(crate) async fn within<F: Future>(wait: Duration, future: F) -> Result<Option<F::Output>, Error> {
    let (mut future, mut clock) = (pin!(future), pin!(None));
    poll_fn(|cx| {
        // Polled once for each wake: polled twice, a future that yields would go on before the runtime has run.
        if let Poll::Ready(out) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(out)));
        }
        if clock.is_none() {
            require_live_runtime()?;
            clock.set(Some(sleep(wait)));
        }
        let clock = clock.as_mut().as_pin_mut().expect("it was set just now");
        clock.poll(cx).map(|()| Ok(None))
    })
    .await
}

/// Waits for a time.
///
/// # Errors
/// As [`within`].
pub(crate) async fn pause(time: Duration) -> Result<(), Error> {
    within(time, pending::<()>()).await.map(|_over| ())
}

/// How long a statement in flight may outlast its limit, so that the server ends it by itself and its connection stays of use.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// How long a block that is late waits for its statement, which is ended first and told why.
const GRACE_OF_BLOCKS: Duration = Duration::from_millis(100);

/// The timer of a deadline. It is set when it is first polled, and gone with its drop.
#[derive(Debug)]
pub(crate) struct DeadlineClock {
    at: StdInstant,
    sleep: Option<Pin<Box<Sleep>>>,
    is_late: bool,
}

impl DeadlineClock {
    pub(crate) fn new(at: StdInstant) -> Self {
        Self { at, sleep: None, is_late: false }
    }

    /// Ready when the time is over, and with it, while a statement is in flight, the time for its end.
    ///
    /// # Errors
    /// `NoRuntime` where there is no clock.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, is_in_flight: impl Fn() -> bool) -> Poll<Result<(), Error>> {
        loop {
            if self.is_late && !is_in_flight() {
                return Poll::Ready(Ok(()));
            }
            let sleep = match &mut self.sleep {
                Some(sleep) => sleep,
                None => {
                    require_live_runtime()?;
                    self.sleep.insert(Box::pin(sleep(self.at.saturating_duration_since(StdInstant::now()))))
                }
            };
            ready!(sleep.as_mut().poll(cx));
            if self.is_late {
                return Poll::Ready(Ok(()));
            }
            self.is_late = true;
            let end = sleep.deadline() + GRACE_OF_BLOCKS;
            sleep.as_mut().reset(end);
        }
    }
}

/// A future with a deadline: `None` when the time is over, with what is in flight counted by `is_in_flight`. It drops the
/// future with itself. No `async fn`: the compiler could not tell that one with the body of a block in it is `Send`.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub(crate) struct Bounded<F, B> {
    #[pin]
    future: F,
    clock: Option<DeadlineClock>,
    is_in_flight: B,
}

impl<F, B> Bounded<F, B> {
    /// Without a deadline it waits for as long as the future takes.
    pub(crate) fn new(at: Option<StdInstant>, future: F, is_in_flight: B) -> Self {
        Self { future, clock: at.map(DeadlineClock::new), is_in_flight }
    }
}

impl<F: Future, B: Fn() -> bool> Future for Bounded<F, B> {
    /// `NoRuntime` where there is no clock. A future that is ready at once needs none.
    type Output = Result<Option<F::Output>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.future.poll(cx), this.clock) {
            (Poll::Ready(out), _) => Poll::Ready(Ok(Some(out))),
            (Poll::Pending, Some(clock)) => clock.poll(cx, &*this.is_in_flight).map_ok(|()| None),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}

/// How long a wait may make no progress before it is taken to be stuck.
const STANDSTILL: Duration = Duration::from_millis(200);

/// The outcome of a wait that may be in vain.
pub(crate) enum Waited<T> {
    Ready(T),
    /// The time is over.
    Late,
    /// Only the waiting task itself could end the wait, and it does not.
    Stuck,
}

/// As [`within`], but ends early where the wait is in vain. `observe` returns a number while only the waiting task can end
/// the wait; if the number has not changed although the task had a chance to change it, the wait is stuck.
///
/// # Errors
/// As [`within`].
pub(crate) async fn within_unless_stuck<F: Future>(
    wait: Duration,
    future: F,
    observe: impl Fn() -> Option<u64>,
) -> Result<Waited<F::Output>, Error> {
    let mut future = pin!(future);
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    if let Poll::Ready(out) = first {
        return Ok(Waited::Ready(out));
    }
    require_live_runtime()?;
    let start = Instant::now();
    let mut seen = observe();
    loop {
        let left = wait.saturating_sub(start.elapsed());
        if let Ok(out) = timeout(left.min(STANDSTILL), future.as_mut()).await {
            return Ok(Waited::Ready(out));
        }
        if start.elapsed() >= wait {
            return Ok(Waited::Late);
        }
        let now = observe();
        if now.is_some() && now == seen {
            // Other branches of this task may be due as well, on a busy machine: they are polled first. By the clock, as
            // `yield_now` leaves its waker with the runtime of the thread, which does not run during a blocking call.
            for _ in 0..2 {
                sleep(Duration::from_millis(1)).await;
            }
            if observe() == now {
                let last = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
                return Ok(if let Poll::Ready(out) = last { Waited::Ready(out) } else { Waited::Stuck });
            }
        }
        seen = now;
    }
}
