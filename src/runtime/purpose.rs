//! What a turn is wanted for. Used by turns, frames and blocks.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::{StreamUse, turn::Gate};

/// What a turn is wanted for, and so whether it can be shared.
pub(super) enum Purpose<G> {
    /// A statement: shares the turn with other statements of its frame.
    Statement,
    /// The native client, say: has the turn until it ends.
    Alone(&'static str),
    /// A stream of rows: has the turn until it ends.
    Stream(Arc<StreamUse>),
    /// A child block, whose label is for whoever waits for it.
    Child(Weak<G>),
    /// The end of the frame itself.
    Close,
}

impl<G> Purpose<G> {
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Statement)
    }
}

impl<G> Clone for Purpose<G> {
    fn clone(&self) -> Self {
        match self {
            Self::Statement => Self::Statement,
            Self::Alone(what) => Self::Alone(what),
            Self::Stream(usage) => Self::Stream(Arc::clone(usage)),
            Self::Child(child) => Self::Child(Weak::clone(child)),
            Self::Close => Self::Close,
        }
    }
}

impl<G: Gate> fmt::Display for Purpose<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement => f.write_str("a statement"),
            Self::Alone(what) => f.write_str(what),
            Self::Stream(_) => f.write_str("a stream of rows"),
            Self::Child(child) => match child.upgrade() {
                Some(child) => write!(f, "the block {}", child.label()),
                None => f.write_str("a block"),
            },
            Self::Close => f.write_str("the end of the block"),
        }
    }
}
