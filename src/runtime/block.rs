//! A block from its opening to its end: one decision on entry, one on exit, and a drop for everything else.
//!
//! The guard exists before anything is awaited on its behalf, so that an error, a panic or a dropped future at any point
//! ends in the rollback of exactly this block.

use std::{any::Any, sync::Arc};

use super::{
    Context, Frame, Label, Opening, Session, Trunk,
    trunk::Fate,
    turn::{Gate as _, Purpose, Turn},
};
use crate::{
    control::{Control, Name, Settings},
    error::{Error, ErrorKind},
    fault::Verdict,
    outlive::Outlive,
};

/// How far a block has come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Open,
    /// What ends it is on its way: nothing more is owed, but the session is not given back yet.
    Ending,
    /// There is nothing left to do.
    Ended,
}

/// An open block. Dropped before it was ended, it is rolled back.
#[derive(Debug)]
pub(crate) struct Block<S: Session> {
    frame: Arc<Frame<S>>,
    context: Context<S>,
    /// The parent's turn, which this block has alone for as long as it is open (rule 9).
    _turn: Option<Turn<Frame<S>>>,
    stage: Stage,
}

impl<S: Session> Block<S> {
    /// Opens a root: a transaction on a session of its own, or on the pinned session around it.
    pub(crate) async fn root(
        around: &Context<S>,
        pinned: Option<&Arc<Frame<S>>>,
        settings: Settings,
        name: Option<Arc<str>>,
        session: impl FnOnce() -> S,
    ) -> Result<Self, Error> {
        let trunk = pinned.map_or_else(|| Arc::new(Trunk::new(session())), |frame| Arc::clone(frame.trunk()));
        Self::open(trunk, pinned, around, Opening::Begin(settings), name).await
    }

    /// Opens a savepoint in the innermost frame of the session.
    pub(crate) async fn savepoint(
        around: &Context<S>,
        parent: &Arc<Frame<S>>,
        given: Option<Arc<str>>,
        name: Option<Arc<str>>,
    ) -> Result<Self, Error> {
        let savepoint = given.map_or(Name::Level(parent.depth()), Name::Given);
        Self::open(Arc::clone(parent.trunk()), Some(parent), around, Opening::Savepoint(savepoint), name).await
    }

    /// Pins a session to the task, outside a transaction.
    pub(crate) async fn pin(around: &Context<S>, session: S) -> Result<Self, Error> {
        Self::open(Arc::new(Trunk::new(session)), None, around, Opening::Pin, None).await
    }

    async fn open(
        trunk: Arc<Trunk<S>>,
        parent: Option<&Arc<Frame<S>>>,
        around: &Context<S>,
        opening: Opening,
        name: Option<Arc<str>>,
    ) -> Result<Self, Error> {
        let turn = match parent {
            Some(parent) => {
                let label = Label { name: name.clone(), depth: parent.depth() + 1 };
                let turn = Turn::take(parent, Purpose::Child(label)).await?;
                parent.check()?;
                Some(turn)
            }
            None => None,
        };
        let step = match &opening {
            Opening::Pin => None,
            Opening::Begin(settings) => Some(Control::Begin(settings.clone())),
            Opening::Savepoint(name) => Some(Control::Savepoint(name.clone())),
        };
        let frame = Arc::new(Frame::new(trunk, parent.cloned(), around.clone(), opening, name));
        // From here on the guard stands: what is owed next is taken back by its drop.
        let block = Self { context: around.with(Arc::clone(&frame)), frame, _turn: turn, stage: Stage::Open };
        let frame = &block.frame;
        frame.trunk().with_ledger(|ledger| {
            if let Some(parent) = parent
                && let Err(closed) = parent.adopt(frame)
            {
                // It has owed nothing, and will owe nothing.
                frame.close();
                return Err(closed);
            }
            step.into_iter().for_each(|step| ledger.owe(step));
            Ok(())
        })?;
        Ok(block)
    }

    /// The context for the body of this block.
    pub(crate) fn context(&self) -> Context<S> {
        self.context.clone()
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
        // Statements of other tasks that have opted in may still be under way: they belong to this block.
        let turn = Turn::take(&self.frame, Purpose::Close).await?;
        let result = match self.frame.opening() {
            Opening::Pin => {
                self.close();
                Ok(())
            }
            Opening::Savepoint(name) => self.release(name.clone()),
            Opening::Begin(_) => return self.commit_root(turn).await,
        };
        drop(turn);
        result
    }

    /// Ends the block after its body returned an error.
    ///
    /// # Cancel safety
    /// As [`commit`](Self::commit): a ROLLBACK that is on its way runs to its end.
    pub(crate) async fn rollback(self) {
        if let Opening::Begin(_) = self.frame.opening() {
            let _told_by_the_body = self.finish_root(false, None).await;
        }
        // A savepoint's rollback is owed by the drop.
    }

    fn release(&mut self, name: Name) -> Result<(), Error> {
        let frame = &self.frame;
        let lost = match frame.trunk().fate() {
            Fate::Gone(cause) | Fate::Lost(cause) => Some(cause),
            Fate::Whole | Fate::RollbackOnly(_) => None,
        };
        if let Some(cause) = lost.or_else(|| frame.doom().cloned()) {
            // The drop owes the rollback.
            return Err(rolled_back(cause));
        }
        let was_open = frame.trunk().with_ledger(|ledger| {
            // Ended with a block around it, it must not write any more: its name may be another's by now.
            let was_open = frame.close();
            if was_open {
                ledger.owe(Control::Release(name));
            }
            was_open
        });
        self.stage = Stage::Ended;
        if was_open { Ok(()) } else { Err(self.frame.closed_error()) }
    }

