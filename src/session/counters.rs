//! What a database counts while it works, and the snapshot of it that a program can ask for.

use crate::{
    error::Error,
    pool::{Counter, Pool},
    transaction::{
        control::Tally,
        owed::{Flight, Owed},
    },
};

/// The counters of one database.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) transactions: Counter,
    pub(crate) statements: Counter,
    pub(super) flights: Counter,
    steps_owed: Counter,
    steps_cancelled: Counter,
    steps_sent: Counter,
}

impl Counters {
    pub(super) fn count(&self, tally: Tally) {
        let Tally { owed, cancelled, sent } = tally;
        self.steps_owed.add(owed);
        self.steps_cancelled.add(cancelled);
        self.steps_sent.add(sent);
    }

    pub(crate) fn stats(&self, pool: &Pool) -> Stats {
        let Self { transactions, statements, flights, steps_owed, steps_cancelled, steps_sent } = self;
        let (connections, idle) = pool.connections();
        Stats {
            connections,
            idle,
            waiting: pool.waiting(),
            transactions: transactions.get(),
            statements: statements.get(),
            flights: flights.get(),
            steps_owed: steps_owed.get(),
            steps_cancelled: steps_cancelled.get(),
            steps_sent: steps_sent.get(),
        }
    }
}

/// A flight outside any block: it is counted, and takes no steps along.
pub(super) struct CountedFlight<'c>(pub(super) &'c Counters);

impl Flight for CountedFlight<'_> {
    fn take(&self) -> Result<Owed<'_>, Error> {
        self.0.flights.add(1);
        Ok(Owed::nothing())
    }

    fn take_again(&self) -> Result<Owed<'_>, Error> {
        Ok(Owed::nothing())
    }
}

/// What a database has done since it was opened, and what it does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections to the server, idle ones included.
    pub connections: u64,
    /// Connections that are not in use.
    pub idle: u64,
    /// Tasks that wait for a connection.
    pub waiting: u64,
    /// Transactions that are open at the server.
    pub transactions: u64,
    /// Statements sent, control statements not counted.
    pub statements: u64,
    /// Messages sent whose answer was awaited: statements, first-time preparations, COMMITs and ROLLBACKs.
    pub flights: u64,
    /// Control steps that blocks asked for.
    pub steps_owed: u64,
    /// Those that were never sent, as an opposite or the end of the transaction made them void.
    pub steps_cancelled: u64,
    /// Those that were sent, COMMITs and ROLLBACKs included.
    pub steps_sent: u64,
}
