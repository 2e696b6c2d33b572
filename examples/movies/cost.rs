//! What the import cost: what was sent to the database, and what did not have to be.

use nestling::status::Stats;

/// The difference between two readings of a database's counters.
pub(crate) struct Cost {
    pub(crate) statements: u64,
    /// Round trips: what went out together counts once.
    pub(crate) flights: u64,
    /// Steps of transactions (BEGIN, SAVEPOINT, RELEASE and so on) that were not sent on their own, but noted.
    pub(crate) steps_owed: u64,
    /// Steps noted that were never sent, as they came to nothing.
    pub(crate) steps_cancelled: u64,
    /// Steps noted that went out, in the flight of a statement or of a COMMIT.
    pub(crate) steps_sent: u64,
}

impl Cost {
    pub(crate) fn between(before: &Stats, after: &Stats) -> Self {
        Self {
            statements: after.statements - before.statements,
            flights: after.flights - before.flights,
            steps_owed: after.steps_owed - before.steps_owed,
            steps_cancelled: after.steps_cancelled - before.steps_cancelled,
            steps_sent: after.steps_sent - before.steps_sent,
        }
    }

    /// The round trips there would have been with one for each statement and one for each step.
    pub(crate) fn one_by_one(&self) -> u64 {
        self.statements + self.steps_owed
    }

    pub(crate) fn saved(&self) -> u64 {
        self.one_by_one().saturating_sub(self.flights)
    }
}
