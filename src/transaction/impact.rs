//! The impact of an error on the transaction. Drivers classify errors, the runtime acts on their impact.

use crate::error::Error;

/// What an error leaves of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Impact {
    /// Nothing changed: the statement alone failed, or it never left the client.
    None,
    /// The server refuses every statement until the innermost block is rolled back (PostgreSQL).
    Block,
    /// As [`Block`](Self::Block), and this is such a refusal: an earlier failure is what it comes from (PostgreSQL).
    #[cfg_attr(not(any(feature = "postgres", test)), allow(dead_code, reason = "only PostgreSQL refuses so"))]
    Refused,
    /// It was given up at its time limit, and the server may be at work on it: as if its future was dropped, but told.
    GivenUp,
    /// The whole transaction is rolled back, or was never begun; the connection lives.
    Transaction,
    /// The connection is lost, and what was under way with it.
    Connection,
    /// The connection turned out to be lost, and nothing of the caller's can have run on it: nothing was put on the wire,
    /// or nothing but steps, or the server has ended the session ahead of it.
    NotSent,
}

/// An error and what it means for the transaction.
#[derive(Debug, Clone)]
pub(crate) struct DriverError {
    pub(crate) error: Error,
    pub(crate) impact: Impact,
}

impl DriverError {
    pub(crate) fn new(impact: Impact, error: Error) -> Self {
        Self { error, impact }
    }

    /// The error of something that never left the client.
    pub(crate) fn harmless(error: Error) -> Self {
        Self::new(Impact::None, error)
    }

    /// Whether the connection is lost.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.impact, Impact::Connection | Impact::NotSent)
    }
}

/// What a cancellation must leave intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelScope {
    /// Nothing: the transaction is rolled back anyway, or there is none, and the session has no owner any more.
    Nothing,
    /// The session, which its owner goes on with, but no transaction in it.
    Session,
    /// The transaction around the savepoint that what is cancelled ran in. What could only be stopped together with it
    /// runs to its end, for as long as the driver thinks fit.
    Transaction,
}
