//! Turns: the right to use the session for one purpose, waited for at the [`Turnstile`] of a frame. A turn is a value,
//! given up by its drop.

use std::{fmt, future::Future, ops::Deref, pin::Pin, time::Duration};

use tokio::sync::oneshot;

use super::{
    Label, Waited,
    purpose::Purpose,
    turnstile::{Answer, Turnstile},
    within_unless_stuck,
};
use crate::error::{Error, ErrorKind};

/// Where turns are taken: a frame, as turns see it.
pub(crate) trait Gate: Sized + Send + Sync {
    fn turnstile(&self) -> &Turnstile<Self>;
    fn label(&self) -> &Label;
    fn turn_timeout(&self) -> Duration;

    /// The error of whatever comes to a gate that is closed.
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::FrameClosed, format!("the block {} that this belongs to has ended", self.label()))
    }
}

/// A turn that must be waited for: taken, once this is ready.
pub(super) type Wait<'g> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'g>>;

/// Takes a turn at `gate`, or the place in the queue that is given back; a turn that was taken is given up by
/// [`Turnstile::leave`]. It is no `async fn`, as nearly every turn is free, and all who ask would carry the wait.
///
/// # Errors
/// `FrameClosed` if the frame has ended. When it is waited for also `TurnTimeout` if the turn did not come, or cannot come
/// as the task itself holds it by a stream; `NoRuntime` if it would have to be waited for outside a runtime.
///
/// # Cancel safety
/// Dropped while it waits, it leaves the queue and no trace.
#[inline]
pub(super) fn enter<G: Gate>(gate: &G, purpose: Purpose<G>) -> Result<Option<Wait<'_>>, Error> {
    match gate.turnstile().ask(purpose) {
        Answer::Taken => Ok(None),
        Answer::Closed => Err(gate.closed_error()),
        Answer::Later { purpose, number, told } => {
            let place = Place { stile: gate.turnstile(), number, shared: purpose.is_shared(), left: false };
            Ok(Some(Box::pin(wait(gate, purpose, place, told))))
        }
    }
}

async fn wait<G: Gate>(
    gate: &G,
    purpose: Purpose<G>,
    mut place: Place<'_, G>,
    told: oneshot::Receiver<()>,
) -> Result<(), Error> {
    match within_unless_stuck(gate.turn_timeout(), told, || gate.turnstile().idle_stream()).await? {
        Waited::Ready(Ok(())) => {
            place.stile.hears(place.number);
            place.left = true;
            Ok(())
        }
        Waited::Ready(Err(_sent_away)) => Err(gate.closed_error()),
        Waited::Late => Err(late(gate, &purpose)),
        Waited::Stuck => Err(stuck(gate, &purpose)),
    }
}

/// A place in the queue, left by its drop.
struct Place<'g, G> {
    stile: &'g Turnstile<G>,
    number: u64,
    shared: bool,
    /// The turn has come, and is the caller's.
    left: bool,
}

impl<G> Drop for Place<'_, G> {
    fn drop(&mut self) {
        if !self.left {
            self.stile.withdraw(self.number, self.shared);
        }
    }
}

/// The right to use the session for one purpose, until it is dropped. It holds its gate, or borrows it.
pub(crate) struct Turn<H>
where
    H: Deref<Target: Gate>,
{
    gate: H,
    shared: bool,
}

impl<H> Turn<H>
where
    H: Deref<Target: Gate>,
{
    /// Waits for a turn.
    ///
    /// # Errors
    /// As of [`enter`].
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue and no trace.
    #[inline]
    pub(super) async fn take(gate: H, purpose: Purpose<H::Target>) -> Result<Self, Error> {
        let shared = purpose.is_shared();
        if let Some(wait) = enter(&*gate, purpose)? {
            wait.await?;
        }
        Ok(Self { gate, shared })
    }
}

fn late<G: Gate>(gate: &G, purpose: &Purpose<G>) -> Error {
    let (holder, wait) = (gate.turnstile().describe_holder(), gate.turn_timeout());
    Error::new(
        ErrorKind::TurnTimeout,
        format!("{purpose} waited {wait:?} for its turn in the block {}, which {holder} holds", gate.label()),
    )
}

/// The task waits for a stream that it would have to read on by itself.
fn stuck<G: Gate>(gate: &G, purpose: &Purpose<G>) -> Error {
    let text = format!(
        "{purpose} cannot have a turn in the block {}: a stream of rows of the same task holds it, and is not read on \
         meanwhile; read it to its end or drop it first",
        gate.label()
    );
    Error::new(ErrorKind::TurnTimeout, text)
}

impl<H> Drop for Turn<H>
where
    H: Deref<Target: Gate>,
{
    fn drop(&mut self) {
        self.gate.turnstile().leave(self.shared);
    }
}

impl<H> fmt::Debug for Turn<H>
where
    H: Deref<Target: Gate>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, shared } = self;
        f.debug_struct("Turn").field("gate", gate.label()).field("shared", shared).finish()
    }
}
