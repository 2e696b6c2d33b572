//! What goes along with a piece of work: the steps that are paid with it, and how it may wait. Used by the connection.

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
        owed::{Flight, Owed},
    },
};

/// What a flight takes along.
pub(super) struct TakenSteps {
    pub(super) steps: Steps,
    pub(super) needs_transaction: bool,
    /// What the transaction is called that it begins.
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

/// How an attempt at a piece of work may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitLimits {
    /// The place in the queue for the write lock.
    pub(super) ticket: Option<u64>,
    /// How long it waits for a lock of another process at a time, and at all.
    pub(super) slice: Duration,
    pub(super) left: Duration,
    /// It cannot be done again, and its thread may block: it waits there for the write lock too.
    pub(super) blocks: bool,
}

impl WaitLimits {
    pub(super) fn of(attempts: &Attempts, patience: Duration, slice: Duration) -> Self {
        let left = attempts.left(patience);
        Self { ticket: attempts.ticket.as_ref().map(Ticket::number), slice: slice.min(left), left, blocks: false }
    }
}

/// The attempts at one piece of work, and since when it has had to wait.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) since: Option<Instant>,
    /// Its place in the queue for the write lock.
    pub(super) ticket: Option<Ticket>,
    pub(super) pauses: u32,
    /// Its flight was paid: what is paid later belongs to the same flight.
    pub(super) has_taken: bool,
}

impl Attempts {
    /// What is left of the time that locks may be waited for.
    pub(super) fn left(&self, patience: Duration) -> Duration {
        self.since.map_or(patience, |since| patience.saturating_sub(since.elapsed()))
    }

    /// Takes the steps that the flight owes, or what came to be owed since it took them.
    pub(super) fn take(&self, flight: &dyn Flight) -> Result<Steps, Error> {
        let owed = if self.has_taken { flight.take_again() } else { flight.take() };
        owed.map(Owed::into_steps)
    }
}

/// A query that goes to another thread.
pub(super) fn owned(query: Query<'_>) -> (Box<str>, Box<[Value]>) {
    (query.sql.into(), query.params.into())
}
