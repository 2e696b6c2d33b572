//! What a program can ask about the transaction it is in.

use super::{Database, local};
use crate::{
    error::{Error, ErrorKind},
    runtime::{Frame, Opening},
};

/// The state of the innermost block that the current task has open on a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// No transaction is open.
    None,
    /// A transaction is open, and statements run in it.
    Open,
    /// An error has aborted the block: statements fail until it is rolled back.
    Aborted,
    /// The transaction will be rolled back, whatever its body returns.
    RollbackOnly,
}

impl Database {
    /// Whether the current task has a transaction open on this database.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.depth() > 0
    }

    /// How many blocks deep the current task is in a transaction of this database; 0 outside one.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.with_frame(|frame| frame.depth()).unwrap_or(0)
    }

    /// The name of the innermost savepoint that the current task has open; `None` in the outermost block.
    #[must_use]
    pub fn current_savepoint(&self) -> Option<String> {
        self.with_frame(|frame| match frame.opening() {
            Opening::Savepoint(name) => Some(name.to_string()),
            Opening::Begin(_) | Opening::Pin => None,
        })?
    }

    /// The state of the innermost block that the current task has open.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.with_frame(|frame| {
            if !frame.in_transaction() {
                Status::None
            } else if frame.trunk().is_rollback_only() {
                Status::RollbackOnly
            } else if frame.check().is_err() {
                Status::Aborted
            } else {
                Status::Open
            }
        });
        status.unwrap_or(Status::None)
    }

    /// Marks the whole transaction, whatever the depth of the caller: its outermost block will roll back, and return
    /// its `Ok` value all the same. Statements still run.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction; `FrameClosed` in a captured context whose block has ended.
    pub fn set_rollback_only(&self) -> Result<(), Error> {
        let none = || Err(Error::new(ErrorKind::NoTransaction, "there is no transaction to mark for rollback"));
        self.frame().map_or_else(none, |frame| frame.set_rollback_only())
    }

    /// Looks at the innermost block. One that has ended is none, even to a future that captured its context.
    fn with_frame<T>(&self, look: impl FnOnce(&Frame<super::session::DbSession>) -> T) -> Option<T> {
        local::with_current(|context| {
            context?.innermost(self.id()).filter(|frame| !frame.is_closed()).map(|frame| look(frame))
        })
    }
}
