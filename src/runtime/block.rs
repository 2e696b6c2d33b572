//! A block, and how it is opened. [`ending`](super::ending) ends it.
//!
//! The guard exists before anything is awaited for it, so that an error, a panic or a dropped future at any point rolls back
//! exactly this block.

use std::{ops::Deref, pin::Pin, sync::Arc};

use super::{
    Context, Frame, Opening, Session, SessionState,
    context::Listed as _,
    lock::{Holder, LockMode, Lockable as _},
    origin::Origin,
    permit::acquire,
};
use crate::{
    error::Error,
    transaction::control::{Control, Name, Settings},
};

/// The state of a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Open,
    /// Its last steps are sent: nothing more is owed, but the session is not given back yet.
    Ending,
    Ended,
}

/// An open block. Dropped before it was ended, it is rolled back.
#[derive(Debug)]
pub(crate) struct Block<S: Session> {
    pub(super) frame: OwnFrame<S>,
    pub(super) stage: Stage,
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
pub(super) struct OwnFrame<S: Session>(Arc<Frame<S>>);

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
        origin: Origin,
        session: impl FnOnce() -> S,
    ) -> Result<Opened<'p, S>, Error> {
        match pinned {
            Some(pinned) => Self::inside(around, pinned, Opening::Begin(settings), origin, Settings::default()),
            None => Ok(Opened::Now(Self::outermost(around, Opening::Begin(settings), origin, session()))),
        }
    }

    /// Opens a savepoint in the innermost frame of the session.
    pub(crate) fn savepoint<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        given: Option<Arc<str>>,
        origin: Origin,
    ) -> Result<Opened<'p, S>, Error> {
        let savepoint = given.map_or_else(|| parent.next_savepoint(), Name::Given);
        Self::inside(around, parent, Opening::Savepoint(savepoint), origin, Settings::default())
    }

    /// As [`savepoint`](Self::savepoint), with settings of its own, which hold until it ends.
    pub(crate) fn savepoint_with<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        locals: Settings,
        origin: Origin,
    ) -> Result<Opened<'p, S>, Error> {
        Self::inside(around, parent, Opening::Savepoint(parent.next_savepoint()), origin, locals)
    }

    /// Opens the transaction of a sandbox, on a session of its own.
    pub(crate) fn sandbox(around: &Context<S>, origin: Origin, session: S) -> Self {
        Self::outermost(around, Opening::Sandbox, origin, session)
    }

    /// Opens an outermost block in a sandbox, whose transaction is `parent`, or a block of the caller's own task that a scope hides.
    pub(crate) fn sandboxed<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        locals: Settings,
        origin: Origin,
    ) -> Result<Opened<'p, S>, Error> {
        Self::inside(around, parent, Opening::Sandboxed(parent.next_savepoint()), origin, locals)
    }

    /// Pins a session to the task, outside a transaction.
    pub(crate) fn pin(around: &Context<S>, origin: Origin, session: S) -> Self {
        Self::outermost(around, Opening::Pin, origin, session)
    }

    /// A block with a session of its own.
    fn outermost(around: &Context<S>, opening: Opening, origin: Origin, session: S) -> Self {
        let session_state = Arc::new(SessionState::new(session, opening.step()));
        let frame = Frame::new(session_state, None, around.clone(), opening, Settings::default(), origin);
        Self { frame: OwnFrame(Arc::new(frame)), stage: Stage::Open }
    }

    fn inside<'p>(
        around: &Context<S>,
        parent: &'p Arc<Frame<S>>,
        opening: Opening,
        origin: Origin,
        locals: Settings,
    ) -> Result<Opened<'p, S>, Error> {
        let step = opening.step();
        let session_state = Arc::clone(parent.session_state());
        let frame = Arc::new(Frame::new(session_state, Some(parent), around.clone(), opening, locals, origin));
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
            Ok::<_, Error>(())
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
}
