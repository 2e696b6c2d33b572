//! What the failure of a flight does to the frame that it was sent in.

use super::{Frame, Session, frame::aborted, session::TransactionStatus};
use crate::{
    error::Error,
    transaction::impact::{DriverError, Impact},
};

impl<S: Session> Frame<S> {
    /// Applies the impact of an error of a flight, and returns the error for the caller.
    pub(crate) fn fail(&self, fault: DriverError) -> Error {
        let DriverError { error, impact } = fault;
        match impact {
            Impact::None => error,
            // Statements that were in flight together with the first failure fail because of it.
            Impact::Refused if self.in_transaction() => {
                aborted(self.aborted_by.get().unwrap_or_else(|| self.first_abort_seen.get_or_init(|| error)))
            }
            Impact::Block | Impact::Refused => {
                self.abort(error.clone());
                error
            }
            Impact::Transaction => {
                self.decide(TransactionStatus::Gone(error.clone()));
                error
            }
            Impact::Connection | Impact::NotSent => {
                self.session_state().lose(error.clone());
                error
            }
        }
    }
}
