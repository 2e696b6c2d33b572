//! [`Ticket`]: the right to the answer of one request.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;

use super::{bell::Who, shared::Link, state::Gone, status::Sight};

/// Gives the answer of a request, piece by piece. Dropped, the rest of it is read and thrown away.
pub(crate) struct Ticket {
    link: Arc<Link>,
    slot: usize,
}

impl Link {
    /// Sends a request, which `write` adds to what is to be sent, and which MUST be answered by one ReadyForQuery. It leaves
    /// the client with the first poll of the ticket, behind all that was sent before.
    pub(crate) fn send(self: &Arc<Self>, write: impl FnOnce(&mut BytesMut, Sight)) -> Ticket {
        let slot = self.quiet().send(write);
        Ticket { link: Arc::clone(self), slot }
    }
}

impl Ticket {
    /// The next piece of the answer, of whole messages; the last one ends in ReadyForQuery.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<BytesMut, Gone>> {
        let slot = self.slot;
        self.link.poll_for(cx, Who::Slot(slot), |state| state.take(slot))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.link.quiet().leave_answered(self.slot) {
            return;
        }
        self.link.bell.forget(self.slot);
        let is_outstanding = self.link.quiet().leave(self.slot, &self.link.bell);
        if is_outstanding {
            // It reads what nobody waits for.
            self.link.bell.ring_for(Who::Theirs);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("slot", &self.slot).finish_non_exhaustive()
    }
}
