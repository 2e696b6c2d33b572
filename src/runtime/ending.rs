//! The end of a block: one decision on exit, and a drop for all other ways out.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{
    Block, Context, Opening, Session,
    block::Stage,
    context::Listed as _,
    hooks::{Hooks, TransactionOutcome, run_before_commit},
    hooks_behind::HooksBehind,
    lock::{Holder, LockMode, Lockable as _},
    permit::acquire,
    session::{TransactionStatus, tells_itself},
};
use crate::{
    detach_on_drop::DetachOnDrop,
    error::{Error, ErrorKind},
    transaction::{
        control::{Control, Name},
        impact::Impact,
    },
};

/// The end of a root under way.
type Ending = DetachOnDrop<Result<(), Error>>;

/// The outcome of ending a root.
struct Ended {
    /// The end at the server, if the transaction was begun there, and the hooks behind it, if there are any.
    ending: Option<Ending>,
    /// Why it is not committed, if that is an error for the caller.
    error: Option<Error>,
}

impl<S: Session> Block<S> {
    /// Ends the block after its body returned `Ok`.
    ///
    /// # Errors
    /// The block could not be kept, and why. It has been rolled back then, save for `CommitUnknown`.
    ///
    /// # Cancel safety
    /// Dropped before the COMMIT is on its way, the block is rolled back; after that the COMMIT runs to its end.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        loop {
            if self.frame.attached.get().is_some() {
                // Boxed, as there is seldom anything. Ahead of the lock, which their statements need.
                self = Box::pin(self.attached_ended()).await?;
            }
            // Statements of other tasks in a captured context may still be under way: they belong to this block.
            if let Some(wait) = acquire(&**self.frame, LockMode::Exclusive(Holder::End))? {
                wait.await?;
            }
            if self.frame.attached.get().is_none() || self.hooks_ahead().is_none() {
                // The lock needs no release, as the frame is closed in any case before anything is awaited again.
                break;
            }
            self.frame.lock().release(false);
        }
        match self.frame.opening() {
            Opening::Pin => {
                let closed = self.frame.session_state().with_ledger(|_| self.frame.close_alone());
                drop(closed);
                self.settle();
                Ok(())
            }
            Opening::Savepoint(name) | Opening::Sandboxed(name) => {
                let name = name.clone();
                let (kept, hooks) = self.release(name);
                let ending = match self.stage {
                    Stage::Open => self.undo_now(),
                    Stage::Ending | Stage::Ended => {
                        drop(self);
                        hooks.map(|hooks| hooks.run(TransactionOutcome::Committed))
                    }
                };
                match ending {
                    Some(ending) => kept.and(ending.await),
                    None => kept,
                }
            }
            Opening::Begin(_) | Opening::Sandbox => {
                let Ended { ending, error } = self.end_root(true)?;
                let ended = match ending {
                    Some(ending) => ending.await,
                    None => Ok(()),
                };
                error.map_or(ended, Err)
            }
        }
    }

    /// Ends the block after its body returned an error. What is in flight in it is stopped.
    ///
    /// # Cancel safety
    /// As [`commit`](Self::commit): a ROLLBACK that is on its way runs to its end.
    pub(crate) async fn rollback(self) {
        let ending = match self.frame.opening() {
            Opening::Begin(_) | Opening::Sandbox => self.end_root(false).ok().and_then(|ended| ended.ending),
            Opening::Savepoint(_) | Opening::Sandboxed(_) | Opening::Pin => self.undo_now(),
        };
        if let Some(ending) = ending {
            let _error_is_that_of_the_body = ending.await;
        }
    }

    /// The hooks of the block, if one is due before the COMMIT: a block that cannot be kept runs none.
    fn hooks_ahead(&self) -> Option<&Hooks<Context<S>>> {
        let (frame, attached) = (&self.frame, self.frame.attached.get()?);
        let is_due = attached.hooks.has_before_commit()
            && frame.opening().is_root()
            && !frame.is_marked()
            && frame.check().is_ok();
        is_due.then_some(&attached.hooks)
    }

    /// Waits for the tasks that take part in the block, and runs the hooks before the COMMIT and those that they register. The
    /// first hook that fails rolls the block back.
    async fn attached_ended(self) -> Result<Self, Error> {
        let frame = Arc::clone(&self.frame);
        if let Some(attached) = frame.attached.get().filter(|attached| attached.tasks.are_running()) {
            attached.tasks.ended(&*frame).await?;
        }
        while let Some(hook) = self.hooks_ahead().and_then(Hooks::take_before_commit) {
            if let Err(error) = run_before_commit(hook, self.context()).await {
                self.rollback().await;
                return Err(error);
            }
        }
        Ok(self)
    }

    /// Rolls back a block that is no root of its own session, as its drop does; the hooks are left to be run.
    fn undo_now(mut self) -> Option<Ending> {
        let (hooks, _clean_up) = self.undo();
        // Ahead of the hooks: it gives the lock of the parent back.
        drop(self);
        Some(hooks?.run(TransactionOutcome::RolledBack))
    }

    /// Owes the RELEASE, unless the block cannot be kept or is marked: then the drop owes its rollback. The decision and
    /// the close happen under one lock, so that no mark and no loss comes between (rule 20). Returns the hooks of an outermost
    /// block of a sandbox; those of others are the parent's from here on.
    fn release(&mut self, name: Name) -> (Result<(), Error>, Option<Box<HooksBehind<S>>>) {
        let frame = &self.frame;
        let is_root = frame.opening().is_root();
        let (kept, closed, hooks) = frame.session_state().with_ledger(|ledger| {
            if let Some(undone) = self.not_kept(is_root) {
                return (undone, None, None);
            }
            let closed = frame.close_alone();
            // Ended with a block around it, it must owe nothing: the name of its savepoint may be reused by now.
            if !closed.was_open() {
                return (Err(frame.closed_error()), Some(closed), None);
            }
            frame.locals().into_iter().for_each(|locals| ledger.owe(Control::Restore(locals)));
            ledger.owe(Control::Release(name));
            if is_root {
                return (Ok(()), Some(closed), HooksBehind::of(frame, std::iter::empty()));
            }
            frame.hand_hooks_on();
            (Ok(()), Some(closed), None)
        });
        if closed.is_some() {
            self.settle();
        }
        (kept, hooks)
    }

    /// What the caller of a savepoint gets, if the block is not kept.
    fn not_kept(&self, is_root: bool) -> Option<Result<(), Error>> {
        let frame = &self.frame;
        if is_root {
            let (commit, error) = self.outcome();
            return if commit { None } else { Some(error.map_or(Ok(()), Err)) };
        }
        let lost = match frame.session_state().status() {
            TransactionStatus::Gone(cause) | TransactionStatus::Lost(cause) => Some(cause),
            TransactionStatus::Whole | TransactionStatus::RollbackOnly(_) => None,
        };
        if let Some(cause) = lost.or_else(|| frame.aborted_by().cloned()) {
            return Some(Err(rolled_back(cause)));
        }
        (frame.is_marked() && !frame.is_closed()).then_some(Ok(()))
    }

    /// Whether the transaction is committed, and if not, the error for the caller. Read under the lock of the ledger.
    fn outcome(&self) -> (bool, Option<Error>) {
        let frame = &self.frame;
        match frame.session_state().status() {
            TransactionStatus::Lost(cause) if tells_itself(&cause) => (false, Some(cause)),
            TransactionStatus::Gone(cause) | TransactionStatus::Lost(cause) => (false, Some(rolled_back(cause))),
            TransactionStatus::RollbackOnly(cause) => (false, Some(unexpected(cause))),
            TransactionStatus::Whole => match frame.aborted_by() {
                Some(cause) => (false, Some(rolled_back(cause.clone()))),
                // The last moment at which a dropped caller counts: from here on the COMMIT is under way (rule 10).
                None if frame.outer().is_abandoned() => (false, Some(abandoned())),
                None => (!frame.is_marked(), None),
            },
        }
    }

    /// Closes the root, and sends what ends it if the transaction was begun at the server. The outcome is decided under the
    /// lock in which the root is closed: a mark or a failure either comes before and counts, or is refused.
    ///
    /// # Errors
    /// The root has ended already.
    fn end_root(mut self, wants_commit: bool) -> Result<Ended, Error> {
        let session_state = self.frame.session_state();
        let (steps, commit, error, is_stopped, closed, hooks) = session_state.with_ledger(|ledger| {
            let open = self.frame.check_open();
            let (commit, error) = if wants_commit { self.outcome() } else { (false, None) };
            // A commit has waited for what was in flight.
            let is_stopped = !wants_commit && self.frame.is_in_use();
            let closed = if wants_commit { self.frame.close_alone() } else { self.frame.close() };
            let hooks = HooksBehind::of(&self.frame, closed.inside());
            let is_lost = matches!(session_state.status(), TransactionStatus::Lost(_));
            let steps = open.map(|()| ledger.finish(commit).filter(|_| !is_lost));
            (steps, commit, error, is_stopped, closed, hooks)
        });
        drop(closed);
        self.stage = Stage::Ending;
        let Some(steps) = steps? else {
            self.settle();
            drop(self);
            let outcome = if commit { TransactionOutcome::Committed } else { TransactionOutcome::RolledBack };
            return Ok(Ended { ending: hooks.map(|hooks| hooks.run(outcome)), error });
        };
        if is_stopped {
            session_state.session().interrupt(self.frame.cancel_scope());
        }
        let session_state = Arc::clone(self.frame.session_state());
        // The block moves along, so that the session is given back only with the answer.
        let ending = DetachOnDrop::new(Box::pin(async move {
            let result = S::finish(Arc::clone(&session_state), steps).await;
            if let Err(fault) = &result {
                // A ROLLBACK that failed may leave anything open: a pinned session is not used on either (rule 15).
                if !commit || matches!(fault.impact, Impact::Connection | Impact::NotSent) {
                    session_state.lose(fault.error.clone());
                }
                if !commit {
                    tracing::warn!(error = %fault.error, "a rollback failed; its connection is thrown away");
                }
            }
            let ended = result.map_err(|fault| self.frame.explain(fault.error));
            self.settle();
            drop(self);
            let Some(hooks) = hooks else { return ended };
            let outcome = match &ended {
                Ok(()) if commit => TransactionOutcome::Committed,
                Err(error) if commit && error.kind() == ErrorKind::CommitUnknown => TransactionOutcome::Unknown,
                _ => TransactionOutcome::RolledBack,
            };
            let behind = Box::pin(hooks.run_all(outcome)).await;
            ended.and(behind)
        }));
        Ok(Ended { ending: Some(ending), error })
    }

    /// Gives the session back if this block owns it, or leaves it clean for the pinned frame around.
    fn settle(&mut self) -> Option<JoinHandle<()>> {
        self.stage = Stage::Ended;
        let session_state = self.frame.session_state();
        match self.frame.opening() {
            Opening::Begin(_) => session_state.settle(),
            Opening::Sandboxed(_) => session_state.settle_in_sandbox(),
            Opening::Pin | Opening::Savepoint(_) | Opening::Sandbox => {}
        }
        if self.frame.parent().is_none() { session_state.session().release() } else { None }
    }

    /// Owes the rollback of the block, unless it has ended. Returns its hooks, and the clean-up of the connection.
    fn undo(&mut self) -> (Option<Box<HooksBehind<S>>>, Option<JoinHandle<()>>) {
        match self.stage {
            Stage::Ended => return (None, None),
            // The answer to its last steps did not come: the runtime has ended, or the session panicked.
            Stage::Ending => return (None, self.settle()),
            Stage::Open => {}
        }
        let frame = &self.frame;
        let (in_use, closed) = frame.session_state().with_ledger(|ledger| {
            // Statements of other tasks, which are not dropped with the body, and futures that are kept unpolled.
            let in_use = frame.is_in_use();
            let closed = frame.close();
            if !closed.was_open() {
                // It has ended with a block around it, and so have its steps.
                return (false, closed);
            }
            match frame.opening() {
                Opening::Pin => {}
                // On a session of its own the clean-up of the connection sends the ROLLBACK; on a pinned one the next flight.
                Opening::Begin(_) | Opening::Sandbox if frame.parent().is_none() => drop(ledger.finish(false)),
                Opening::Begin(_) | Opening::Sandbox => ledger.owe_rollback(),
                Opening::Savepoint(name) | Opening::Sandboxed(name) => {
                    ledger.owe(Control::RollbackTo(name.clone()));
                    let stays_set = frame.locals().filter(|_| !frame.session_state().session().undoes_settings());
                    stays_set.into_iter().for_each(|locals| ledger.owe(Control::Restore(locals)));
                    ledger.owe(Control::Release(name.clone()));
                }
            }
            (in_use, closed)
        });
        let hooks = HooksBehind::of(frame, closed.inside());
        drop(closed);
        if in_use && frame.parent().is_some() {
            // The session is used on: its next statement must not wait for what was in flight here (rule 38).
            frame.session_state().session().interrupt(frame.cancel_scope());
        }
        (hooks, self.settle())
    }
}

impl<S: Session> Drop for Block<S> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        let (hooks, clean_up) = self.undo();
        if let Some(hooks) = hooks {
            hooks.spawn(TransactionOutcome::RolledBack, clean_up);
        }
    }
}

fn rolled_back(cause: Error) -> Error {
    Error::new(ErrorKind::RolledBack, "the block could not be committed and was rolled back").with_source(cause)
}

fn unexpected(cause: Error) -> Error {
    Error::new(ErrorKind::UnexpectedRollback, "the transaction was rolled back, as a joined one in it had failed")
        .with_source(cause)
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Cancelled, "the caller of the transaction was dropped before its COMMIT was sent")
}
