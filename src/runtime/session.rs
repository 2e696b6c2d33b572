//! The session of the runtime: what is asked of one ([`Session`]), and what all its frames share ([`SessionState`]): the
//! session itself, its ledger, and the status of the transaction as a whole.

use std::{
    fmt::Debug,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{
    error::{Error, ErrorKind},
    transaction::{
        control::{Control, Ledger, Steps, Tally},
        impact::{CancelScope, DriverError},
        owed::Owed,
    },
};

/// A session at a server, as the runtime sees it. `session::DbSession` implements it over a leased connection.
pub(crate) trait Session: Debug + Send + Sync + Sized + 'static {
    /// The database that the session belongs to: frames are looked up by it (rule 1).
    fn database(&self) -> usize;

    /// How long a statement or a block waits for its permit.
    fn turn_timeout(&self) -> Duration;

    /// Sends `steps`, which end the transaction, and waits for the answer. The future runs to its end even when its caller
    /// is dropped.
    fn finish(
        session_state: Arc<SessionState<Self>>,
        steps: Steps,
    ) -> impl Future<Output = Result<(), DriverError>> + Send + 'static;

    /// Whether several statements may be in flight at once. Where they may not, each has the lock of its frame alone, so
    /// that nothing of a block that has ended waits in line at the driver.
    fn pipelines(&self) -> bool;

    /// Whether an answer is outstanding on the connection.
    fn is_at_work(&self) -> bool;

    /// Whether the server undoes settings with the savepoint that they were made behind; else they are set back.
    fn undoes_settings(&self) -> bool;

    /// What is in flight was dropped, or belongs to a block that has ended: takes it from its holder, and has the server
    /// stop it before anything else is sent. MUST NOT block.
    fn interrupt(&self, scope: CancelScope);

    /// The block that owns the session has ended: gives the connection back once it is idle, or throws it away. MUST NOT
    /// block; called once, maybe while statements of other tasks are still in flight. Work that must come first is done in the
    /// task that is returned.
    fn release(&self) -> Option<JoinHandle<()>>;

    /// Counts steps that were owed, cancelled or sent.
    fn count(&self, tally: Tally);
}

/// The status of the transaction as a whole, apart from that of its frames.
#[derive(Debug, Clone, Default)]
pub(super) enum TransactionStatus {
    /// Nothing is wrong.
    #[default]
    Whole,
    /// A joined `transaction` failed: nothing more is sent, and the root rolls back (rules 26, 27).
    RollbackOnly(Error),
    /// The server has rolled the transaction back, or never began it (rules 19, 32).
    Gone(Error),
    /// The connection is lost or taken away, and the session with it (rules 33, 34).
    Lost(Error),
}

/// Whether the reason why a session was taken away is what its users are told, rather than that it is lost.
pub(super) fn tells_itself(reason: &Error) -> bool {
    matches!(reason.kind(), ErrorKind::Closed | ErrorKind::IdleTimeout)
}

/// One session with its ledger, shared by the frames that are open on it.
#[derive(Debug)]
pub(crate) struct SessionState<S: Session> {
    session: S,
    ledger: Mutex<Ledger>,
    status: Mutex<TransactionStatus>,
    /// Whether `status` is set: it is read for every statement and almost never set.
    has_status: AtomicBool,
    /// How often the connection was replaced. Changed with the ledger: an older lease takes no steps any more.
    epoch: AtomicU64,
}

impl<S: Session> SessionState<S> {
    /// A state whose ledger begins with `owed`.
    pub(crate) fn new(session: S, owed: Option<Control>) -> Self {
        let mut ledger = Ledger::default();
        owed.into_iter().for_each(|step| ledger.owe(step));
        session.count(ledger.take_tally());
        Self {
            session,
            ledger: Mutex::new(ledger),
            status: Mutex::default(),
            has_status: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
        }
    }

    pub(crate) fn session(&self) -> &S {
        &self.session
    }

