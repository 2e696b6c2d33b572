//! How a frame begins on the server. Used by frames, and by the blocks that open them.

use crate::transaction::control::{Control, Name, Settings};

/// How a frame begins on the server.
#[derive(Debug, Clone)]
pub(crate) enum Opening {
    /// Not at all: the frame pins a connection, outside a transaction.
    Pin,
    /// The root of a transaction.
    Begin(Settings),
    /// A savepoint within a transaction.
    Savepoint(Name),
}

impl Opening {
    /// The step that the frame begins with.
    pub(super) fn step(&self) -> Option<Control> {
        match self {
            Self::Pin => None,
            Self::Begin(settings) => Some(Control::Begin(settings.clone())),
            Self::Savepoint(name) => Some(Control::Savepoint(name.clone())),
        }
    }
}
