//! [`StatementClock`]: the time limit of one statement. It ends the statement from within, so that the error is that of its answer,
//! for its caller, its block, and all who are told.

use std::time::{Duration, Instant};

use futures_util::future::Either;

use crate::{
    driver::{Answer, Running},
    error::Error,
    runtime::{Bounded, GRACE},
    transaction::{
        impact::{DriverError, Impact},
        limits::{Deadline, late_statement},
    },
};

/// What ends a statement in time; `()` is nothing, and costs nothing.
pub(super) trait Clock {
    /// The statement, which ends in time.
    fn over<'a>(self, work: Running<'a, Answer>, sql: &'a str) -> Running<'a, Answer>;
}

impl Clock for () {
    #[inline]
    fn over<'a>(self, work: Running<'a, Answer>, _sql: &'a str) -> Running<'a, Answer> {
        work
    }
}

/// The time limit of a statement that begins now.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatementClock {
    /// When it must have ended.
    pub(super) at: Option<Instant>,
    /// The time that it had, if that is its own.
    pub(super) time: Duration,
    /// The deadline of its block.
    pub(super) deadline: Option<Deadline>,
}

impl StatementClock {
    fn error(&self) -> Error {
        match self.deadline.filter(Deadline::is_over) {
            Some(deadline) => deadline.error(),
            None => late_statement(self.time),
        }
    }
}

impl Clock for StatementClock {
    fn over<'a>(self, work: Running<'a, Answer>, sql: &'a str) -> Running<'a, Answer> {
        let Some(at) = self.at.and_then(|at| at.checked_add(GRACE)) else { return work };
        Either::Right(Box::pin(async move {
            let error = match Bounded::new(Some(at), work, || false).await {
                Ok(Some(result)) => return result,
                Ok(None) => self.error(),
                Err(no_runtime) => no_runtime,
            };
            Err(DriverError::new(Impact::GivenUp, error.with_statement(sql)))
        }))
    }
}
