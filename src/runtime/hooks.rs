//! Hooks: what callers have asked to run before the COMMIT of a transaction, or once its outcome is known (rules 45 to 51).
//! Each frame keeps those that were registered in it; a release hands them to the parent. `C` is the context that they run in.

use std::{
    error::Error as StdError,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{FutureExt as _, future::BoxFuture};

use crate::error::{Error, ErrorKind, panic_text};

/// How a transaction ended, for a hook behind its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransactionOutcome {
    /// It is committed.
    Committed,
    /// It is rolled back, or the block in which the hook was registered is, or one around that.
    RolledBack,
    /// The connection broke during COMMIT: nobody knows.
    Unknown,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Inside the transaction, ahead of its COMMIT.
    BeforeCommit,
    Commit,
    /// As `Commit`, but its failure stops nothing.
    CommitRobust,
    Rollback,
    Completion,
}

/// Why a hook failed.
pub(crate) type HookError = Box<dyn StdError + Send + Sync>;

/// Runs a hook in a context.
type Run<C> = Box<dyn FnOnce(C, TransactionOutcome) -> BoxFuture<'static, Result<(), HookError>> + Send>;

/// One hook of a frame.
pub(crate) struct Hook<C> {
    /// Its place among all hooks, whichever frame they were registered in.
    pub(super) number: u64,
    pub(super) moment: Moment,
    run: Run<C>,
}

impl<C> Hook<C> {
    pub(crate) fn new(
        moment: Moment,
        run: impl FnOnce(C, TransactionOutcome) -> BoxFuture<'static, Result<(), HookError>> + Send + 'static,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), moment, run: Box::new(run) }
    }

    /// Runs the hook. A panic of it is an error, and whether it was one is told too.
    pub(super) async fn call(self, context: C, outcome: TransactionOutcome) -> Result<(), (HookError, bool)> {
        let run = AssertUnwindSafe(async move { (self.run)(context, outcome).await });
        match run.catch_unwind().await {
            Ok(result) => result.map_err(|error| (error, false)),
            Err(payload) => {
                let text = panic_text(&*payload).unwrap_or("its payload is no text");
                Err((format!("a hook panicked: {text}").into(), true))
            }
        }
    }
}

/// The hooks of one frame.
pub(super) struct Hooks<C>(Mutex<Vec<Hook<C>>>);

impl<C> Hooks<C> {
    fn list(&self) -> MutexGuard<'_, Vec<Hook<C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, hooks: impl IntoIterator<Item = Hook<C>>) {
        self.list().extend(hooks);
    }

    /// Takes all: each hook runs once at most (rule 47).
    pub(super) fn take(&self) -> Vec<Hook<C>> {
        std::mem::take(&mut *self.list())
    }

    /// Takes the first that runs before the COMMIT.
    pub(super) fn take_before_commit(&self) -> Option<Hook<C>> {
        let mut hooks = self.list();
        let before = hooks.iter().enumerate().filter(|(_, hook)| hook.moment == Moment::BeforeCommit);
        let (at, _) = before.min_by_key(|(_, hook)| hook.number)?;
        Some(hooks.remove(at))
    }

    pub(super) fn has_before_commit(&self) -> bool {
        self.list().iter().any(|hook| hook.moment == Moment::BeforeCommit)
    }
}

impl<C> Default for Hooks<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Runs a hook inside the transaction, ahead of its COMMIT. A panic goes on unwinding, as one of the body does.
pub(super) async fn run_before_commit<C>(hook: Hook<C>, context: C) -> Result<(), Error> {
    (hook.run)(context, TransactionOutcome::Unknown).await.map_err(|source| {
        let text = "a hook ahead of the COMMIT failed, and the transaction was rolled back";
        Error::new(ErrorKind::RolledBack, text).with_boxed_source(source)
    })
}

impl<C> fmt::Debug for Hook<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("number", &self.number).field("moment", &self.moment).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Hooks<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().iter()).finish()
    }
}
