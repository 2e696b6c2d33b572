//! An attempt at a piece of work: the steps that it takes along, and how long it may wait for locks. Used by the
//! connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::write_lock::Ticket;
use crate::{
    data::value::Value,
    driver::Query,
    error::Error,
    transaction::{
        control::{Control, Steps},
        limits::TimeLimit,
        owed::{Flight, Owed},
    },
};

/// The owed steps that a flight takes along.
pub(super) struct TakenSteps {
    pub(super) steps: Steps,
    pub(super) needs_transaction: bool,
    /// The name of the transaction that it begins.
    pub(super) name: Option<Arc<str>>,
}

impl TakenSteps {
    pub(super) fn new(mut steps: Steps, more: &[Control], flight: &dyn Flight) -> Self {
        let begins = steps.iter().any(Control::begins_writing);
        let name = if begins { flight.transaction_name() } else { None };
        more.iter().for_each(|step| steps.push(step.clone()));
        Self { steps, needs_transaction: flight.needs_transaction(), name }
    }
}

/// How long an attempt may wait for locks.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitLimits {
    /// The position in the queue for the write lock.
    pub(super) ticket: Option<u64>,
    /// How long it waits for a lock of another process at a time, and in total.
    pub(super) slice: Duration,
    pub(super) left: Duration,
    /// It cannot be repeated, and its thread may block: it waits there for the write lock too.
    pub(super) blocks: bool,
    /// When the work must end.
    pub(super) end: Option<TimeLimit>,
}

impl WaitLimits {
    #[inline]
    pub(super) fn of(attempts: &Attempts, flight: &dyn Flight, patience: Duration, slice: Duration) -> Self {
        let (end, lock) = flight.limits().map_or((None, None), |limits| (limits.end, limits.lock));
        let left = attempts.left(lock.unwrap_or(patience));
        Self { ticket: attempts.ticket.as_ref().map(Ticket::number), slice: slice.min(left), left, blocks: false, end }
    }
}

/// The attempts at one piece of work.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) since: Option<Instant>,
    /// Its position in the queue for the write lock.
    pub(super) ticket: Option<Ticket>,
    pub(super) pauses: u32,
    /// The steps of its flight were taken: later ones belong to the same flight.
    pub(super) has_taken: bool,
}

impl Attempts {
    /// The rest of the time for which locks may be awaited.
    pub(super) fn left(&self, patience: Duration) -> Duration {
        self.since.map_or(patience, |since| patience.saturating_sub(since.elapsed()))
    }

    /// Takes the owed steps of the flight, or those that were added since.
    pub(super) fn take(&self, flight: &dyn Flight) -> Result<Steps, Error> {
        let owed = if self.has_taken { flight.take_again() } else { flight.take() };
        owed.map(Owed::into_steps)
    }
}

/// A query that goes to another thread.
pub(super) fn owned(query: Query<'_>) -> (Box<str>, Box<[Value]>) {
    (query.sql.into(), query.params.into())
}
