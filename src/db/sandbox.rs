//! Sandboxes: everything that a test does happens in one transaction, which is rolled back at the end (rule 74).

use std::{ops::Deref, sync::Arc};

use super::Database;
use crate::{
    error::{Error, ErrorKind},
    runtime::{Block, CallSite, Context, Frame, Scope, require_runtime},
    session::{DbSession, current, with_current},
};

/// A database whose every user works inside one transaction, which is rolled back when this ends or is dropped. From
/// [`Database::begin_sandbox`].
///
/// It stands for the database: give clones of [`database`](Self::database) to what is tested. Kept beyond its end, they fail with
/// `FrameClosed`.
#[derive(Debug)]
#[must_use = "a sandbox that is dropped is rolled back"]
pub struct Sandbox {
    db: Database,
    block: Block<DbSession>,
}

impl Sandbox {
    /// The database inside the sandbox.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Rolls back all that was done, and waits until the server has done so. A drop does the same without waiting.
    pub async fn end(self) {
        self.block.rollback().await;
    }
}

impl Deref for Sandbox {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.db
    }
}

impl Database {
    /// Runs `body` in a sandbox: everything that it does on this database happens in one transaction, which is rolled back when
    /// it has ended, panicked or been dropped.
    ///
    /// Inside, the database behaves as it does outside: `atomic` opens a transaction, in truth a savepoint, that no other block is
    /// around; hooks on commit run when the outermost block ends; `durable` blocks are allowed; a statement outside any block
    /// stands alone, and if it fails, undoes nothing else. What other tasks do is outside, unless they enter the
    /// [`Context`](crate::Context); for services whose handlers run in tasks of their own there is
    /// [`begin_sandbox`](Self::begin_sandbox).
    ///
    /// Isolation and access mode of blocks are not applied, as a savepoint has none. Blocking calls are `Unsupported`.
    /// Sandboxes do not nest: each has a connection of its own.
    ///
    /// # Cancel safety
    /// Dropped at any point, it rolls everything back.
    ///
    /// # Examples
    /// ```
    /// use nestling::{Database, Error, params};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::open("sqlite::memory:")?;
    /// db.batch("create table account (name text)").await?;
    ///
    /// db.sandbox(|| async {
    ///     db.build_transaction()
    ///         .durable()
    ///         .atomic(|| async { db.execute("insert into account values ('ada')", params![]).await })
    ///         .await?;
    ///     assert_eq!(db.query("select * from account", params![]).await?.len(), 1);
    ///     Ok::<_, Error>(())
    /// })
    /// .await?;
    /// assert!(db.query("select * from account", params![]).await?.is_empty());
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn sandbox<F, Fut>(&self, body: F) -> impl Future<Output = Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let at = CallSite::here();
        async move {
            let around = current().unwrap_or_default();
            let block = Block::sandbox(&around, at.into(), DbSession::new(self.shared()));
            let out = Scope::lazy(around.in_sandbox(block.frame()), body).await;
            block.rollback().await;
            out
        }
    }

    /// Begins a sandbox for all tasks: a handle to this database whose every user works inside one transaction, as in
    /// [`sandbox`](Self::sandbox). It is for tests of whole services.
    ///
    /// Users take turns: a block of one task waits until that of another has ended, for up to
    /// [`turn_timeout`](crate::DatabaseBuilder::turn_timeout). `close` does nothing on the handle.
    ///
    /// # Errors
    /// Those of BEGIN: `Connect`, `PoolTimeout`, `Closed`; `NoRuntime` outside a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropped, it leaves nothing open.
    ///
    /// # Examples
    /// ```
    /// use nestling::{Database, Error, params};
    ///
    /// /// What is tested: a service that has the database and works in tasks of its own.
    /// async fn sign_up(db: Database, name: &'static str) -> Result<u64, Error> {
    ///     let task = tokio::spawn(async move {
    ///         db.atomic(|| async { db.execute("insert into account values ($1)", params![name]).await }).await
    ///     });
    ///     task.await.expect("it does not panic")
    /// }
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let db = Database::open("sqlite::memory:")?;
    /// db.batch("create table account (name text unique)").await?;
    ///
    /// let sandbox = db.begin_sandbox().await?;
    /// assert_eq!(sign_up(sandbox.database().clone(), "ada").await?, 1);
    /// assert!(sign_up(sandbox.database().clone(), "ada").await.is_err_and(|error| error.is_unique_violation()));
    /// assert_eq!(sandbox.query("select * from account", params![]).await?.len(), 1);
    /// sandbox.end().await;
    /// assert!(db.query("select * from account", params![]).await?.is_empty());
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn begin_sandbox(&self) -> impl Future<Output = Result<Sandbox, Error>> {
        let at = CallSite::here();
        async move {
            require_runtime()?;
            let db = Self::new(self.shared().with_new_id());
            let block = Block::sandbox(&Context::default(), at.into(), DbSession::new(db.shared()));
            let begun = db.shared().sandbox.set(Arc::downgrade(block.frame()));
            debug_assert!(begun.is_ok(), "the handle is new");
            db.shared().counted(db.send_owed(block.frame()).await)?;
            Ok(Sandbox { db, block })
        }
    }

    /// Whether code in `context` works in a sandbox of this database.
    pub(super) fn is_in_sandbox(&self, context: Option<&Context<DbSession>>) -> bool {
        self.shared().sandbox.get().is_some() || context.is_some_and(|context| context.sandbox(self.id()).is_some())
    }

    /// Whether this is the handle of a sandbox, or the caller works in one of this database.
    pub(crate) fn is_sandboxed(&self) -> bool {
        with_current(|context| self.is_in_sandbox(context))
    }

    /// The frame in which an outermost block of a sandbox is opened, if the caller works in one: its transaction, or the block of
    /// the caller's own that is hidden by a scope or suspended, which has that transaction's turn.
    ///
    /// # Errors
    /// `FrameClosed` if the sandbox has ended.
    pub(super) fn sandbox_base(&self, context: &Context<DbSession>) -> Result<Option<Arc<Frame<DbSession>>>, Error> {
        let transaction = match (context.sandbox(self.id()), self.shared().sandbox.get()) {
            (None, None) => return Ok(None),
            (Some(frame), _) => Some(Arc::clone(frame)),
            (None, Some(frame)) => frame.upgrade(),
        };
        let ended = || Error::new(ErrorKind::FrameClosed, "the sandbox that this belongs to has ended");
        let transaction = transaction.filter(|frame| !frame.is_closed()).ok_or_else(ended)?;
        let is_in_it = |frame: &&Arc<Frame<DbSession>>| {
            !frame.is_closed() && Arc::ptr_eq(frame.session_state(), transaction.session_state())
        };
        Ok(Some(context.innermost_at_all(self.id()).filter(is_in_it).cloned().unwrap_or(transaction)))
    }
}
