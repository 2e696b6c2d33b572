//! What a database counts while it works, and the snapshot of it that a program can ask for.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

use crate::{runtime::StreamUse, transaction::control::Tally};

/// The counters of one database.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// The streams of rows that have a connection of their own.
    pub(super) streams: OpenStreams,
    pub(super) waiting: Counter,
    pub(super) transactions: Counter,
    pub(super) statements: Counter,
    pub(super) flights: Counter,
    steps_owed: Counter,
    steps_cancelled: Counter,
    steps_sent: Counter,
}

/// Streams of rows outside blocks: each holds a connection for as long as its task does not read it to its end.
#[derive(Debug, Default)]
pub(super) struct OpenStreams(Mutex<Vec<Weak<StreamUse>>>);

impl OpenStreams {
    fn streams(&self) -> MutexGuard<'_, Vec<Weak<StreamUse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until its use is dropped.
    pub(super) fn add(&self, usage: &Arc<StreamUse>) {
        let mut streams = self.streams();
        streams.retain(|usage| usage.strong_count() > 0);
        streams.push(Arc::downgrade(usage));
    }

    /// How many the current task reads, and does not read on just now; and how often these were polled.
    pub(super) fn idle_here(&self) -> (usize, u64) {
        let streams = self.streams();
        let polls = streams.iter().filter_map(|usage| usage.upgrade()?.idle_here());
        polls.fold((0, 0), |(count, all), polls| (count + 1, all + polls))
    }
}

/// A number that many tasks change.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        if more != 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more until the guard is dropped.
    pub(super) fn during(&self) -> During<'_> {
        self.add(1);
        During(self)
    }
}

/// Something that is counted for as long as this is there.
#[derive(Debug)]
pub(super) struct During<'c>(&'c Counter);

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

impl Counters {
    pub(super) fn count(&self, tally: Tally) {
        let Tally { owed, cancelled, sent } = tally;
        self.steps_owed.add(owed);
        self.steps_cancelled.add(cancelled);
        self.steps_sent.add(sent);
    }

    pub(super) fn stats(&self, connections: u64, idle: u64) -> Stats {
        let Self { waiting, transactions, statements, flights, steps_owed, steps_cancelled, steps_sent, streams: _ } =
            self;
        Stats {
            connections,
            idle,
            waiting: waiting.get(),
            transactions: transactions.get(),
            statements: statements.get(),
            flights: flights.get(),
            steps_owed: steps_owed.get(),
            steps_cancelled: steps_cancelled.get(),
            steps_sent: steps_sent.get(),
        }
    }
}

/// What a database has done since it was opened, and what it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections to the server, idle ones included.
    pub connections: u64,
    /// Connections that nobody uses.
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
