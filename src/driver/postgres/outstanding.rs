//! [`Outstanding`]: a request that is not one of the crate's flights. Used by the wire and by those who lend its client.

use std::sync::Arc;

use super::flight::Wire;

/// A request whose answer is outstanding until it is said to be here. Forgotten about, it leaves the connection busy.
pub(crate) struct Outstanding {
    pub(super) wire: Arc<Wire>,
    pub(super) number: u64,
}

impl Outstanding {
    /// The answer is here, and with it the answers to all earlier requests.
    pub(crate) fn answered(&self) {
        self.wire.is_answered(self.number);
    }
}
