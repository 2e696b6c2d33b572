//! What the server calls a prepared statement, kept with its text: mysql_async looks that up by the text, which it reads
//! each time for named parameters, of which we have none.
//!
//! Its cache closes the statement that it was asked for longest ago. So it is asked again for one that is kept here,
//! before so many others can have come that this one might be closed.

use std::sync::{Mutex, PoisonError};

use mysql_async::Statement;

/// How many statements the driver has been asked for, on one connection.
#[derive(Debug)]
pub(super) struct Asked {
    count: u64,
    /// How many it keeps.
    capacity: u64,
}

impl Asked {
    pub(super) fn new(capacity: usize) -> Self {
        Self { count: 0, capacity: capacity.try_into().unwrap_or(u64::MAX) }
    }

    /// The driver is asked for one more.
    pub(super) fn one_more(&mut self) {
        self.count += 1;
    }

    /// All that it keeps may be gone: somebody else had the connection, or the session was reset.
    pub(super) fn forget(&mut self) {
        self.count = self.count.saturating_add(self.capacity);
    }
}

/// What the server calls one statement, if that was asked lately.
#[derive(Debug, Default)]
pub(super) struct Handle(Mutex<Option<(Statement, u64)>>);

impl Handle {
    /// The statement, unless the driver should be asked: of those that it keeps, this is none of the last.
    pub(super) fn get(&self, asked: &Asked) -> Option<Statement> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (statement, at) = kept.as_ref()?;
        let others = asked.count.checked_sub(*at)?;
        (others < asked.capacity).then(|| statement.clone())
    }

    /// Keeps what the driver has just told.
    pub(super) fn keep(&self, statement: &Statement, asked: &Asked) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((statement.clone(), asked.count));
    }
}
