//! A `transaction` inside another one joins it: its body runs in the block that is open, and a failure of it marks the
//! root (rules 26 and 27).

use std::{any::Any, sync::Arc};

use super::{Context, Frame, Scope, Session, session_state::TransactionStatus};
use crate::error::{Error, ErrorKind};

/// Runs the body of a `transaction` that joins the one around it: no SQL, but a failure of any sort marks the root.
pub(crate) async fn joined<S, Fut, T, E>(
    around: &Context<S>,
    frame: &Arc<Frame<S>>,
    body: impl FnOnce() -> Fut,
) -> Result<T, E>
where
    S: Session,
    Fut: Future<Output = Result<T, E>>,
    E: 'static,
{
    struct Mark<'f, S: Session>(Option<&'f Frame<S>>);

    impl<S: Session> Drop for Mark<'_, S> {
        fn drop(&mut self) {
            if let Some(frame) = self.0 {
                let text = "a joined transaction was dropped, or panicked";
                frame.decide(TransactionStatus::RollbackOnly(Error::new(ErrorKind::Cancelled, text)));
            }
        }
    }

    let mut mark = Mark(Some(frame));
    let result = Scope::lazy(around.joining(frame), body).await;
    mark.0 = None;
    if let Err(error) = &result {
        frame.decide(TransactionStatus::RollbackOnly(cause_of(error)));
    }
    result
}

/// What can be told of the caller's own error: all of it if it is ours, its text if it is one of the usual boxes.
fn cause_of<E: 'static>(error: &E) -> Error {
    let any: &dyn Any = error;
    if let Some(ours) = any.downcast_ref::<Error>() {
        return ours.clone();
    }
    let text = any
        .downcast_ref::<Box<dyn std::error::Error + Send + Sync>>()
        .map(ToString::to_string)
        .or_else(|| any.downcast_ref::<Box<dyn std::error::Error + Send>>().map(ToString::to_string))
        .unwrap_or_else(|| format!("a joined transaction returned an error of type {}", std::any::type_name::<E>()));
    Error::new(ErrorKind::RollbackOnly, text)
}
