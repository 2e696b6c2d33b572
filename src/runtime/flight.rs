//! A flight: one statement of a frame on its way to the server and back, with the steps that it takes along. It knows no
//! connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Frame, Session};
use crate::{
    error::{Error, ErrorKind},
    transaction::owed::Owed,
};

/// One flight of a frame under way: it takes the steps that the frame's session owes, and its drop half-way has
/// consequences.
///
/// # Cancel safety
/// Dropped before it was sent, it leaves no trace. Dropped in flight, nobody knows what the statement did: the server is
/// asked to stop it, and the frame is doomed, on every back end alike (rules 37, 38).
#[derive(Debug)]
pub(crate) struct FrameFlight<'f, S: Session> {
    frame: &'f Arc<Frame<S>>,
    /// That of the connection that it goes over.
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
                // The steps are owed to the connection that has taken the place of this one.
                return Err(Error::new(ErrorKind::ConnectionLost, "the connection of the transaction was replaced"));
            }
            self.sent.store(true, Ordering::Relaxed);
            Ok(())
        })
    }

    /// The answer is here, good or bad: dropping the flight is now without consequence.
    pub(crate) fn landed(&self) {
        self.sent.store(false, Ordering::Relaxed);
    }
}

impl<S: Session> Drop for FrameFlight<'_, S> {
    fn drop(&mut self) {
        if *self.sent.get_mut() {
            self.frame.set_doom(Error::new(
                ErrorKind::Cancelled,
                "a statement was dropped while the server was at work on it",
            ));
            // A frame that was rolled back has stopped what was in flight: now it would be what came after.
            if !self.frame.is_closed() {
                self.frame.session_state().session().interrupt(self.frame.spares());
            }
        }
    }
}
