//! What a panic said, for the error that it becomes.

use std::any::Any;

/// The text of a panic that was caught; some have none.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
