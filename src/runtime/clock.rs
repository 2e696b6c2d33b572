//! Runtime checks and timeouts: a typed error instead of a panic when there is no live tokio runtime (rule 11).

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
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
