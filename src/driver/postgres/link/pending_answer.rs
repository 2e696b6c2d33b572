//! [`PendingAnswer`]: the right to the answer of one request.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;

use super::{shared::Link, state::AnswerError, status::LinkStatus, waker_set::Waiter};

/// Returns the answer of a request, piece by piece. If it is dropped, the rest is read and discarded.
pub(crate) struct PendingAnswer {
    link: Arc<Link>,
    slot: usize,
}

impl Link {
    /// Sends a request, which `write` appends to the output, and which MUST be answered by one ReadyForQuery. It is
    /// written to the socket by the first poll of the answer, behind everything that was sent before.
    pub(crate) fn send(self: &Arc<Self>, write: impl FnOnce(&mut Vec<u8>, LinkStatus)) -> PendingAnswer {
        let slot = self.lock().send(write);
        PendingAnswer { link: Arc::clone(self), slot }
    }
}

impl PendingAnswer {
    /// The next piece of the answer, of complete messages; the last piece ends with ReadyForQuery.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<BytesMut, AnswerError>> {
        let slot = self.slot;
        self.link.poll_for(cx, Waiter::Slot(slot), |state| state.take(slot))
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        if self.link.lock().leave_answered(self.slot) {
            return;
        }
        self.link.wakers.clear(self.slot);
        let is_outstanding = self.link.lock().leave(self.slot, &self.link.wakers);
        if is_outstanding {
            // It reads what nothing else waits for.
            self.link.wakers.wake(Waiter::Native);
        }
    }
}

impl fmt::Debug for PendingAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAnswer").field("slot", &self.slot).finish_non_exhaustive()
    }
}
