//! The status of the transaction that a task has open.

use std::sync::Arc;

use super::Database;
use crate::{
    error::{Error, ErrorKind},
    runtime::{Frame, Opening},
    session::{DbSession, with_current},
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
    /// The block, or one around it, will be rolled back, whatever its body returns.
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
            Opening::Begin(_) | Opening::Pin | Opening::Sandbox | Opening::Sandboxed(_) => None,
        })?
    }

    /// The state of the innermost block that the current task has open.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.with_frame(|frame| {
            if !frame.in_transaction() {
                Status::None
            } else if frame.is_rollback_only() {
                Status::RollbackOnly
            } else if frame.check().is_err() {
                Status::Aborted
            } else {
                Status::Open
            }
        });
        status.unwrap_or(Status::None)
    }

    /// Marks the innermost block that the current task has open: when its body returns, the block is rolled back, and its
    /// `Ok` value is returned all the same. The block around it goes on; marked at the outermost block, nothing of the
    /// transaction is kept. Statements still run.
    ///
    /// In the body of a [`transaction`](Self::transaction) that has joined, the block of that body is the outermost one.
    /// The mark is that of Django's `set_rollback` and of Spring's nested transactions. If a statement of the block failed
    /// as well, the block returns `RolledBack`.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction; `FrameClosed` in a captured context whose block has ended. A mark that was
    /// accepted is never lost.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table gift (name text)").await?;
    /// db.atomic(|| async {
    ///     db.execute("insert into gift values ('book')", params![]).await?;
    ///     let preview = db.atomic(|| async {
    ///         db.execute("delete from gift", params![]).await?;
    ///         db.set_rollback_only()?;                      // only the deletion is undone
    ///         Ok::<_, Error>(7)
    ///     });
    ///     assert_eq!(preview.await?, 7);
    ///     Ok::<_, Error>(())
    /// })
    /// .await?;
    /// assert_eq!(db.query("select * from gift", params![]).await?.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn set_rollback_only(&self) -> Result<(), Error> {
        let found = with_current(|context| {
            let context = context?;
            let frame = context.innermost(self.id())?;
            Some((Arc::clone(frame), context.has_joined(frame)))
        });
        let none = || Err(Error::new(ErrorKind::NoTransaction, "there is no transaction to mark for rollback"));
        found.map_or_else(none, |(frame, has_joined)| frame.set_rollback_only(has_joined))
    }

    /// Calls `look` with the innermost block, unless that has ended: in a captured context it may have.
    fn with_frame<T>(&self, look: impl FnOnce(&Frame<DbSession>) -> T) -> Option<T> {
        with_current(|context| {
            context?.innermost(self.id()).filter(|frame| !frame.is_closed()).map(|frame| look(frame))
        })
    }
}
