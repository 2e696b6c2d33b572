//! A block from its opening to its end: one decision on entry, one on exit, and a drop for all other ways out.
//!
//! The guard exists before anything is awaited for it, so that an error, a panic or a dropped future at any point rolls back
//! exactly this block.

use std::{ops::Deref, pin::Pin, sync::Arc};

use super::{
    Context, Frame, Opening, Session, SessionState,
    context::Listed as _,
    lock::{Holder, LockMode, Lockable as _},
    permit::acquire,
    session::{TransactionStatus, tells_itself},
};
use crate::{
    detach_on_drop::DetachOnDrop,
    error::{Error, ErrorKind},
    transaction::{
        control::{Control, Name, Settings},
        impact::Impact,
    },
};

/// The end of a root under way.
type Ending = DetachOnDrop<Result<(), Error>>;

/// The outcome of ending a root.
struct Ended {
    /// The end at the server, if the transaction was begun there.
    ending: Option<Ending>,
    /// Why it is not committed, if that is an error for the caller.
    error: Option<Error>,
}

/// The state of a block.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Open,
    /// Its last steps are sent: nothing more is owed, but the session is not given back yet.
    Ending,
    Ended,
}

/// An open block. Dropped before it was ended, it is rolled back.
#[derive(Debug)]
pub(crate) struct Block<S: Session> {
    frame: OwnFrame<S>,
    stage: Stage,
}

/// A block that is open, or that waits for its parent's lock first. Nearly none does, so opening a block is no `async fn`.
pub(crate) enum Opened<'p, S: Session> {
    Now(Block<S>),
    Later(Pin<Box<dyn Future<Output = Result<Block<S>, Error>> + Send + 'p>>),
}

impl<S: Session> Opened<'_, S> {
    /// The block, once it is open.
    pub(crate) async fn block(self) -> Result<Block<S>, Error> {
        match self {
            Self::Now(block) => Ok(block),
            Self::Later(wait) => wait.await,
        }
    }
}

/// The frame of a block, and with it the lock of the parent, which the block holds while it is open (rule 9).
#[derive(Debug)]
struct OwnFrame<S: Session>(Arc<Frame<S>>);

impl<S: Session> Deref for OwnFrame<S> {
    type Target = Arc<Frame<S>>;

    fn deref(&self) -> &Arc<Frame<S>> {
        &self.0
    }
}

impl<S: Session> Drop for OwnFrame<S> {
    fn drop(&mut self) {
        if let Some(parent) = self.0.parent() {
            parent.lock().release(false);
        }
    }
}

