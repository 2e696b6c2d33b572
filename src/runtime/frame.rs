//! A frame: one open block of a session. It knows its parent and its depth, hands out turns, and says whether a
//! statement may still run in it. Opening and ending it in order is the work of [`Block`](super::Block).

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Context, Session, Trunk,
    trunk::Fate,
    turn::{Purpose, Turn, Turnstile},
};
use crate::{
    control::{Control, Name, Settings},
    error::{Error, ErrorKind},
    fault::{Debt, Fault, Sparing, Verdict},
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

/// How a block is called in messages: its name if it has one, and its depth.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) depth: u32,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "\"{name}\" at depth {}", self.depth),
            None => write!(f, "at depth {}", self.depth),
        }
    }
}

/// One open block. What ends with a block belongs in here.
#[derive(Debug)]
pub(crate) struct Frame<S: Session> {
    trunk: Arc<Trunk<S>>,
    parent: Option<Arc<Self>>,
    /// What was in place around the block: frames of other databases are found there.
    outer: Context<S>,
    opening: Opening,
    label: Label,
    turnstile: Turnstile,
    /// Set once, under the ledger's lock: nothing of this frame is sent after it (rule 6).
    closed: AtomicBool,
    /// The first error that doomed this frame (rule 31).
    doom: OnceLock<Error>,
}

impl<S: Session> Frame<S> {
    pub(super) fn new(
        trunk: Arc<Trunk<S>>,
        parent: Option<Arc<Self>>,
        outer: Context<S>,
        opening: Opening,
        name: Option<Arc<str>>,
    ) -> Self {
        let above = parent.as_ref().map_or(0, |parent| parent.label.depth);
        let depth = if matches!(opening, Opening::Pin) { above } else { above + 1 };
        Self {
            trunk,
            parent,
            outer,
            opening,
            label: Label { name, depth },
            turnstile: Turnstile::new(),
            closed: AtomicBool::new(false),
            doom: OnceLock::new(),
        }
    }

    pub(crate) fn trunk(&self) -> &Arc<Trunk<S>> {
        &self.trunk
    }

    pub(crate) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
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

    pub(super) fn turnstile(&self) -> &Turnstile {
        &self.turnstile
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

    /// Whether a savepoint of this name is open, or may come to be open: generated names are `s` and a number.
    pub(crate) fn has_savepoint(&self, name: &str) -> bool {
        let digits = name.strip_prefix(['s', 'S']).unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return true;
        }
        std::iter::successors(Some(self), |frame| frame.parent.as_deref()).any(|frame| match &frame.opening {
            Opening::Savepoint(Name::Given(open)) => open.to_lowercase() == name.to_lowercase(),
            _ => false,
        })
    }

