//! Owed steps: the control steps that a flight takes from its session's ledger, as a value that keeps the ledger locked.
//!
//! Used by the drivers, which take the steps when they send, and by `runtime` and `db`, whose flights hand them out. No SQL
//! and no driver in here.

use std::{
    any::Any,
    ops::Deref,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use crate::{
    error::Error,
    transaction::{
        control::{Control, Ledger, Steps},
        limits::FlightLimits,
    },
};

/// Steps that were taken from a ledger, which stays locked for as long as this lives: no other flight of the session comes
/// between them and what is sent behind them. As it holds a lock it is not `Send`, so that no future of a driver can keep
/// it over an await.
#[must_use = "the steps count as sent"]
pub(crate) struct Owed<'l> {
    steps: Steps,
    _ledger: Option<MutexGuard<'l, Ledger>>,
}

impl<'l> Owed<'l> {
    /// Steps out of a locked ledger.
    pub(crate) fn new(steps: Steps, ledger: MutexGuard<'l, Ledger>) -> Self {
        Self { steps, _ledger: Some(ledger) }
    }

    /// Adds the time that the statement behind the steps may take.
    pub(crate) fn limited(mut self, left: Option<Duration>) -> Self {
        self.steps.extend(left.map(Control::Limit));
        self
    }

    /// What a flight owes outside any block.
    pub(crate) fn nothing() -> Self {
        Self { steps: Steps::new(), _ledger: None }
    }

    /// The steps alone; the ledger is unlocked. A driver that runs one command at a time MUST have the connection to itself
    /// until the steps are sent, and send them in this poll.
    pub(crate) fn into_steps(self) -> Steps {
        self.steps
    }
}

impl Deref for Owed<'_> {
    type Target = [Control];

    fn deref(&self) -> &[Control] {
        &self.steps
    }
}

/// One flight, as its driver sees it: a statement, or control steps, on the way to the server and back.
pub(crate) trait Flight: Send + Sync {
    /// Takes the owed steps, which count as sent from here on. A driver MUST call this once for every flight, in the poll
    /// that puts it on the wire, and send the steps ahead of all else: a flight that is dropped before has sent nothing. A
    /// driver that pipelines MUST keep the value until all of the flight is in its buffer.
    ///
    /// # Errors
    /// The block that the flight belongs to has ended or is aborted: nothing may be sent.
    fn take(&self) -> Result<Owed<'_>, Error>;

    /// Takes what came to be owed since [`take`](Self::take), where the work of the flight is done once more.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[cfg_attr(not(feature = "sqlite-system"), allow(dead_code, reason = "only SQLite does work once more"))]
    fn take_again(&self) -> Result<Owed<'_>, Error> {
        self.take()
    }

    /// Whether the flight must have a transaction open once the steps are taken: outside one it would commit on its own.
    fn needs_transaction(&self) -> bool {
        false
    }

    /// Whether the flight would begin a transaction that may write, as far as is known before its steps are taken.
    #[cfg_attr(
        not(feature = "sqlite-system"),
        allow(dead_code, reason = "only SQLite has a lock that its own tasks wait for")
    )]
    fn begins_writing(&self) -> bool {
        false
    }

    /// The time limits of the flight, if it has some and its work begins now.
    #[cfg_attr(not(feature = "sqlite-system"), allow(dead_code, reason = "only SQLite works in this process"))]
    fn limits(&self) -> Option<FlightLimits> {
        None
    }

    /// What the transaction is called that the flight is part of.
    #[cfg_attr(
        not(feature = "sqlite-system"),
        allow(dead_code, reason = "only SQLite has a lock that its own tasks wait for")
    )]
    fn transaction_name(&self) -> Option<Arc<str>> {
        None
    }

    /// Whether the task that waits for the flight has a connection of the same database, apart from that of the flight,
    /// of which `is_it` is true: it would wait for itself if it waited for that.
    #[cfg_attr(
        not(feature = "sqlite-system"),
        allow(dead_code, reason = "only SQLite has a lock that its own tasks wait for")
    )]
    fn task_has(&self, _is_it: &dyn Fn(&(dyn Any + Send + Sync)) -> bool) -> bool {
        false
    }
}

/// A flight outside any block, and outside all statistics.
impl Flight for () {
    fn take(&self) -> Result<Owed<'_>, Error> {
        Ok(Owed::nothing())
    }
}
