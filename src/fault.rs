//! What a failed flight means for the transaction: an error with a verdict, and the debt that a flight pays.
//!
//! Drivers give the verdict, for only they know their server; the runtime acts on it. No SQL, no driver in here.

use std::{any::Any, sync::Arc};

use crate::{control::Control, error::Error};

/// What is left of the transaction after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing changed: the statement alone failed, or it never left the client.
    Kept,
    /// The server refuses every statement until the innermost block is rolled back (PostgreSQL).
    Doomed,
    /// The whole transaction is rolled back, or was never begun; the connection lives.
    Gone,
    /// The connection is lost, and what was under way with it.
    Lost,
    /// The connection turned out to be lost, and nothing of the caller's can have run on it: nothing was put on the wire,
    /// or nothing but steps, or the server has ended the session ahead of it.
    Unsent,
}

/// An error and what it means for the transaction.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) error: Error,
    pub(crate) verdict: Verdict,
}

impl Fault {
    pub(crate) fn new(verdict: Verdict, error: Error) -> Self {
        Self { error, verdict }
    }

    /// The error of something that never left the client.
    pub(crate) fn kept(error: Error) -> Self {
        Self::new(Verdict::Kept, error)
    }
}

/// What a cancellation must leave whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sparing {
    /// Nothing: the transaction is rolled back anyway, or there is none, and the session is nobody's any more.
    Nothing,
    /// The session, which its owner goes on with, but no transaction in it.
    Session,
    /// The transaction around the savepoint that what is cancelled ran in. What could only be stopped together with it
    /// runs to its end, for as long as the driver thinks fit.
    Transaction,
}

/// What a flight takes along: the steps that the session owes its server.
pub(crate) trait Debt: Send + Sync {
    /// Takes the owed steps and calls `send` with them, once. `send` MUST put the steps on the wire, and behind them
    /// what it wants to send itself, before it returns: the ledger is locked meanwhile, so that no other flight of the
    /// session comes between. A driver MUST call this for every flight, just when it sends it: a flight that is dropped
    /// before has paid nothing.
    ///
    /// # Errors
    /// The block that the flight belongs to has ended or is doomed. `send` was not called.
    fn pay(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error>;

    /// Pays what came to be owed since the flight was paid, where its work is done once more.
    ///
    /// # Errors
    /// As [`pay`](Self::pay).
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite does work once more"))]
    fn pay_again(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error> {
        self.pay(send)
    }

    /// Whether the flight must have a transaction open once the steps are taken: outside one it would commit on its own.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite answers before its state is seen"))]
    fn needs_transaction(&self) -> bool {
        false
    }

    /// Whether the flight would begin a transaction that may write, as far as is known before it is paid.
    #[cfg_attr(
        not(feature = "sqlite"),
        allow(dead_code, reason = "only SQLite has a lock of its own that others wait for")
    )]
    fn begins_writing(&self) -> bool {
        false
    }

    /// What the transaction is called that the flight is part of.
    #[cfg_attr(
        not(feature = "sqlite"),
        allow(dead_code, reason = "only SQLite has a lock of its own that others wait for")
    )]
    fn transaction_name(&self) -> Option<Arc<str>> {
        None
    }

    /// Whether the task that waits for the flight has a connection of the same database, apart from that of the flight,
    /// of which `is_it` is true: it would wait for itself if it waited for that.
    #[cfg_attr(
        not(feature = "sqlite"),
        allow(dead_code, reason = "only SQLite has a lock of its own that others wait for")
    )]
    fn task_has(&self, _is_it: &dyn Fn(&(dyn Any + Send + Sync)) -> bool) -> bool {
        false
    }
}

/// A flight outside any block owes nothing.
#[derive(Debug)]
pub(crate) struct NoDebt;

impl Debt for NoDebt {
    fn pay(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error> {
        send(&[]);
        Ok(())
    }
}
