//! A frame: one open block of a session. It knows its parent and its depth, hands out turns, and says whether a
//! statement may still run in it. Opening and ending it in order is the work of [`Block`](super::Block).

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    Context, Label, Session, SessionState, StreamUse,
    closed::Closed,
    purpose::Purpose,
    session_state::TransactionStatus,
    turn::{Gate, Turn},
    turnstile::Turnstile,
};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        control::{Control, Locals, Name, Settings},
        impact::{CancelScope, DriverError, Impact},
    },
};

/// How a frame begins on the server.
#[derive(Debug, Clone)]
pub(crate) enum Opening {
    /// Not at all: the frame pins a connection, outside a transaction.
    Pin,
    /// The root of a transaction.
    Begin(Settings),
    /// A savepoint within a transaction.
    Savepoint(Name),
}

impl Opening {
    /// The step that the frame begins with.
    pub(super) fn step(&self) -> Option<Control> {
        match self {
            Self::Pin => None,
            Self::Begin(settings) => Some(Control::Begin(settings.clone())),
            Self::Savepoint(name) => Some(Control::Savepoint(name.clone())),
        }
    }
}

/// One open block. What ends with a block belongs in here.
#[derive(Debug)]
pub(crate) struct Frame<S: Session> {
    session_state: Arc<SessionState<S>>,
    parent: Parent<S>,
    /// What was in place around the block: frames of other databases are found there.
    outer: Context<S>,
    opening: Opening,
    /// The settings of a savepoint's own, which hold until it ends.
    locals: Settings,
    label: Label,
    /// Closed once, under the ledger's lock: nothing of this frame is sent after it (rule 6). It knows the child block
    /// that is open in this one, which may still be so when this one ends: another task can have opened it, or nobody
    /// polls it any more.
    turnstile: Turnstile<Self>,
    /// The first error that doomed this frame (rule 31).
    doom: OnceLock<Error>,
    /// The answer that told of a doom before its cause was seen: of statements in flight together a later one may be
    /// looked at first.
    echo: OnceLock<Error>,
    /// Whether the block is to be rolled back and its value returned all the same (rule 20). Set under the ledger's lock.
    rollback_only: AtomicBool,
}

/// The frame of the same session around a frame.
#[derive(Debug)]
enum Parent<S: Session> {
    None,
    /// The innermost one of the context around, as nearly always: it is not held twice.
    Head,
    Other(Arc<Frame<S>>),
}

impl<S: Session> Frame<S> {
    pub(super) fn new(
        session_state: Arc<SessionState<S>>,
        parent: Option<&Arc<Self>>,
        outer: Context<S>,
        opening: Opening,
        locals: Settings,
        name: Option<Arc<str>>,
    ) -> Self {
        let above = parent.map_or(0, |parent| parent.label.depth);
        let parent = match parent {
            None => Parent::None,
            Some(parent) if outer.head().is_some_and(|head| Arc::ptr_eq(head, parent)) => Parent::Head,
            Some(parent) => Parent::Other(Arc::clone(parent)),
        };
        let depth = if matches!(opening, Opening::Pin) { above } else { above + 1 };
        Self {
            session_state,
            parent,
            outer,
            opening,
            locals,
            label: Label { name, depth },
            turnstile: Turnstile::new(),
            doom: OnceLock::new(),
            echo: OnceLock::new(),
            rollback_only: AtomicBool::new(false),
        }
    }

    /// The settings of this block's own, as a step; none if it has none.
    pub(super) fn locals(&self) -> Option<Locals> {
        let has_some = !self.locals.is_empty();
        has_some.then(|| Locals { depth: self.depth(), settings: self.locals.clone() })
    }

    /// What a setting is here, as far as it was asked for by this block or one around it.
    pub(crate) fn local(&self, key: &str) -> Option<&str> {
        let of_root = || self.settings()?.local(key);
        self.lineage().find_map(|frame| frame.locals.local(key)).or_else(of_root)
    }

    pub(crate) fn session_state(&self) -> &Arc<SessionState<S>> {
        &self.session_state
    }

    pub(crate) fn parent(&self) -> Option<&Arc<Self>> {
        match &self.parent {
            Parent::None => None,
            Parent::Head => self.outer.head(),
            Parent::Other(parent) => Some(parent),
        }
    }

