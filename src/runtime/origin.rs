//! Where a block comes from: its name, and the line of the program that opened it.
//!
//! Used by frames, and by `db`, whose calls note their callers.

use std::{fmt, panic::Location, sync::Arc};

/// The line of a program that has called this crate, if it is known.
#[derive(Clone, Copy, Default)]
pub(crate) struct CallSite(Option<&'static Location<'static>>);

impl CallSite {
    /// The caller of the function that calls this, which must have `#[track_caller]` itself.
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(Some(Location::caller()))
    }

    pub(crate) fn location(self) -> Option<&'static Location<'static>> {
        self.0
    }
}

impl fmt::Debug for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(location) => write!(f, "{location}"),
            None => f.write_str("unknown"),
        }
    }
}

/// A block in messages: its name if it has one, its depth, and where it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) depth: u32,
    pub(crate) opened_at: CallSite,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "\"{name}\" at depth {}", self.depth),
            None => write!(f, "at depth {}", self.depth),
        }
    }
}

/// The name of a block, if it has one, and where it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) at: CallSite,
}

impl From<CallSite> for Origin {
    fn from(at: CallSite) -> Self {
        Self { name: None, at }
    }
}

#[cfg(test)]
impl Origin {
    pub(crate) fn named(name: &str) -> Self {
        Self { name: Some(name.into()), at: CallSite::default() }
    }
}
