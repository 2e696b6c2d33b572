//! Turns: who may use the session now (rules 8 and 9). Statements of a frame share it; opening or closing a child frame,
//! and a stream, have it alone; all in order of arrival. A turn is a value, given up by its drop.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Semaphore, TryAcquireError};

use super::{Label, within};
use crate::error::{Error, ErrorKind};

/// How many statements of one frame may be in flight together; an exclusive turn takes all of them.
const SHARES: u32 = 1 << 16;

/// What a turn is wanted for, and so how much of it.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// A statement: shares the turn with other statements of its frame.
    Statement,
    /// A stream of rows, or the native client: has the turn until it ends.
    Alone(&'static str),
    /// A child block, named for whoever waits for it.
    Child(Label),
    /// The end of the frame itself.
    Close,
}

impl Purpose {
    fn shares(&self) -> u32 {
        if matches!(self, Self::Statement) { 1 } else { SHARES }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement => f.write_str("a statement"),
            Self::Alone(what) => f.write_str(what),
            Self::Child(label) => write!(f, "the block {label}"),
            Self::Close => f.write_str("the end of the block"),
        }
    }
}

/// The gate of one frame, at which turns are handed out first come, first served.
#[derive(Debug)]
pub(crate) struct Turnstile {
    shares: Semaphore,
    /// Who has the turn alone, for the message of those who wait in vain.
    holder: Mutex<Option<Purpose>>,
}

impl Turnstile {
    pub(super) fn new() -> Self {
        Self { shares: Semaphore::new(SHARES as usize), holder: Mutex::new(None) }
    }

    /// Sends everyone who waits, or comes later, away.
    pub(super) fn close(&self) {
        self.shares.close();
    }

    /// Whether anyone but a child block has a turn.
    pub(super) fn is_used(&self) -> bool {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        self.shares.available_permits() < SHARES as usize && !matches!(*holder, Some(Purpose::Child(_)))
    }

    /// Whether nobody has a turn.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        self.shares.available_permits() == SHARES as usize
    }

    fn set_holder(&self, holder: Option<Purpose>) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = holder;
    }

    fn describe_holder(&self) -> String {
        match &*self.holder.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(purpose) => purpose.to_string(),
            None => "statements under way".into(),
        }
    }
}

/// Where turns are taken: a frame, as turns see it.
pub(crate) trait Gate {
    fn turnstile(&self) -> &Turnstile;
    fn label(&self) -> &Label;
    fn turn_timeout(&self) -> Duration;

    /// The error of whatever comes to a gate that is closed.
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::FrameClosed, format!("the block {} that this belongs to has ended", self.label()))
    }
}

/// The right to use the session for one purpose, until it is dropped.
pub(crate) struct Turn<G: Gate> {
    gate: Arc<G>,
    shares: u32,
}

impl<G: Gate> Turn<G> {
    /// Waits for a turn at `gate`.
    ///
    /// # Errors
    /// `FrameClosed` if the frame has ended, `TurnTimeout` if the turn did not come, `NoRuntime` if it would have to be
    /// waited for outside a runtime.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue and no trace.
    pub(super) async fn take(gate: &Arc<G>, purpose: Purpose) -> Result<Self, Error> {
        let shares = purpose.shares();
        let stile = gate.turnstile();
        match stile.shares.try_acquire_many(shares) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::Closed) => return Err(gate.closed_error()),
            Err(TryAcquireError::NoPermits) => {
                match within(gate.turn_timeout(), stile.shares.acquire_many(shares)).await? {
                    Some(Ok(permit)) => permit.forget(),
                    Some(Err(_closed)) => return Err(gate.closed_error()),
                    None => return Err(late(&**gate, &purpose)),
                }
            }
        }
        let turn = Self { gate: Arc::clone(gate), shares };
        if !matches!(purpose, Purpose::Statement) {
            stile.set_holder(Some(purpose));
        }
        Ok(turn)
    }
}

fn late(gate: &impl Gate, purpose: &Purpose) -> Error {
    let (holder, wait) = (gate.turnstile().describe_holder(), gate.turn_timeout());
    Error::new(
        ErrorKind::TurnTimeout,
        format!("{purpose} waited {wait:?} for its turn in the block {}, which {holder} holds", gate.label()),
    )
}

impl<G: Gate> Drop for Turn<G> {
    fn drop(&mut self) {
        let stile = self.gate.turnstile();
        if self.shares == SHARES {
            stile.set_holder(None);
        }
        stile.shares.add_permits(self.shares as usize);
    }
}

impl<G: Gate> fmt::Debug for Turn<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("gate", self.gate.label()).field("shares", &self.shares).finish()
    }
}