    /// Why nothing may be sent in this frame, if so.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_open()?;
        self.trunk.check()?;
        match self.doom.get() {
            Some(cause) => Err(aborted(cause)),
            None => Ok(()),
        }
    }

    pub(super) fn closed_error(&self) -> Error {
        Error::new(ErrorKind::FrameClosed, format!("the block {} that this belongs to has ended", self.label))
    }

    pub(crate) fn doom(&self) -> Option<&Error> {
        self.doom.get()
    }

    /// Nothing of this frame can be kept, because of `cause`. Outside a transaction there is nothing to doom.
    pub(crate) fn set_doom(&self, cause: Error) {
        if self.in_transaction() {
            // The first cause stays: later ones follow from it.
            let _ = self.doom.set(cause);
        }
    }

    /// Decides the fate of the transaction that this frame is part of, unless it is over: what comes late, from a
    /// statement of another task say, must not hit the next transaction of a pinned session.
    pub(super) fn decide(&self, fate: Fate) {
        // The root is closed under the same lock, and the fate is reset after that.
        self.trunk.with_ledger(|_| {
            if self.root().is_some_and(|root| !root.is_closed()) {
                self.trunk.decide(fate);
            }
        });
    }

    /// The frame that began the transaction; none outside of one.
    fn root(&self) -> Option<&Self> {
        self.lineage().find(|frame| matches!(frame.opening, Opening::Begin(_)))
    }

    /// This frame and those of its session around it.
    fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |frame| frame.parent.as_deref())
    }

    /// Whether this frame has ended, or one around it, and this one with it: a block that another task has opened does
    /// not keep the block around it open.
    pub(super) fn is_closed(&self) -> bool {
        self.lineage().any(|frame| frame.closed.load(Ordering::Acquire))
    }

    /// Why this frame is open no more, if so.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        let Some(ended) = self.lineage().find(|frame| frame.closed.load(Ordering::Acquire)) else {
            return Ok(());
        };
        // What ended the session is a better answer than that the frame has ended with it.
        Err(match self.trunk.fate() {
            Fate::Lost(error) if error.kind() == ErrorKind::Closed => error,
            _ => ended.closed_error(),
        })
    }

    /// Marks the whole transaction: its root rolls back, and returns its value all the same (rule 20).
    ///
    /// # Errors
    /// There is no transaction, or it is over.
    pub(crate) fn set_rollback_only(&self) -> Result<(), Error> {
        if !self.in_transaction() {
            return Err(Error::new(ErrorKind::NoTransaction, "there is no transaction to mark for rollback"));
        }
        self.trunk.with_ledger(|_| self.check_open().map(|()| self.trunk.set_quiet()))
    }

    /// What must be left whole when that is stopped which was dropped in this frame, or with it.
    pub(super) fn spares(&self) -> Sparing {
        match self.opening {
            Opening::Savepoint(_) => Sparing::Transaction,
            Opening::Begin(_) | Opening::Pin => Sparing::Nothing,
        }
    }

    /// Closes the frame. Callers hold the ledger's lock, so that no flight of this frame is sent after it.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.turnstile.close();
    }

    /// Waits for a turn that the statements of a transaction share.
    ///
    /// # Errors
    /// Any reason why a statement cannot run in this frame, before anything is sent.
    pub(crate) async fn statement(self: &Arc<Self>) -> Result<Turn<S>, Error> {
        // Outside a transaction a failure dooms nothing, so that one that is dropped and cancelled must not take along
        // those that were sent behind it: each waits for the one before.
        let purpose = if self.in_transaction() { Purpose::Statement } else { Purpose::Alone("a statement") };
        let turn = Turn::take(self, purpose).await?;
        self.check()?;
        Ok(turn)
    }

    /// Waits for a turn that nobody shares, for `what`.
    ///
    /// # Errors
    /// As [`statement`](Self::statement).
    pub(crate) async fn alone(self: &Arc<Self>, what: &'static str) -> Result<Turn<S>, Error> {
        let turn = Turn::take(self, Purpose::Alone(what)).await?;
        self.check()?;
        Ok(turn)
    }

    /// Acts on an error of a flight, and gives the error that the caller is to see.
    pub(crate) fn fail(&self, fault: Fault) -> Error {
        let Fault { error, verdict } = fault;
        match verdict {
            Verdict::Kept => error,
            // Statements that were in flight together with the first failure fail because of it.
            Verdict::Doomed if self.in_transaction() => match self.doom.get() {
                Some(cause) if error.code() == Some("25P02") => aborted(cause),
                _ => {
                    self.set_doom(error.clone());
                    error
                }
            },
            Verdict::Doomed => error,
            Verdict::Gone => {
                self.decide(Fate::Gone(error.clone()));
                error
            }
            Verdict::Lost | Verdict::Unsent => {
                self.trunk.decide(Fate::Lost(error.clone()));
                error
            }
        }
    }
}

fn aborted(cause: &Error) -> Error {
    Error::new(ErrorKind::Aborted, "the block was aborted by an earlier error").with_source(cause.clone())
}

/// One flight of a frame under way: it pays the frame's debt, and its drop half-way has consequences.
///
/// # Cancel safety
/// Dropped before it was sent, it leaves no trace. Dropped in flight, nobody knows what the statement did: the server is
/// asked to stop it, and the frame is doomed, on every back end alike (rules 37, 38).
#[derive(Debug)]
pub(crate) struct Flight<'f, S: Session> {
    frame: &'f Arc<Frame<S>>,
    sent: AtomicBool,
}

impl<'f, S: Session> Flight<'f, S> {
    pub(crate) fn new(frame: &'f Arc<Frame<S>>) -> Self {
        Self { frame, sent: AtomicBool::new(false) }
    }

    /// The answer is here, good or bad: dropping the flight is now without consequence.
    pub(crate) fn landed(&self) {
        self.sent.store(false, Ordering::Relaxed);
    }
}

impl<S: Session> Debt for Flight<'_, S> {
    fn pay(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error> {
        self.frame.trunk.with_ledger(|ledger| {
            self.frame.check()?;
            let steps = ledger.take();
            self.sent.store(true, Ordering::Relaxed);
            send(&steps);
            Ok(())
        })
    }

    fn needs_transaction(&self) -> bool {
        self.frame.in_transaction()
    }
}

impl<S: Session> Drop for Flight<'_, S> {
    fn drop(&mut self) {
        if *self.sent.get_mut() {
            self.frame.set_doom(Error::new(
                ErrorKind::Cancelled,
                "a statement was dropped while the server was at work on it",
            ));
            // A frame that was rolled back has stopped what was in flight: now it would be what came after.
            if !self.frame.is_closed() {
                self.frame.trunk.session().interrupt(self.frame.spares());
            }
        }
    }
}
