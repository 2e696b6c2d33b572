//! A frame: one open block of a session. It has its parent, its depth and its lock, and checks whether a statement may still
//! run in it. [`Block`](super::Block) opens and ends it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Opening, Permit, Session, SessionState, StreamUse,
    attached::Attachment,
    context::{ContextOf, Listed},
    lock::{Closed, FrameLock, Holder, LockMode, Lockable, STATEMENT},
    origin::{Label, Origin},
    session::{TransactionStatus, tells_itself},
};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        control::{Locals, Name, Settings},
        impact::CancelScope,
        limits::Limits,
    },
};

/// The context of a task: its open frames.
pub(crate) type Context<S> = ContextOf<Frame<S>>;

/// One open block.
#[derive(Debug)]
pub(crate) struct Frame<S: Session> {
    session_state: Arc<SessionState<S>>,
    parent: Parent<S>,
    /// The context around the block, with the frames of other databases.
    outer: Context<S>,
    opening: Opening,
    /// A savepoint's own settings, which hold until it ends.
    locals: Settings,
    label: Label,
    /// The number of the outermost frame, given to it once it is asked for.
    pub(super) number: AtomicU64,
    is_sandboxed: bool,
    /// Closed once, under the lock of the ledger: nothing of this frame is sent after it (rule 6). It knows the child block
    /// that is open, which may outlive this one: another task can have opened it, or its future is kept unpolled.
    pub(super) lock: FrameLock<Self>,
    /// The first error that aborted this frame (rule 31).
    pub(super) aborted_by: OnceLock<Error>,
    /// The first refusal because of an abort, if it is seen before the error that aborted: of statements in flight together
    /// a later one may be polled first.
    pub(super) first_abort_seen: OnceLock<Error>,
    /// Whether the block is rolled back although its value is returned (rule 20). Set under the lock of the ledger.
    rollback_only: AtomicBool,
    /// Hooks are added under the lock of the ledger, and taken with the close.
    pub(super) attached: Attachment<Context<S>>,
    /// The time limits of the block, those of the blocks around it included.
    limits: Option<Arc<Limits>>,
}

