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
    /// The transaction of a sandbox, which is never committed. It is no block of the caller's: outermost blocks are opened in it.
    Sandbox,
    /// An outermost block of a sandbox: the root of a transaction to its caller, a savepoint to the server.
    Sandboxed(Name),
}

impl Opening {
    /// Whether the frame is the outermost block of a transaction to its caller.
    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Begin(_) | Self::Sandboxed(_))
    }

    /// The step that the frame begins with.
    pub(super) fn step(&self) -> Option<Control> {
        match self {
            Self::Pin => None,
            Self::Begin(settings) => Some(Control::Begin(settings.clone())),
            Self::Savepoint(name) | Self::Sandboxed(name) => Some(Control::Savepoint(name.clone())),
            Self::Sandbox => Some(Control::Begin(Settings::default())),
        }
    }
}
