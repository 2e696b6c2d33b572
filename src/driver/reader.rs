//! [`Reader`]: reads rows while later rows are still being received. Implemented above the drivers, which call it; it
//! does not know what the rows are read as.

use std::{fmt, sync::Arc};

use crate::data::row::NativeRows;

/// Reads the rows of a statement batch by batch, as they come, so that no more than a batch is held in the form of its
/// driver. What was read is lost if the statement fails.
///
/// It is called while the statement is under way, on whichever thread works for the connection: it MUST NOT panic.
pub(crate) trait Reader: Send + Sync {
    /// The statement begins, or begins anew: what was read before counts for nothing.
    fn begin(&self);

    /// Reads so many rows that were read together; they stand behind those of the last call.
    fn read(&self, together: Arc<dyn NativeRows>, count: usize);
}

impl fmt::Debug for dyn Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}