/// The frame of the same session around a frame.
#[derive(Debug)]
enum Parent<S: Session> {
    None,
    /// The innermost frame of the context around, as nearly always: it is not held twice.
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
        Origin { name, at }: Origin,
    ) -> Self {
        let (above, parent_is_sandboxed) =
            parent.map_or((0, false), |parent| (parent.label.depth, parent.is_sandboxed));
        // Matched once, as every block comes by.
        let (own, is_block, is_sandbox) = match &opening {
            Opening::Begin(settings) => (settings.limits(), true, false),
            Opening::Savepoint(_) | Opening::Sandboxed(_) => (locals.limits(), true, false),
            Opening::Pin => (None, false, false),
            Opening::Sandbox => (None, false, true),
        };
        let limits = own.or_else(|| parent?.limits.as_ref()).cloned();
        let parent = match parent {
            None => Parent::None,
            Some(parent) if outer.head().is_some_and(|head| Arc::ptr_eq(head, parent)) => Parent::Head,
            Some(parent) => Parent::Other(Arc::clone(parent)),
        };
        Self {
            session_state,
            parent,
            outer,
            opening,
            locals,
            label: Label { name, depth: above + u32::from(is_block), opened_at: at },
            number: AtomicU64::new(0),
            is_sandboxed: is_sandbox || parent_is_sandboxed,
            lock: FrameLock::new(),
            aborted_by: OnceLock::new(),
            first_abort_seen: OnceLock::new(),
            rollback_only: AtomicBool::new(false),
            attached: Attachment::new(),
            limits,
        }
    }

    /// This block's own settings, as a step.
    pub(super) fn locals(&self) -> Option<Locals> {
        let has_some = !self.locals.is_empty();
        has_some.then(|| Locals { depth: self.depth(), settings: self.locals.clone() })
    }

    /// The value of a setting, if this block or one around it has set it.
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

    /// The time limits that hold here; nearly always none.
    #[inline]
    pub(crate) fn limits(&self) -> Option<&Limits> {
        self.limits.as_deref()
    }

    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }

    /// How many blocks deep the transaction is: the root is 1, a pinned connection without a transaction 0.
    pub(crate) fn depth(&self) -> u32 {
        self.label.depth
    }

    /// The name of the savepoint of a block that is opened in this one. The outermost blocks of a sandbox have savepoints too.
    pub(super) fn next_savepoint(&self) -> Name {
        Name::Level(self.label.depth + u32::from(self.is_sandboxed))
    }

    /// The block in messages.
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
            Opening::Pin | Opening::Savepoint(_) | Opening::Sandbox | Opening::Sandboxed(_) => None,
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
        // Behind a deadline this is the cause of all else.
        self.limits().map_or(Ok(()), Limits::check)?;
        match self.aborted_by() {
            Some(cause) => Err(aborted(cause)),
            None => Ok(()),
        }
    }

    pub(crate) fn aborted_by(&self) -> Option<&Error> {
        self.aborted_by.get().or_else(|| self.first_abort_seen.get())
    }

    /// Aborts the block: it can only be rolled back. Outside a transaction this does nothing.
    pub(crate) fn abort(&self, cause: Error) {
        if self.in_transaction() {
            // The first cause stays: later ones follow from it.
            let _ = self.aborted_by.set(cause);
        }
    }

    /// Sets the status of the transaction that this frame is part of; false if that is over. A late result, of another task's
    /// statement for instance, must not affect the next transaction of a pinned session.
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
        self.lineage().find(|frame| frame.opening.is_root())
    }

    pub(crate) fn root_name(&self) -> Option<&Arc<str>> {
        self.root()?.label.name.as_ref()
    }

    /// The name of the innermost block around here that has one.
    pub(crate) fn nearest_name(&self) -> Option<&Arc<str>> {
        self.lineage().find_map(|frame| frame.label.name.as_ref())
    }

    /// This frame and those of its session around it.
    pub(super) fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |frame| frame.parent().map(|parent| &**parent))
    }

    /// Whether this frame has ended, by itself or with one around it.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock.is_closed()
    }

    /// Why this frame is open no more, if so.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if !self.is_closed() {
            return Ok(());
        }
        // What ended the session is a better answer than that the frame has ended with it.
        Err(match self.session_state.status() {
            TransactionStatus::Lost(error) if tells_itself(&error) => error,
            _ => self.closed_error(),
        })
    }

    pub(super) fn open_child(&self) -> Option<Arc<Self>> {
        self.lock.child().filter(|child| !child.is_closed())
    }

    /// Whether a statement of this frame, or of one that is open in it, may be in flight.
    pub(crate) fn is_in_use(&self) -> bool {
        let mut inside = std::iter::successors(self.open_child(), |frame| frame.open_child());
        self.lock.is_used() || inside.any(|frame| frame.lock.is_used())
    }

    /// Marks this block, or the root if the caller has joined the transaction: the marked block is rolled back although its
    /// value is returned (rule 20).
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

    /// Whether this block, one around it or the whole transaction is marked: nothing of this block will be kept.
    pub(crate) fn is_rollback_only(&self) -> bool {
        self.lineage().any(Self::is_marked) || matches!(self.session_state.status(), TransactionStatus::RollbackOnly(_))
    }

    /// What a cancellation of statements in this frame must leave intact.
    pub(crate) fn cancel_scope(&self) -> CancelScope {
        match self.opening {
            Opening::Savepoint(_) | Opening::Sandboxed(_) => CancelScope::Transaction,
            Opening::Begin(_) | Opening::Sandbox if self.parent().is_none() => CancelScope::Nothing,
            Opening::Begin(_) | Opening::Pin | Opening::Sandbox => CancelScope::Session,
        }
    }

    /// Closes the frame, and those that are still open in it: their savepoints' names may be reused as soon as the end of
    /// this one is owed. Callers hold the lock of the ledger, so that no flight of these frames is sent after it.
    pub(super) fn close(&self) -> Closed<Self> {
        let mut closed = self.close_alone();
        let mut inside = if closed.was_open() { self.open_child() } else { None };
        while let Some(frame) = inside {
            inside = frame.open_child();
            closed.and_inside(frame);
        }
        closed
    }

    /// As [`close`](Self::close), for a caller that holds the lock: nothing is open in the frame.
    pub(super) fn close_alone(&self) -> Closed<Self> {
        Closed::new(self)
    }

    /// Waits for the permit of a statement, which those of a transaction share.
    ///
    /// # Errors
    /// Any reason why a statement cannot run in this frame, before anything is sent.
    #[inline]
    pub(crate) async fn statement(&self) -> Result<Permit<&Self>, Error> {
        // Outside a transaction a failure aborts nothing, so that the cancellation of a dropped statement must not hit those
        // that were sent behind it: each waits for the one before.
        let is_shared = self.in_transaction() && self.session_state.session().pipelines();
        let mode = if is_shared { LockMode::Shared } else { LockMode::Exclusive(Holder::Named(STATEMENT)) };
        let permit = Permit::acquire(self, mode).await?;
        self.check()?;
        Ok(permit)
    }

    /// Waits for an exclusive permit, for `what`.
    ///
    /// # Errors
    /// As [`statement`](Self::statement).
    pub(crate) async fn alone(self: &Arc<Self>, what: &'static str) -> Result<Permit<Arc<Self>>, Error> {
        let permit = Permit::acquire(Arc::clone(self), LockMode::Exclusive(Holder::Named(what))).await?;
        self.check()?;
        Ok(permit)
    }

    /// As [`alone`](Self::alone), for a stream of rows.
    ///
    /// # Errors
    /// As [`statement`](Self::statement).
    pub(crate) async fn stream(self: &Arc<Self>, usage: &Arc<StreamUse>) -> Result<Permit<Arc<Self>>, Error> {
        let holder = Holder::Stream(Arc::clone(usage));
        let permit = Permit::acquire(Arc::clone(self), LockMode::Exclusive(holder)).await?;
        self.check()?;
        Ok(permit)
    }
}

impl<S: Session> Listed for Frame<S> {
    type Session = S;

    #[inline]
    fn outer(&self) -> &Context<S> {
        &self.outer
    }

    #[inline]
    fn session(&self) -> &S {
        self.session_state.session()
    }
}

impl<S: Session> Lockable for Frame<S> {
    fn lock(&self) -> &FrameLock<Self> {
        &self.lock
    }

    fn label(&self) -> &Label {
        &self.label
    }

    fn turn_timeout(&self) -> Duration {
        self.session_state.session().turn_timeout()
    }

    fn id(&self) -> u64 {
        self.number()
    }

    #[inline]
    fn releases(&self) {
        if let Some(limits) = &self.limits {
            // The transaction is idle from here on.
            limits.touch();
        }
    }
}

/// The error of what comes behind the one that aborted the block.
pub(super) fn aborted(cause: &Error) -> Error {
    Error::new(ErrorKind::Aborted, format!("the block was aborted by an earlier error: {cause}"))
        .with_source(cause.clone())
}
