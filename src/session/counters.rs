//! What a database counts while it works, and the snapshot of it that a program can ask for.

use std::time::Duration;

use crate::{
    error::Error,
    pool::{Counter, Pool, PoolFigures, Timings},
    transaction::{
        control::Tally,
        outcome::TransactionEnd,
        owed::{Flight, Owed},
    },
};

/// The counters of one database.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(super) transactions: Counter,
    pub(super) statements: Counter,
    pub(super) flights: Counter,
    steps_owed: Counter,
    steps_cancelled: Counter,
    steps_sent: Counter,
    ended: [Counter; 4],
    pub(super) errors: Counter,
}

impl Counters {
    /// A transaction has ended.
    pub(super) fn count_end(&self, end: TransactionEnd) {
        self.ended[end as usize].add(1);
    }

    pub(super) fn count(&self, tally: Tally) {
        let Tally { owed, cancelled, sent } = tally;
        self.steps_owed.add(owed);
        self.steps_cancelled.add(cancelled);
        self.steps_sent.add(sent);
    }

    /// The snapshot, with the age of the oldest transaction.
    pub(super) fn stats(&self, pool: &Pool, oldest_transaction: Option<Duration>) -> Stats {
        let Self { transactions, statements, flights, steps_owed, steps_cancelled, steps_sent, ended, errors } = self;
        let PoolFigures { connections, idle, most, least_idle, waiting, timeouts, created, waits, uses } =
            pool.figures();
        let ended = |end: TransactionEnd| ended[end as usize].get();
        Stats {
            connections,
            idle,
            max_connections: most,
            min_idle: least_idle,
            waiting,
            timeouts,
            created,
            waits,
            uses,
            transactions: transactions.get(),
            oldest_transaction,
            committed: ended(TransactionEnd::Committed),
            rolled_back: ended(TransactionEnd::RolledBack),
            unknown: ended(TransactionEnd::Unknown),
            lost: ended(TransactionEnd::Lost),
            errors: errors.get(),
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
    /// How many connections there may be.
    pub max_connections: u64,
    /// How many idle connections are kept ready.
    pub min_idle: u64,
    /// Tasks that wait for a connection.
    pub waiting: u64,
    /// Requests for a connection that had none in time.
    pub timeouts: u64,
    /// Connections made, with what `after_connect` runs on them.
    pub created: Timings,
    /// Requests for a connection that had one after a wait: for another user to give it back, for a check, or for a new one to
    /// be made. A connection that is at hand is no wait.
    pub waits: Timings,
    /// Uses of connections that have ended, from their lending to their return, clean-up included.
    pub uses: Timings,
    /// Transactions that are open at the server.
    pub transactions: u64,
    /// The age of the oldest of these, since it got its connection; in a pinned connection since its BEGIN was sent.
    pub oldest_transaction: Option<Duration>,
    /// Transactions that were committed. Blocks that sent nothing are no transactions; nor are savepoints.
    pub committed: u64,
    /// Transactions that were rolled back, for whatever reason.
    pub rolled_back: u64,
    /// Transactions of which nobody knows whether they were committed, as the connection broke during COMMIT.
    pub unknown: u64,
    /// Transactions whose connection broke before COMMIT.
    pub lost: u64,
    /// Errors that callers got, each once: of statements, of the opening and the end of blocks, of connections, and of deadlines.
    pub errors: u64,
    /// Statements that were sent, once for each time that they were; a batch is one, and so is a stream. What begins and ends
    /// blocks is not counted, nor what native clients send.
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
