//! Hooks: code that runs before the COMMIT of the transaction that a task has open, or once its outcome is known (rules 45 to 51).

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Database;
use crate::{
    error::{Error, ErrorKind},
    runtime::{Context, Frame, Hook, HookError, Moment, Scope, TransactionOutcome, run_at_once},
    session::{DbSession, current},
};

/// What a hook may return: nothing, or a `Result` with any error, whose value is dropped.
pub trait HookResult {
    /// The error of the hook, if it failed.
    ///
    /// # Errors
    /// The hook's own.
    fn into_hook_result(self) -> Result<(), HookError>;
}

impl HookResult for () {
    fn into_hook_result(self) -> Result<(), HookError> {
        Ok(())
    }
}

impl<T, E: Into<HookError>> HookResult for Result<T, E> {
    fn into_hook_result(self) -> Result<(), HookError> {
        self.map(drop).map_err(Into::into)
    }
}

impl Database {
    /// Runs `hook` once the transaction that the current task has open is committed; at once, if it has none open.
    ///
    /// Hooks run in the order in which they were registered, at any depth. Those of a block that is rolled back are dropped;
    /// those of a nested block that is released are the parent's. They run behind the outermost block's COMMIT, with the
    /// connection given back, before `atomic` returns: in them no transaction is open, and they may query, open blocks and register hooks. If a
    /// `connection(..)` is pinned, or a block of another database is open around the block, the hooks run inside that.
    ///
    /// If `hook` fails, the hooks behind it do not run. If it panics they do. In both cases the block returns `HookFailed`
    /// with what `hook` told as the source; its transaction stays committed.
    ///
    /// # Errors
    /// `HookFailed` if it ran at once and failed; `FrameClosed` in a captured context whose block has ended.
    ///
    /// # Cancel safety
    /// A hook that is registered is not lost: if the block's caller is dropped during COMMIT or during the hooks, they run to their end
    /// in a task of their own.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table account (name text)").await?;
    /// let (sent, mut mails) = tokio::sync::mpsc::unbounded_channel();
    /// db.atomic(|| async {
    ///     db.execute("insert into account values ('ada')", params![]).await?;
    ///     db.on_commit(move || async move { sent.send("welcome, ada") }).await?;
    ///     assert!(mails.try_recv().is_err());                // not yet
    ///     Ok::<_, Error>(())
    /// })
    /// .await?;
    /// assert_eq!(mails.try_recv(), Ok("welcome, ada"));
    /// # Ok(()) }
    /// ```
    pub async fn on_commit<F, Fut>(&self, hook: F) -> Result<(), Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.register_or_run(Moment::Commit, hook).await
    }

    /// As [`on_commit`](Self::on_commit), for a hook that may fail: its error is told to `tracing` alone, and the hooks behind
    /// it run.
    ///
    /// # Errors
    /// `FrameClosed` in a captured context whose block has ended.
    ///
    /// # Cancel safety
    /// As [`on_commit`](Self::on_commit).
    pub async fn on_commit_robust<F, Fut>(&self, hook: F) -> Result<(), Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.register_or_run(Moment::CommitRobust, hook).await
    }

    /// Runs `hook` when the innermost block that the current task has open is rolled back, or one around it.
    ///
    /// That is behind the ROLLBACK if the whole transaction is rolled back. Behind a nested block the transaction around it is
    /// open, and the hook's statements are part of that. Where the block was dropped or panicked, nobody waits for its hooks:
    /// they run in a task of their own, outside any transaction, once the connection is cleaned up. An error of the hook is told to `tracing`
    /// alone.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction; `FrameClosed` in a captured context whose block has ended.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, ErrorKind, params};
    /// # use std::sync::{Arc, atomic::{AtomicBool, Ordering::SeqCst}};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let cleaned = Arc::new(AtomicBool::new(false));
    /// let flag = Arc::clone(&cleaned);
    /// let block = db.atomic(|| async {
    ///     db.on_rollback(move || async move { flag.store(true, SeqCst) })?;     // removes an uploaded file, say
    ///     db.execute("insert into nowhere values (1)", params![]).await
    /// });
    /// assert_eq!(block.await.unwrap_err().kind(), ErrorKind::Server);
    /// assert!(cleaned.load(SeqCst));
    /// # Ok(()) }
    /// ```
    pub fn on_rollback<F, Fut>(&self, hook: F) -> Result<(), Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.register(hook_of(Moment::Rollback, |_| hook()))
    }

    /// Runs `hook` inside the transaction that the current task has open, immediately before its COMMIT: for a check of what
    /// all blocks have done together, or a last write.
    ///
    /// It is dropped with a nested block that is rolled back, and does not run where the transaction cannot be committed. Hooks that it
    /// registers for the same moment run behind it.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction; `FrameClosed` in a captured context whose block has ended. If the hook fails,
    /// the transaction is rolled back, and its block returns `RolledBack` with the hook's error as its source. A panic goes
    /// on unwinding.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, ErrorKind, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table entry (amount integer)").await?;
    /// let block = db.atomic(|| async {
    ///     let books = db.clone();
    ///     db.before_commit(|| async move {
    ///         let sum: i64 = books.query_one("select sum(amount) from entry", params![]).await?.get(0)?;
    ///         if sum == 0 { Ok(()) } else { Err::<(), Box<dyn std::error::Error + Send + Sync>>("the books do not balance".into()) }
    ///     })?;
    ///     db.execute("insert into entry values (5)", params![]).await
    /// });
    /// assert_eq!(block.await.unwrap_err().kind(), ErrorKind::RolledBack);
    /// # Ok(()) }
    /// ```
    pub fn before_commit<F, Fut>(&self, hook: F) -> Result<(), Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.register(hook_of(Moment::BeforeCommit, |_| hook()))
    }

    /// Runs `hook` once it is known how the transaction that the current task has open has ended, behind the hooks of
    /// [`on_commit`](Self::on_commit) and [`on_rollback`](Self::on_rollback), even if one of them failed.
    ///
    /// Registered in a nested block that is rolled back, it is told `RolledBack` behind that block. An error of the hook is
    /// told to `tracing` alone.
    ///
    /// # Errors
    /// `NoTransaction` outside a transaction; `FrameClosed` in a captured context whose block has ended.
    pub fn after_completion<F, Fut>(&self, hook: F) -> Result<(), Error>
    where
        F: FnOnce(TransactionOutcome) -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.register(hook_of(Moment::Completion, hook))
    }

    async fn register_or_run<F, Fut>(&self, moment: Moment, hook: F) -> Result<(), Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        let hook = hook_of(moment, |_| hook());
        match self.transaction_frame() {
            Some(frame) => frame.register(hook),
            None => run_at_once(hook, current().unwrap_or_default()).await,
        }
    }

    fn register(&self, hook: Hook<Context<DbSession>>) -> Result<(), Error> {
        let none = || Error::new(ErrorKind::NoTransaction, "a hook on the end of a transaction needs one that is open");
        self.transaction_frame().ok_or_else(none)?.register(hook)
    }

    fn transaction_frame(&self) -> Option<Arc<Frame<DbSession>>> {
        self.frame().filter(|frame| frame.in_transaction())
    }
}

/// A hook that runs with its context in place.
fn hook_of<F, Fut>(moment: Moment, hook: F) -> Hook<Context<DbSession>>
where
    F: FnOnce(TransactionOutcome) -> Fut + Send + 'static,
    Fut: Future<Output: HookResult> + Send + 'static,
{
    Hook::new(moment, move |context, outcome| {
        Scope::lazy(context, move || async move { hook(outcome).await.into_hook_result() }).boxed()
    })
}