    async fn commit_root(self, turn: Turn<Frame<S>>) -> Result<(), Error> {
        let trunk = Arc::clone(self.frame.trunk());
        let (commit, error) = match trunk.fate() {
            Fate::Gone(cause) => (false, Some(rolled_back(cause))),
            Fate::Lost(cause) if cause.kind() == ErrorKind::Closed => (false, Some(cause)),
            Fate::Lost(cause) => (false, Some(rolled_back(cause))),
            Fate::RollbackOnly(cause) => (false, Some(unexpected(cause))),
            Fate::Whole => match self.frame.doom() {
                Some(cause) => (false, Some(rolled_back(cause.clone()))),
                None => (!trunk.is_quiet(), None),
            },
        };
        let finished = self.finish_root(commit, Some(turn)).await;
        match error {
            Some(error) => Err(error),
            None => finished,
        }
    }

    /// Closes the root and sends what ends it, if the server knows of it at all.
    async fn finish_root(mut self, commit: bool, turn: Option<Turn<Frame<S>>>) -> Result<(), Error> {
        let trunk = Arc::clone(self.frame.trunk());
        let lost = matches!(trunk.fate(), Fate::Lost(_));
        let steps = trunk.with_ledger(|ledger| {
            let open = self.frame.check_open();
            self.frame.close();
            open.map(|()| ledger.finish(commit))
        });
        // Until here nobody came between the decision and the end.
        drop(turn);
        self.stage = Stage::Ending;
        let Some(steps) = steps?.filter(|_| !lost) else {
            self.settle();
            return Ok(());
        };
        let sent = S::finish(Arc::clone(&trunk), steps);
        // The block goes along, so that the session is given back only when the answer is here.
        Outlive::new(Box::pin(async move {
            let result = sent.await;
            if let Err(fault) = &result {
                // A ROLLBACK that failed leaves who knows what open: a pinned session is not used on either (rule 15).
                if !commit || matches!(fault.verdict, Verdict::Lost | Verdict::Unsent) {
                    trunk.lose(fault.error.clone());
                }
                if !commit {
                    tracing::warn!(error = %fault.error, "a rollback failed; its connection is thrown away");
                }
            }
            self.settle();
            result.map_err(|fault| fault.error)
        }))
        .await
    }

    /// The frame is closed without a step.
    fn close(&mut self) {
        self.frame.trunk().with_ledger(|_| self.frame.close());
        self.settle();
    }

    /// Gives the session back if this block owns it, or leaves it clean for the pinned frame around.
    fn settle(&mut self) {
        self.stage = Stage::Ended;
        let trunk = self.frame.trunk();
        if let Opening::Begin(_) = self.frame.opening() {
            trunk.settle();
        }
        if self.frame.parent().is_none() {
            trunk.session().release();
        }
    }
}

impl<S: Session> Drop for Block<S> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Ended => return,
            // The answer to its last step did not come: the runtime has ended, or the session panicked.
            Stage::Ending => return self.settle(),
            Stage::Open => {}
        }
        let frame = &self.frame;
        let in_use = frame.trunk().with_ledger(|ledger| {
            // Statements of other tasks, which are not dropped with the body, and what nobody polls any more.
            let in_use = frame.is_in_use();
            if !frame.close() {
                // It has ended with a block around it, and so have its steps.
                return false;
            }
            match frame.opening() {
                Opening::Pin => {}
                // On a session of its own the clean-up of the connection sends it; on a pinned one the next flight.
                Opening::Begin(_) if frame.parent().is_none() => drop(ledger.finish(false)),
                Opening::Begin(_) => ledger.owe_rollback(),
                Opening::Savepoint(name) => {
                    ledger.owe(Control::RollbackTo(name.clone()));
                    ledger.owe(Control::Release(name.clone()));
                }
            }
            in_use
        });
        if in_use && frame.parent().is_some() {
            // The session is used on: whoever has it next must not wait for what was in flight here (rule 38).
            frame.trunk().session().interrupt(frame.spares());
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

/// Runs the body of a `transaction` that joins the one around it: no SQL, but a failure of any sort marks the root.
pub(crate) async fn joined<S, T, E>(frame: &Arc<Frame<S>>, body: impl Future<Output = Result<T, E>>) -> Result<T, E>
where
    S: Session,
    E: 'static,
{
    struct Mark<'f, S: Session>(Option<&'f Frame<S>>);

    impl<S: Session> Drop for Mark<'_, S> {
        fn drop(&mut self) {
            if let Some(frame) = self.0 {
                let text = "a joined transaction was dropped, or panicked";
                frame.decide(Fate::RollbackOnly(Error::new(ErrorKind::Cancelled, text)));
            }
        }
    }

    let mut mark = Mark(Some(frame));
    let result = body.await;
    mark.0 = None;
    if let Err(error) = &result {
        frame.decide(Fate::RollbackOnly(cause_of(error)));
    }
    result
}

/// What can be told of the caller's own error: all of it if it is ours, its text if it is one of the usual boxes.
fn cause_of<E: 'static>(error: &E) -> Error {
    let any: &dyn Any = error;
    if let Some(ours) = any.downcast_ref::<Error>() {
        return ours.clone();
    }
    let text = any
        .downcast_ref::<Box<dyn std::error::Error + Send + Sync>>()
        .map(ToString::to_string)
        .or_else(|| any.downcast_ref::<Box<dyn std::error::Error + Send>>().map(ToString::to_string))
        .unwrap_or_else(|| format!("a joined transaction returned an error of type {}", std::any::type_name::<E>()));
    Error::new(ErrorKind::RollbackOnly, text)
}