    /// Changes the ledger and counts what that owed, cancelled or sent.
    #[inline]
    pub(crate) fn with_ledger<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger();
        let out = change(&mut ledger);
        let tally = ledger.take_tally();
        drop(ledger);
        self.session.count(tally);
        out
    }

    /// Takes all that is owed, if `check` allows it under the lock of the ledger.
    pub(super) fn take(&self, check: impl FnOnce() -> Result<(), Error>) -> Result<Owed<'_>, Error> {
        let mut ledger = self.ledger();
        check()?;
        let steps = ledger.take();
        self.session.count(ledger.take_tally());
        Ok(Owed::new(steps, ledger))
    }

    /// Takes nothing, for the flight that ends a transaction, which has its steps already. Where the session was taken away
    /// meanwhile it must not be sent, or a COMMIT behind a foreign ROLLBACK would succeed.
    ///
    /// # Errors
    /// The session is lost.
    pub(crate) fn take_nothing(&self) -> Result<Owed<'_>, Error> {
        let ledger = self.ledger();
        match self.status() {
            TransactionStatus::Lost(error) => Err(error),
            TransactionStatus::Whole | TransactionStatus::RollbackOnly(_) | TransactionStatus::Gone(_) => {
                Ok(Owed::new(Steps::new(), ledger))
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing can panic half-way through a change of the ledger. A driver may while it sends, with the change made.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the status of the transaction. The first cause is kept; only a worse status replaces it. Callers hold the lock
    /// of the ledger, under which the end of a block reads the status; the returned value is dropped outside that lock.
    pub(super) fn decide(&self, status: TransactionStatus) -> Option<TransactionStatus> {
        let mut current = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let replaces = matches!(
            (&*current, &status),
            (TransactionStatus::Whole, _)
                | (TransactionStatus::RollbackOnly(_), TransactionStatus::Gone(_) | TransactionStatus::Lost(_))
                | (TransactionStatus::Gone(_), TransactionStatus::Lost(_))
        );
        if !replaces {
            return Some(status);
        }
        self.has_status.store(true, Ordering::Release);
        Some(std::mem::replace(&mut *current, status))
    }

    /// Takes the session away, whatever is open on it: every later use fails with `error` as its source. Nothing is sent
    /// between this and what the caller sends next.
    pub(crate) fn lose(&self, error: Error) {
        let replaced = self.with_ledger(|_| self.decide(TransactionStatus::Lost(error)));
        drop(replaced);
    }

    /// How often the connection was replaced so far.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Replaces a connection on which nothing took effect: what it was sent is owed again, and a holder of the old one can
    /// take no steps.
    pub(crate) fn replace(&self) {
        self.with_ledger(|ledger| {
            ledger.reset();
            self.epoch.fetch_add(1, Ordering::AcqRel);
        });
    }

    pub(super) fn status(&self) -> TransactionStatus {
        if !self.has_status.load(Ordering::Acquire) {
            return TransactionStatus::Whole;
        }
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing may be sent, if so.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.status() {
            TransactionStatus::Whole => Ok(()),
            TransactionStatus::RollbackOnly(source) => {
                Err(Error::new(ErrorKind::RollbackOnly, "the transaction is marked for rollback").with_source(source))
            }
            TransactionStatus::Gone(source) => {
                let text = format!("the transaction was rolled back by an earlier error: {source}");
                Err(Error::new(ErrorKind::Aborted, text).with_source(source))
            }
            TransactionStatus::Lost(source) if tells_itself(&source) => Err(source),
            TransactionStatus::Lost(source) => {
                Err(Error::new(ErrorKind::ConnectionLost, "the connection of this transaction is lost")
                    .with_source(source))
            }
        }
    }

    /// The root has ended: the next transaction of a pinned session begins anew, unless the session itself is lost.
    pub(super) fn settle(&self) {
        self.settle_unless(|status| matches!(status, TransactionStatus::Lost(_)));
    }

    /// An outermost block of a sandbox has ended: the next one begins anew, unless the sandbox's own transaction is gone.
    pub(super) fn settle_in_sandbox(&self) {
        self.settle_unless(|status| matches!(status, TransactionStatus::Lost(_) | TransactionStatus::Gone(_)));
    }

    fn settle_unless(&self, stays: impl FnOnce(&TransactionStatus) -> bool) {
        if !self.has_status.load(Ordering::Acquire) {
            return;
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if !stays(&status) {
            let over = std::mem::take(&mut *status);
            self.has_status.store(false, Ordering::Release);
            drop(status);
            drop(over);
        }
    }
}
