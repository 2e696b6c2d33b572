//! A flight: one statement of a frame on its way to the server and back, with the owed steps ahead of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Frame, Session};
use crate::{
    error::{Error, ErrorKind},
    transaction::owed::Owed,
};

/// One flight of a frame: it takes the steps that the frame's session owes.
///
/// # Cancel safety
/// Dropped before it was sent, it leaves no trace. Dropped in flight, the effect of the statement is unknown: the server is
/// asked to stop it, and the frame is aborted, on every back end alike (rules 37, 38).
#[derive(Debug)]
pub(crate) struct FrameFlight<'f, S: Session> {
    frame: &'f Arc<Frame<S>>,
    /// The epoch of the connection that it goes over.
    epoch: u64,
    sent: AtomicBool,
}

impl<'f, S: Session> FrameFlight<'f, S> {
    /// A flight over the connection that was leased in `epoch`.
    pub(crate) fn new(frame: &'f Arc<Frame<S>>, epoch: u64) -> Self {
        Self { frame, epoch, sent: AtomicBool::new(false) }
    }

    pub(crate) fn frame(&self) -> &'f Arc<Frame<S>> {
        self.frame
    }

    /// Takes the owed steps: see [`Flight::take`](crate::transaction::owed::Flight::take).
    pub(crate) fn take(&self) -> Result<Owed<'f>, Error> {
        let session_state = self.frame.session_state();
        session_state.take(|| {
            self.frame.check()?;
            if self.epoch != session_state.epoch() {
                // The steps are owed to the connection that has replaced this one.
                return Err(Error::new(ErrorKind::ConnectionLost, "the connection of the transaction was replaced"));
            }
            self.sent.store(true, Ordering::Relaxed);
            if let Some(limits) = self.frame.limits() {
                limits.touch();
            }
            Ok(())
        })
    }

    /// The answer has come, good or bad: the drop of the flight does nothing from here on.
    pub(crate) fn landed(&self) {
        self.sent.store(false, Ordering::Relaxed);
    }
}

impl<S: Session> Drop for FrameFlight<'_, S> {
    fn drop(&mut self) {
        if *self.sent.get_mut() {
            self.frame
                .abort(Error::new(ErrorKind::Cancelled, "a statement was dropped while the server was at work on it"));
            // The end of a frame has stopped what was in flight in it: an interrupt now would hit what came after.
            if !self.frame.is_closed() {
                self.frame.session_state().session().interrupt(self.frame.cancel_scope());
            }
        }
    }
}
