//! [`Ticket`]: the right to the answer of one request.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;

use super::{Link, bell::Who};

/// Why there is no more of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver::postgres) enum Gone {
    /// The request was taken away.
    Revoked,
    /// The connection has ended.
    Ended,
}

/// Gives the answer of a request, piece by piece. Dropped, the rest of it is read and thrown away.
pub(in crate::driver::postgres) struct Ticket {
    link: Arc<Link>,
    slot: usize,
}

impl Ticket {
    pub(super) fn new(link: Arc<Link>, slot: usize) -> Self {
        Self { link, slot }
    }

    /// The next piece of the answer, of whole messages; the last one ends in ReadyForQuery.
    pub(in crate::driver::postgres) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<BytesMut, Gone>> {
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
