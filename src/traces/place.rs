//! [`Place`]: the block that logs and spans name for what happens in it; and how they write durations and errors.

use std::{borrow::Cow, sync::Arc, time::Duration};

use crate::{
    error::Error,
    runtime::{Frame, Session},
};

/// Where something happens.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) depth: u32,
    /// The name of the transaction.
    pub(super) transaction: Option<Arc<str>>,
    /// The name of the innermost block that has one, if that is a nested one.
    pub(super) block: Option<Arc<str>>,
}

impl Place {
    pub(super) fn of<S: Session>(frame: Option<&Frame<S>>) -> Self {
        let Some(frame) = frame else { return Self::default() };
        let (transaction, nearest) = (frame.root_name(), frame.nearest_name());
        let is_of_root = matches!((transaction, nearest), (Some(root), Some(nearest)) if Arc::ptr_eq(root, nearest));
        let block = if is_of_root { None } else { nearest.cloned() };
        Self { depth: frame.depth(), transaction: transaction.cloned(), block }
    }
}

/// A duration in milliseconds, to the microsecond.
#[expect(clippy::cast_precision_loss, reason = "it is exact for centuries")]
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

/// What stands for an outcome that nobody has waited for.
pub(super) const DROPPED: &str = "Dropped";

/// The class of an error: the server's code, or else its kind.
pub(super) fn error_type(error: &Error) -> Cow<'_, str> {
    error.code().map_or_else(|| format!("{:?}", error.kind()).into(), Cow::Borrowed)
}