impl<S: Session> Block<S> {
    /// Opens a root: a transaction on a session of its own, or on the pinned session around it.
    pub(crate) fn root<'p>(
        around: &Context<S>,
        pinned: Option<&'p Arc<Frame<S>>>,
        settings: Settings,
        name: Option<Arc<str>>,
        session: impl FnOnce() -> S,
    ) -> Result<Opened<'p, S>, Error> {
        match pinned {
            Some(pinned) => Self::inside(around, pinned, Opening::Begin(settings), name, Settings::default()),
            None => Ok(Opened::Now(Self::outermost(around, Opening::Begin(settings), name, session()))),
        }
    }

    /// Opens a savepoint in the innermost frame of the session.
    pub(crate) fn savepoint<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        given: Option<Arc<str>>,
        name: Option<Arc<str>>,
    ) -> Result<Opened<'p, S>, Error> {
        let savepoint = given.map_or(Name::Level(parent.depth()), Name::Given);
        Self::inside(around, parent, Opening::Savepoint(savepoint), name, Settings::default())
    }

    /// As [`savepoint`](Self::savepoint), with settings of its own, which hold until it ends.
    pub(crate) fn savepoint_with<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        locals: Settings,
        name: Option<Arc<str>>,
    ) -> Result<Opened<'p, S>, Error> {
        Self::inside(around, parent, Opening::Savepoint(Name::Level(parent.depth())), name, locals)
    }

    /// Pins a session to the task, outside a transaction.
    pub(crate) fn pin(around: &Context<S>, session: S) -> Self {
        Self::outermost(around, Opening::Pin, None, session)
    }

    /// A block with a session of its own.
    fn outermost(around: &Context<S>, opening: Opening, name: Option<Arc<str>>, session: S) -> Self {
        let session_state = Arc::new(SessionState::new(session, opening.step()));
        let frame = Frame::new(session_state, None, around.clone(), opening, Settings::default(), name);
        Self { frame: OwnFrame(Arc::new(frame)), stage: Stage::Open }
    }

    fn inside<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        opening: Opening,
        name: Option<Arc<str>>,
        locals: Settings,
    ) -> Result<Opened<'p, S>, Error> {
        let step = opening.step();
        let session_state = Arc::clone(parent.session_state());
        let frame = Arc::new(Frame::new(session_state, Some(parent), around.clone(), opening, locals, name));
        match acquire(&**parent, LockMode::Exclusive(Holder::Child(Arc::downgrade(&frame))))? {
            None => Self::entered(parent, OwnFrame(frame), step).map(Opened::Now),
            Some(wait) => Ok(Opened::Later(Box::pin(async move {
                wait.await?;
                Self::entered(parent, OwnFrame(frame), step)
            }))),
        }
    }

    /// The block of a frame that holds the lock of its parent.
    fn entered(parent: &Arc<Frame<S>>, frame: OwnFrame<S>, step: Option<Control>) -> Result<Self, Error> {
        parent.session_state().with_ledger(|ledger| {
            parent.check()?;
            step.into_iter().for_each(|step| ledger.owe(step));
            frame.locals().into_iter().for_each(|locals| ledger.owe(Control::Set(locals)));
            Ok(())
        })?;
        // It owes its end from here on.
        Ok(Self { frame, stage: Stage::Open })
    }

    /// The context for the body of this block.
    pub(crate) fn context(&self) -> Context<S> {
        self.frame.outer().with(Arc::clone(&self.frame))
    }

    pub(crate) fn frame(&self) -> &Arc<Frame<S>> {
        &self.frame
    }

    /// Ends the block after its body returned `Ok`.
    ///
    /// # Errors
    /// The block could not be kept, and why. It has been rolled back then, save for `CommitUnknown`.
    ///
    /// # Cancel safety
    /// Dropped before the COMMIT is on its way, the block is rolled back; after that the COMMIT runs to its end.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        // Statements of other tasks in a captured context may still be under way: they belong to this block. The lock needs no
        // release, as the frame is closed in any case before anything is awaited again.
        if let Some(wait) = acquire(&**self.frame, LockMode::Exclusive(Holder::End))? {
            wait.await?;
        }
        match self.frame.opening() {
            Opening::Pin => {
                let closed = self.frame.session_state().with_ledger(|_| self.frame.close_alone());
                drop(closed);
                self.settle();
                Ok(())
            }
            Opening::Savepoint(name) => {
                let name = name.clone();
                self.release(name)
            }
            Opening::Begin(_) => {
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
        if let Opening::Begin(_) = self.frame.opening()
            && let Ok(Ended { ending: Some(ending), error: _ }) = self.end_root(false)
        {
            let _error_is_that_of_the_body = ending.await;
        }
        // A savepoint's rollback is owed by the drop.
    }

    /// Owes the RELEASE, unless the block cannot be kept or is marked: then the drop owes its rollback. The decision and
    /// the close happen under one lock, so that no mark and no loss comes between (rule 20).
    fn release(&mut self, name: Name) -> Result<(), Error> {
        let frame = &self.frame;
        let (kept, closed) = frame.session_state().with_ledger(|ledger| {
            let lost = match frame.session_state().status() {
                TransactionStatus::Gone(cause) | TransactionStatus::Lost(cause) => Some(cause),
                TransactionStatus::Whole | TransactionStatus::RollbackOnly(_) => None,
            };
            if let Some(cause) = lost.or_else(|| frame.aborted_by().cloned()) {
                return (Err(rolled_back(cause)), None);
            }
            if frame.is_marked() && !frame.is_closed() {
                return (Ok(()), None);
            }
            let closed = frame.close_alone();
            // Ended with a block around it, it must owe nothing: the name of its savepoint may be reused by now.
            let kept = if closed.was_open() {
                frame.locals().into_iter().for_each(|locals| ledger.owe(Control::Restore(locals)));
                ledger.owe(Control::Release(name));
                Ok(())
            } else {
                Err(frame.closed_error())
            };
            (kept, Some(closed))
        });
        if closed.is_some() {
            self.stage = Stage::Ended;
        }
        kept
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
        let (steps, commit, error, is_stopped, closed) = session_state.with_ledger(|ledger| {
            let open = self.frame.check_open();
            let (commit, error) = if wants_commit { self.outcome() } else { (false, None) };
            // A commit has waited for what was in flight.
            let is_stopped = !wants_commit && self.frame.is_in_use();
            let closed = if wants_commit { self.frame.close_alone() } else { self.frame.close() };
            let is_lost = matches!(session_state.status(), TransactionStatus::Lost(_));
            let steps = open.map(|()| ledger.finish(commit).filter(|_| !is_lost));
            (steps, commit, error, is_stopped, closed)
        });
        drop(closed);
        self.stage = Stage::Ending;
        let Some(steps) = steps? else {
            self.settle();
            return Ok(Ended { ending: None, error });
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
            self.settle();
            result.map_err(|fault| fault.error)
        }));
        Ok(Ended { ending: Some(ending), error })
    }

    /// Gives the session back if this block owns it, or leaves it clean for the pinned frame around.
    fn settle(&mut self) {
        self.stage = Stage::Ended;
        let session_state = self.frame.session_state();
        if let Opening::Begin(_) = self.frame.opening() {
            session_state.settle();
        }
        if self.frame.parent().is_none() {
            session_state.session().release();
        }
    }
}

impl<S: Session> Drop for Block<S> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Ended => return,
            // The answer to its last steps did not come: the runtime has ended, or the session panicked.
            Stage::Ending => return self.settle(),
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
                Opening::Begin(_) if frame.parent().is_none() => drop(ledger.finish(false)),
                Opening::Begin(_) => ledger.owe_rollback(),
                Opening::Savepoint(name) => {
                    ledger.owe(Control::RollbackTo(name.clone()));
                    let stays_set = frame.locals().filter(|_| !frame.session_state().session().undoes_settings());
                    stays_set.into_iter().for_each(|locals| ledger.owe(Control::Restore(locals)));
                    ledger.owe(Control::Release(name.clone()));
                }
            }
            (in_use, closed)
        });
        drop(closed);
        if in_use && frame.parent().is_some() {
            // The session is used on: its next statement must not wait for what was in flight here (rule 38).
            frame.session_state().session().interrupt(frame.cancel_scope());
        }
        self.settle();
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
