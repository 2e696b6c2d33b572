//! What an error does to a frame, and the end of a transaction that is idle for too long.

use std::time::Duration;

use super::{Frame, Session, frame::aborted, session::TransactionStatus};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        impact::{DriverError, Impact},
        limits::{IdleClock, Limits},
    },
};

/// The state of a transaction that may be idle for a limited time.
#[derive(Debug)]
pub(crate) enum Idle {
    /// It may go on being idle for so long.
    For(Duration),
    /// It was idle for too long, and is lost from here on.
    TooLong,
    /// It has ended.
    Over,
}

impl<S: Session> Frame<S> {
    /// An error of a flight, told as the limit of this frame that it comes from.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.limits() {
            Some(limits) => limits.explain(error),
            None => error,
        }
    }

    /// Applies the impact of an error of a flight, and returns the error for the caller.
    pub(crate) fn fail(&self, fault: DriverError) -> Error {
        let DriverError { error, impact } = fault;
        let error = self.explain(error);
        // What was in flight behind a statement that was ended at the deadline is refused because of that.
        if impact == Impact::Refused
            && let Some(Err(late)) = self.limits().map(Limits::check)
        {
            return late;
        }
        match impact {
            // Whatever is left of it on the server, a statement that was out of time aborts its block (rule 54).
            Impact::None if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::StatementTimeout) => {
                self.abort(error.clone());
                error
            }
            Impact::None => error,
            // Statements that were in flight together with the first failure fail because of it.
            Impact::Refused if self.in_transaction() => {
                aborted(self.aborted_by().unwrap_or_else(|| self.first_abort_seen.get_or_init(|| error)))
            }
            Impact::Block | Impact::Refused | Impact::GivenUp => {
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

    /// Loses the transaction of this root if it has sent nothing for too long. Its frames then fail with the error of the
    /// clock; the caller releases the session.
    pub(crate) fn lose_if_idle(&self, clock: &IdleClock) -> Idle {
        let session_state = self.session_state();
        // Ahead of the ledger's lock, as it takes that of the lease.
        let is_at_work = session_state.session().is_at_work();
        let (idle, replaced) = session_state.with_ledger(|ledger| {
            if self.is_closed() {
                return (Idle::Over, None);
            }
            // Nothing is open at the server yet. Nothing more is sent before this has returned.
            if !ledger.begun() {
                return (Idle::For(clock.time()), None);
            }
            // A future whose statement has ended, and who has not taken the answer yet, may be kept and never polled: it has as
            // much time for that as the transaction may be idle.
            if self.is_in_use() && (is_at_work || clock.answers_now()) {
                return (Idle::For(clock.time()), None);
            }
            let left = clock.left();
            if !left.is_zero() {
                return (Idle::For(left), None);
            }
            (Idle::TooLong, session_state.decide(TransactionStatus::Lost(clock.error())))
        });
        drop(replaced);
        idle
    }
}
