//! What a failed flight means for the transaction: an error with a verdict.
//!
//! Drivers give the verdict, for only they know their server; the runtime acts on it. No SQL, no driver in here.

use crate::error::Error;

/// What is left of the transaction after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing changed: the statement alone failed, or it never left the client.
    Kept,
    /// The server refuses every statement until the innermost block is rolled back (PostgreSQL).
    Doomed,
    /// As [`Doomed`](Self::Doomed), and this is such a refusal: an earlier failure is what it comes from (PostgreSQL).
    #[cfg_attr(not(any(feature = "postgres", test)), allow(dead_code, reason = "told by one driver alone"))]
    Refused,
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
