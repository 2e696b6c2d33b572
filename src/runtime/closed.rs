//! What is left of frames that were closed, to be dropped once no lock is held. Used by frames and blocks.

use std::sync::Arc;

use super::{Frame, Session, turnstile::SentAway};

/// What is left of frames that were closed. Dropped, it wakes those who waited in them and may free frames of other
/// databases: that is foreign code, so it MUST be dropped once the ledger's lock is given back.
#[must_use = "it is dropped once no lock is held"]
pub(super) struct Closed<S: Session> {
    was_open: bool,
    _waiting: Option<SentAway<Frame<S>>>,
    inside: Vec<Inside<S>>,
}

/// A frame that was closed with the one around it, and those who waited in it.
type Inside<S> = (Option<SentAway<Frame<S>>>, Arc<Frame<S>>);

impl<S: Session> Closed<S> {
    /// A frame that was closed just now, with those who waited in it; `None` if it had been closed before.
    pub(super) fn new(waiting: Option<SentAway<Frame<S>>>) -> Self {
        Self { was_open: waiting.is_some(), _waiting: waiting, inside: Vec::new() }
    }

    /// A frame inside was closed with it.
    pub(super) fn and_inside(&mut self, waiting: Option<SentAway<Frame<S>>>, frame: Arc<Frame<S>>) {
        self.inside.push((waiting, frame));
    }

    /// Whether the frame was open: the end of one that was not is not owed, as an outer one took it along.
    pub(super) fn was_open(&self) -> bool {
        self.was_open
    }
}
