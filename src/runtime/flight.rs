//! A flight: one statement of a frame on its way to the server and back, with the steps that it takes along. It knows no
//! connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Frame, Session};
use crate::{
    control::Control,
    error::{Error, ErrorKind},
    fault::Debt,
};

/// One flight of a frame under way: it pays the frame's debt, and its drop half-way has consequences.
///
/// # Cancel safety
/// Dropped before it was sent, it leaves no trace. Dropped in flight, nobody knows what the statement did: the server is
/// asked to stop it, and the frame is doomed, on every back end alike (rules 37, 38).
#[derive(Debug)]
pub(crate) struct Flight<'f, S: Session> {
    frame: &'f Arc<Frame<S>>,
    /// That of the connection that it goes over.
    epoch: u64,
    sent: AtomicBool,
}

impl<'f, S: Session> Flight<'f, S> {
    /// A flight over the connection that was leased in `epoch`.
    pub(crate) fn new(frame: &'f Arc<Frame<S>>, epoch: u64) -> Self {
        Self { frame, epoch, sent: AtomicBool::new(false) }
    }

    /// The answer is here, good or bad: dropping the flight is now without consequence.
    pub(crate) fn landed(&self) {
        self.sent.store(false, Ordering::Relaxed);
    }
}

impl<S: Session> Debt for Flight<'_, S> {
    fn pay(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error> {
        self.frame.trunk().with_ledger(|ledger| {
            self.frame.check()?;
            if self.epoch != self.frame.trunk().epoch() {
                // The steps are owed to the connection that has taken the place of this one.
                return Err(Error::new(ErrorKind::ConnectionLost, "the connection of the transaction was replaced"));
            }
            let steps = ledger.take();
            self.sent.store(true, Ordering::Relaxed);
            send(&steps);
            Ok(())
        })
    }

    fn needs_transaction(&self) -> bool {
        self.frame.in_transaction()
    }

    fn begins_writing(&self) -> bool {
        self.frame.in_transaction() && self.frame.trunk().with_ledger(|ledger| ledger.begins_writing())
    }
}

impl<S: Session> Drop for Flight<'_, S> {
    fn drop(&mut self) {
        if *self.sent.get_mut() {
            self.frame.set_doom(Error::new(
                ErrorKind::Cancelled,
                "a statement was dropped while the server was at work on it",
            ));
            // A frame that was rolled back has stopped what was in flight: now it would be what came after.
            if !self.frame.is_closed() {
                self.frame.trunk().session().interrupt(self.frame.spares());
            }
        }
    }
}
