//! Turns: who may use the session now (rules 8 and 9). Statements of a frame share it; opening or closing a child frame,
//! and a stream, have it alone; all in order of arrival. A turn is a value, given up by its drop.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Semaphore, TryAcquireError};

use super::{Frame, Session, frame::Label, require_runtime};
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
pub(super) struct Turnstile {
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

/// The right to use the session for one purpose, until it is dropped.
pub(crate) struct Turn<S: Session> {
    frame: Arc<Frame<S>>,
    shares: u32,
}

impl<S: Session> Turn<S> {
    /// Waits for a turn at `frame`.
    ///
    /// # Errors
    /// `FrameClosed` if the frame has ended, `TurnTimeout` if the turn did not come.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue and no trace.
    pub(super) async fn take(frame: &Arc<Frame<S>>, purpose: Purpose) -> Result<Self, Error> {
        let shares = purpose.shares();
        let stile = frame.turnstile();
        match stile.shares.try_acquire_many(shares) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::Closed) => return Err(frame.closed_error()),
            Err(TryAcquireError::NoPermits) => {
                // Without a runtime there is no clock to wait by, and tokio would panic (rule 11).
                require_runtime()?;
                let wait = frame.trunk().session().turn_timeout();
                match tokio::time::timeout(wait, stile.shares.acquire_many(shares)).await {
                    Ok(Ok(permit)) => permit.forget(),
                    Ok(Err(_closed)) => return Err(frame.closed_error()),
                    Err(_elapsed) => return Err(late(frame, &purpose)),
                }
            }
        }
        let turn = Self { frame: Arc::clone(frame), shares };
        if !matches!(purpose, Purpose::Statement) {
            stile.set_holder(Some(purpose));
        }
        Ok(turn)
    }
}

fn late<S: Session>(frame: &Frame<S>, purpose: &Purpose) -> Error {
    let holder = frame.turnstile().describe_holder();
    let wait = frame.trunk().session().turn_timeout();
    Error::new(
        ErrorKind::TurnTimeout,
        format!("{purpose} waited {wait:?} for its turn in the block {}, which {holder} holds", frame.label()),
    )
}

impl<S: Session> Drop for Turn<S> {
    fn drop(&mut self) {
        let stile = self.frame.turnstile();
        if self.shares == SHARES {
            stile.set_holder(None);
        }
        stile.shares.add_permits(self.shares as usize);
    }
}

impl<S: Session> fmt::Debug for Turn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("frame", self.frame.label()).field("shares", &self.shares).finish()
    }
}