    pub(super) fn outer(&self) -> &Context<S> {
        &self.outer
    }

    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// How many blocks deep the transaction is: the root is 1, a pinned connection without a transaction 0.
    pub(crate) fn depth(&self) -> u32 {
        self.label.depth
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.label.depth > 0
    }

    /// The settings of the transaction that this frame is part of.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        match &self.root()?.opening {
            Opening::Begin(settings) => Some(settings),
            Opening::Pin | Opening::Savepoint(_) => None,
        }
    }

    /// The names that callers have given to the savepoints that are open here.
    pub(crate) fn savepoint_names(&self) -> impl Iterator<Item = &str> {
        self.lineage().filter_map(|frame| match &frame.opening {
            Opening::Savepoint(Name::Given(name)) => Some(&**name),
            _ => None,
        })
    }

    /// Why nothing may be sent in this frame, if so.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_open()?;
        self.session_state.check()?;
        match self.doom() {
            Some(cause) => Err(aborted(cause)),
            None => Ok(()),
        }
    }

    pub(crate) fn doom(&self) -> Option<&Error> {
        self.doom.get().or_else(|| self.echo.get())
    }

    /// Nothing of this frame can be kept, because of `cause`. Outside a transaction there is nothing to doom.
    pub(crate) fn set_doom(&self, cause: Error) {
        if self.in_transaction() {
            // The first cause stays: later ones follow from it.
            let _ = self.doom.set(cause);
        }
    }

    /// Decides the status of the transaction that this frame is part of, unless it is over: what comes late, from a
    /// statement of another task say, must not hit the next transaction of a pinned session.
    ///
    /// Tells whether it came in time.
    pub(super) fn decide(&self, status: TransactionStatus) -> bool {
        // The root is closed under the same lock, and the status is reset after that.
        let (is_over, replaced) = self.session_state.with_ledger(|_| {
            let is_over = self.root().is_none_or(Self::is_closed);
            (is_over, if is_over { Some(status) } else { self.session_state.decide(status) })
        });
        drop(replaced);
        !is_over
    }

    /// The frame that began the transaction; none outside of one.
    pub(crate) fn root(&self) -> Option<&Self> {
        self.lineage().find(|frame| matches!(frame.opening, Opening::Begin(_)))
    }

    /// This frame and those of its session around it.
    fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |frame| frame.parent().map(|parent| &**parent))
    }

    /// Whether this frame has ended, by itself or with one around it.
    pub(crate) fn is_closed(&self) -> bool {
        self.turnstile.is_closed()
    }

    /// Why this frame is open no more, if so.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if !self.is_closed() {
            return Ok(());
        }
        // What ended the session is a better answer than that the frame has ended with it.
        Err(match self.session_state.status() {
            TransactionStatus::Lost(error) if error.kind() == ErrorKind::Closed => error,
            _ => self.closed_error(),
        })
    }

    fn open_child(&self) -> Option<Arc<Self>> {
        self.turnstile.child().filter(|child| !child.is_closed())
    }

    /// Whether a statement of this frame, or of one that is open in it, may be in flight.
    pub(super) fn is_in_use(&self) -> bool {
        let mut inside = std::iter::successors(self.open_child(), |frame| frame.open_child());
        self.turnstile.is_used() || inside.any(|frame| frame.turnstile.is_used())
    }

    /// Marks this block, or the root if the caller has joined the transaction: the marked block is rolled back and its
    /// value is returned all the same (rule 20).
    ///
    /// # Errors
    /// There is no transaction, or the block has ended.
    pub(crate) fn set_rollback_only(&self, has_joined: bool) -> Result<(), Error> {
        if !self.in_transaction() {
            return Err(Error::new(ErrorKind::NoTransaction, "there is no transaction to mark for rollback"));
        }
        let marked = if has_joined { self.root().unwrap_or(self) } else { self };
        // The block decides on its end under the same lock: a mark that is accepted here is seen there.
        self.session_state.with_ledger(|_| {
            self.check_open()?;
            marked.check_open()?;
            marked.rollback_only.store(true, Ordering::Release);
            Ok(())
        })
    }

    /// Whether this block itself is marked (rule 20).
    pub(super) fn is_marked(&self) -> bool {
        self.rollback_only.load(Ordering::Acquire)
    }

    /// Whether nothing of this block will be kept, as it, one around it or the whole transaction is marked.
    pub(crate) fn is_rollback_only(&self) -> bool {
        self.lineage().any(Self::is_marked) || matches!(self.session_state.status(), TransactionStatus::RollbackOnly(_))
    }

    /// What must be left whole when that is stopped which was dropped in this frame, or with it.
    pub(super) fn spares(&self) -> CancelScope {
        match self.opening {
            Opening::Savepoint(_) => CancelScope::Transaction,
            Opening::Begin(_) if self.parent().is_none() => CancelScope::Nothing,
            Opening::Begin(_) | Opening::Pin => CancelScope::Session,
        }
    }

    /// Closes the frame, and those that are still open in it: their names may be another's as soon as the end of this
    /// one is owed. Callers hold the ledger's lock, so that no flight of these frames is sent after it.
    pub(super) fn close(&self) -> Closed<S> {
        let mut closed = self.close_alone();
        let mut inside = if closed.was_open() { self.open_child() } else { None };
        while let Some(frame) = inside {
            inside = frame.open_child();
            closed.and_inside(frame.turnstile.close(), frame);
        }
        closed
    }

    /// As [`close`](Self::close), for whoever has the turn to: nothing is open in the frame.
    pub(super) fn close_alone(&self) -> Closed<S> {
        Closed::new(self.turnstile.close())
    }

    /// Waits for a turn that the statements of a transaction share.
    ///
    /// # Errors
    /// Any reason why a statement cannot run in this frame, before anything is sent.
    #[inline]
    pub(crate) async fn statement(&self) -> Result<Turn<&Self>, Error> {
        // Outside a transaction a failure dooms nothing, so that one that is dropped and cancelled must not take along
        // those that were sent behind it: each waits for the one before.
        let is_shared = self.in_transaction() && self.session_state.session().pipelines();
        let purpose = if is_shared { Purpose::Statement } else { Purpose::Alone("a statement") };
        let turn = Turn::take(self, purpose).await?;
        self.check()?;
        Ok(turn)
    }

    /// Waits for a turn that nobody shares, for `what`.
    ///
    /// # Errors
    /// As [`statement`](Self::statement).
    pub(crate) async fn alone(self: &Arc<Self>, what: &'static str) -> Result<Turn<Arc<Self>>, Error> {
        let turn = Turn::take(Arc::clone(self), Purpose::Alone(what)).await?;
        self.check()?;
        Ok(turn)
    }

    /// As [`alone`](Self::alone), for a stream of rows.
    ///
    /// # Errors
    /// As [`statement`](Self::statement).
    pub(crate) async fn stream(self: &Arc<Self>, usage: &Arc<StreamUse>) -> Result<Turn<Arc<Self>>, Error> {
        let turn = Turn::take(Arc::clone(self), Purpose::Stream(Arc::clone(usage))).await?;
        self.check()?;
        Ok(turn)
    }

    /// Acts on an error of a flight, and gives the error that the caller is to see.
    pub(crate) fn fail(&self, fault: DriverError) -> Error {
        let DriverError { error, impact } = fault;
        match impact {
            Impact::None => error,
            // Statements that were in flight together with the first failure fail because of it.
            Impact::Refused if self.in_transaction() => {
                aborted(self.doom.get().unwrap_or_else(|| self.echo.get_or_init(|| error)))
            }
            Impact::Block | Impact::Refused => {
                self.set_doom(error.clone());
                error
            }
            Impact::Transaction => {
                self.decide(TransactionStatus::Gone(error.clone()));
                error
            }
            Impact::Connection | Impact::NotSent => {
                self.session_state.lose(error.clone());
                error
            }
        }
    }
}

impl<S: Session> Gate for Frame<S> {
    fn turnstile(&self) -> &Turnstile<Self> {
        &self.turnstile
    }

    fn label(&self) -> &Label {
        &self.label
    }

    fn turn_timeout(&self) -> Duration {
        self.session_state.session().turn_timeout()
    }
}

fn aborted(cause: &Error) -> Error {
    Error::new(ErrorKind::Aborted, "the block was aborted by an earlier error").with_source(cause.clone())
}
