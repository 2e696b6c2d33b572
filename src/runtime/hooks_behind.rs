//! The hooks of blocks: where they are registered, and those behind the end of a block, run once its outcome is known, outside it (rules 46, 48, 49 and 51).

use tokio::{runtime::Handle, task::JoinHandle};
use tracing::Instrument as _;

use super::{
    Context, Frame, Session,
    context::Listed as _,
    hooks::{Hook, HookError, Moment, TransactionOutcome},
};
use crate::{
    detach_on_drop::DetachOnDrop,
    error::{Error, ErrorKind},
};

impl<S: Session> Frame<S> {
    /// Registers a hook of this block.
    ///
    /// # Errors
    /// The block has ended (rule 47).
    pub(crate) fn register(&self, hook: Hook<Context<S>>) -> Result<(), Error> {
        self.session_state().with_ledger(|_| {
            self.check_open()?;
            self.attached.get_or_new().hooks.add([hook]);
            Ok(())
        })
    }

    /// The block was released: its hooks are its parent's. Called under the lock of the ledger.
    pub(super) fn hand_hooks_on(&self) {
        if let (Some(attached), Some(parent)) = (self.attached.get(), self.parent()) {
            parent.attached.get_or_new().hooks.add(attached.hooks.take());
        }
    }
}

/// The hooks of a block that has ended, to be run now that its outcome is known.
pub(super) struct HooksBehind<S: Session> {
    hooks: Vec<Hook<Context<S>>>,
    context: Context<S>,
}

impl<S: Session> HooksBehind<S> {
    /// Those of `frame`, which has ended, and of the frames that have ended with it. Nearly always there are none.
    pub(super) fn of<'f>(frame: &'f Frame<S>, inside: impl Iterator<Item = &'f Frame<S>>) -> Option<Box<Self>> {
        let mut attached = std::iter::once(frame).chain(inside).filter_map(|frame| frame.attached.get()).peekable();
        attached.peek()?;
        let mut hooks: Vec<_> = attached.flat_map(|attached| attached.hooks.take()).collect();
        if hooks.is_empty() {
            return None;
        }
        hooks.sort_by_key(|hook| hook.number);
        Some(Box::new(Self { hooks, context: frame.outer().behind() }))
    }

    /// Runs those that are due. Dropped half-way, they go on in a task of their own.
    ///
    /// # Errors
    /// `HookFailed`, if the transaction is committed and a hook behind the COMMIT failed.
    pub(super) fn run(self, outcome: TransactionOutcome) -> DetachOnDrop<Result<(), Error>> {
        DetachOnDrop::new(Box::pin(self.run_all(outcome)))
    }

    pub(super) async fn run_all(self, outcome: TransactionOutcome) -> Result<(), Error> {
        let Self { hooks, context } = self;
        let (completion, others): (Vec<_>, Vec<_>) =
            hooks.into_iter().partition(|hook| hook.moment == Moment::Completion);
        let result = match outcome {
            TransactionOutcome::Committed => run_committed(others, &context).await,
            TransactionOutcome::RolledBack => {
                let due = others.into_iter().filter(|hook| hook.moment == Moment::Rollback);
                run_each(due, &context, outcome).await;
                Ok(())
            }
            TransactionOutcome::Unknown => Ok(()),
        };
        run_each(completion, &context, outcome).await;
        result
    }

    /// Runs them in a task, behind the clean-up of the connection: their block was dropped, and nobody waits for them.
    pub(super) fn spawn(self, outcome: TransactionOutcome, clean_up: Option<JoinHandle<()>>) {
        let Ok(handle) = Handle::try_current() else {
            return tracing::warn!(target: "nestling", "hooks do not run, as there is no runtime any more");
        };
        // Not in the transaction that may be open around the block: it is another task's.
        let alone = Self { context: self.context.without_blocks(), ..self };
        let work = async move {
            if let Some(clean_up) = clean_up {
                // It ends early only at the end of its runtime.
                let _ = clean_up.await;
            }
            // Only hooks behind a COMMIT can fail so.
            let _ = alone.run_all(outcome).await;
        };
        handle.spawn(work.in_current_span());
    }
}

/// The context for a hook: that of the block, unless what was open around the block has ended meanwhile.
fn context_now<S: Session>(context: &Context<S>) -> Context<S> {
    if context.head().is_some_and(|frame| frame.is_closed()) { context.without_blocks() } else { context.clone() }
}

/// Runs hooks whose failure is told to nobody but the trace.
async fn run_each<S: Session>(
    hooks: impl IntoIterator<Item = Hook<Context<S>>>,
    context: &Context<S>,
    outcome: TransactionOutcome,
) {
    for hook in hooks {
        if let Err((error, _)) = hook.call(context_now(context), outcome).await {
            tracing::error!(target: "nestling", %error, "a hook failed");
        }
    }
}

/// Runs the hooks behind a COMMIT in their order. Behind the first error no other runs; a panic does not stop them (rule 48).
async fn run_committed<S: Session>(hooks: Vec<Hook<Context<S>>>, context: &Context<S>) -> Result<(), Error> {
    let mut first = None;
    for hook in hooks {
        let is_robust = match hook.moment {
            Moment::Commit => false,
            Moment::CommitRobust => true,
            Moment::BeforeCommit | Moment::Rollback | Moment::Completion => continue,
        };
        let Err((error, panicked)) = hook.call(context_now(context), TransactionOutcome::Committed).await else {
            continue;
        };
        tracing::error!(target: "nestling", %error, "a hook failed behind the COMMIT");
        if !is_robust {
            first.get_or_insert(error);
            if !panicked {
                break;
            }
        }
    }
    first.map_or(Ok(()), |error| Err(failed(error)))
}

/// Runs a hook at once, as there is no transaction that it could wait for.
///
/// # Errors
/// `HookFailed`.
pub(crate) async fn run_at_once<S: Session>(hook: Hook<Context<S>>, context: Context<S>) -> Result<(), Error> {
    run_committed(vec![hook], &context).await
}

fn failed(error: HookError) -> Error {
    let text = "a hook behind the COMMIT failed; the transaction is committed";
    Error::new(ErrorKind::HookFailed, text).with_boxed_source(error)
}
