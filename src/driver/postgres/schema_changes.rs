//! [`SchemaChanges`]: whether the open transaction has changed the schema, and whether a change was undone. Used by the
//! wire, which sees the steps; the connection then forgets prepared statements.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::transaction::control::Control;

const CHANGED: u8 = 1;
const UNDONE: u8 = 2;

/// The changes that are not committed.
#[derive(Debug, Default)]
pub(super) struct SchemaChanges(AtomicU8);

impl SchemaChanges {
    /// Whether there are any, or some were undone.
    #[inline]
    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    pub(super) fn note(&self) {
        self.0.fetch_or(CHANGED, Ordering::AcqRel);
    }

    /// Notes steps that are sent.
    pub(super) fn sent(&self, steps: &[Control]) {
        if self.0.load(Ordering::Acquire) & CHANGED == 0 {
            return;
        }
        for step in steps {
            match step {
                Control::RollbackTo(_) => drop(self.0.fetch_or(UNDONE, Ordering::AcqRel)),
                Control::Rollback => self.0.store(UNDONE, Ordering::Release),
                Control::Begin(_)
                | Control::Savepoint(_)
                | Control::Set(_)
                | Control::Restore(_)
                | Control::Release(_)
                | Control::Limit(_)
                | Control::Commit => {}
            }
        }
    }

    /// The transaction has ended. Changes that were undone are still reported.
    pub(super) fn settle(&self) {
        self.0.fetch_and(UNDONE, Ordering::AcqRel);
    }

    /// Whether a change was undone since the last call.
    pub(super) fn take_undone(&self) -> bool {
        self.0.fetch_and(!UNDONE, Ordering::AcqRel) & UNDONE != 0
    }
}
