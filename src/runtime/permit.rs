//! Permits: the right to use the session, acquired from the [`FrameLock`] of a frame and released by drop.

use std::{fmt, future::Future, ops::Deref, pin::Pin};

use tokio::sync::oneshot;

use super::{
    Waited,
    lock::{Acquired, FrameLock, LockMode, Lockable},
    within_unless_stuck,
};
use crate::error::{Error, ErrorKind};

/// A wait for the lock, which is held once this is ready.
pub(super) type Wait<'f> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'f>>;

/// Acquires the lock of `frame`, at once or by the wait that is returned; [`FrameLock::release`] releases it. It is no
/// `async fn`, as nearly every lock is free, and all callers would carry the wait.
///
/// # Errors
/// `FrameClosed` if the frame has ended. From the wait also `TurnTimeout` if the lock was not granted in time, or cannot be
/// as the task itself holds it by a stream; `NoRuntime` if it would have to wait outside a runtime.
///
/// # Cancel safety
/// Dropped while it waits, it leaves the queue and no trace.
#[inline]
pub(super) fn acquire<F: Lockable>(frame: &F, mode: LockMode<F>) -> Result<Option<Wait<'_>>, Error> {
    match frame.lock().acquire(mode) {
        Acquired::Now => Ok(None),
        Acquired::Closed => Err(frame.closed_error()),
        Acquired::Later { mode, number, granted } => {
            let entry = QueueEntry { lock: frame.lock(), number, shared: mode.is_shared(), left: false };
            Ok(Some(Box::pin(wait(frame, mode, entry, granted))))
        }
    }
}

async fn wait<F: Lockable>(
    frame: &F,
    mode: LockMode<F>,
    mut entry: QueueEntry<'_, F>,
    granted: oneshot::Receiver<()>,
) -> Result<(), Error> {
    match within_unless_stuck(frame.turn_timeout(), granted, || frame.lock().idle_stream()).await? {
        Waited::Ready(Ok(())) => {
            entry.lock.observe(entry.number);
            entry.left = true;
            Ok(())
        }
        Waited::Ready(Err(_rejected)) => Err(frame.closed_error()),
        Waited::Late => Err(late(frame, &mode)),
        Waited::Stuck => Err(stuck(frame, &mode)),
    }
}

/// A place in the queue, left by its drop.
struct QueueEntry<'f, F> {
    lock: &'f FrameLock<F>,
    number: u64,
    shared: bool,
    /// The lock was granted, and is the caller's.
    left: bool,
}

impl<F> Drop for QueueEntry<'_, F> {
    fn drop(&mut self) {
        if !self.left {
            self.lock.withdraw(self.number, self.shared);
        }
    }
}

fn late<F: Lockable>(frame: &F, mode: &LockMode<F>) -> Error {
    let (holder, wait) = (frame.lock().describe_holder(), frame.turn_timeout());
    Error::new(
        ErrorKind::TurnTimeout,
        format!(
            "{mode} waited {wait:?} for its turn in the block {} of #{}, which {holder} holds",
            frame.label(),
            frame.id()
        ),
    )
}

/// The task waits for a stream that it would have to read on by itself.
fn stuck<F: Lockable>(frame: &F, mode: &LockMode<F>) -> Error {
    let text = format!(
        "{mode} cannot have a turn in the block {} of #{}: a stream of rows of the same task holds it, and is not read on \
         meanwhile; read it to its end or drop it first",
        frame.label(),
        frame.id()
    );
    Error::new(ErrorKind::TurnTimeout, text)
}

/// The right to use the session, until it is dropped. It owns its frame, or borrows it.
pub(crate) struct Permit<H>
where
    H: Deref<Target: Lockable>,
{
    frame: H,
    shared: bool,
}

impl<H> Permit<H>
where
    H: Deref<Target: Lockable>,
{
    /// Acquires a permit: see [`acquire`].
    #[inline]
    pub(super) async fn acquire(frame: H, mode: LockMode<H::Target>) -> Result<Self, Error> {
        let shared = mode.is_shared();
        if let Some(wait) = acquire(&*frame, mode)? {
            wait.await?;
        }
        Ok(Self { frame, shared })
    }
}

impl<H> Drop for Permit<H>
where
    H: Deref<Target: Lockable>,
{
    fn drop(&mut self) {
        self.frame.releases();
        self.frame.lock().release(self.shared);
    }
}

impl<H> fmt::Debug for Permit<H>
where
    H: Deref<Target: Lockable>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frame, shared } = self;
        f.debug_struct("Permit").field("frame", frame.label()).field("shared", shared).finish()
    }
}
