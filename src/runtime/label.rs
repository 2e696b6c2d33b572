//! How a block is called in messages and traces.

use std::{fmt, sync::Arc};

/// How a block is called in messages: its name if it has one, and its depth.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) depth: u32,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "\"{name}\" at depth {}", self.depth),
            None => write!(f, "at depth {}", self.depth),
        }
    }
}
