//! What can be seen of the blocks of a session from outside, by whoever asks: how deep they are, where they were opened, and
//! whether anything waits in them. A look takes the locks of the frames one after the other, and changes nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Frame, Session, origin::Label};

/// A look at the blocks of a session that are open.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The number of the transaction, or of the pinned connection around it.
    pub(crate) id: u64,
    /// The open blocks, outermost first; a pinned connection is one of them.
    pub(crate) blocks: Vec<Label>,
    /// Whether a statement has a turn.
    pub(crate) has_statement: bool,
    /// Whether a statement or a block waits for its turn.
    pub(crate) waits_for_turn: bool,
}

impl<S: Session> Frame<S> {
    /// Whether it is the outermost block of a transaction to its caller.
    pub(crate) fn is_root(&self) -> bool {
        self.opening().is_root()
    }

    /// The outermost frame of the session.
    pub(crate) fn outermost(self: &Arc<Self>) -> &Arc<Self> {
        let mut outermost = self;
        while let Some(parent) = outermost.parent() {
            outermost = parent;
        }
        outermost
    }

    /// The number of the outermost frame around here. It gets one when it is asked for first: nearly no transaction needs one.
    #[cold]
    pub(crate) fn number(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = &self.lineage().last().unwrap_or(self).number;
        match number.load(Ordering::Acquire) {
            0 => {
                let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
                // Another thread may have given one meanwhile.
                number
                    .compare_exchange(0, fresh, Ordering::AcqRel, Ordering::Acquire)
                    .map_or_else(|given| given, |_| fresh)
            }
            given => given,
        }
    }

    /// Looks at this frame, which is the outermost one, and at those that are open in it.
    pub(crate) fn observe(self: &Arc<Self>) -> Observed {
        let open = || std::iter::successors(Some(Arc::clone(self)), |frame| frame.open_child());
        Observed {
            id: self.number(),
            blocks: open().map(|frame| frame.label().clone()).collect(),
            has_statement: open().any(|frame| frame.lock.has_statement()),
            waits_for_turn: open().any(|frame| frame.lock.has_waiters()),
        }
    }
}
