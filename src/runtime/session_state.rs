//! The state of a session: what all frames of one session share, that is the session itself, its ledger, and the status of the
//! transaction as a whole. Used by frames and blocks; it knows nothing of contexts.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::Session;
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        control::{Control, Ledger, Steps},
        owed::Owed,
    },
};

/// What is to become of the whole transaction, whatever its frames do.
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

/// One session with its ledger, shared by the frames that are open on it.
#[derive(Debug)]
pub(crate) struct SessionState<S: Session> {
    session: S,
    ledger: Mutex<Ledger>,
    status: Mutex<TransactionStatus>,
    /// Whether `status` is worth a look: it is read for every statement and almost never set.
    ill: AtomicBool,
    /// How often the connection was replaced. Changed with the ledger: what was leased before pays nothing any more.
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
            ill: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
        }
    }

    pub(crate) fn session(&self) -> &S {
        &self.session
    }

    /// Changes the ledger and counts what that owed, cancelled or sent.
    pub(crate) fn with_ledger<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger();
        let out = change(&mut ledger);
        let tally = ledger.take_tally();
        drop(ledger);
        self.session.count(tally);
        out
    }

    /// Takes all that is owed, if `check`, made under the lock of the ledger, allows it.
    pub(super) fn take(&self, check: impl FnOnce() -> Result<(), Error>) -> Result<Owed<'_>, Error> {
        let mut ledger = self.ledger();
        check()?;
        let steps = ledger.take();
        self.session.count(ledger.take_tally());
        Ok(Owed::new(steps, ledger))
    }

    /// For the flight that ends a transaction: its steps are given with it, and it owes nothing more. But where the session
    /// was taken away meanwhile it must not be sent, or a COMMIT behind a foreign ROLLBACK would succeed.
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

    /// The transaction is lost as a whole. The first cause is kept; only the loss of the session itself replaces it.
    /// Callers hold the ledger's lock, as whoever ends a block reads it there; what is given back is dropped outside it.
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
        self.ill.store(true, Ordering::Release);
        Some(std::mem::replace(&mut *current, status))
    }

    /// The session is taken away, whatever is open on it: every later use fails with `error` as its source. Nothing is
    /// sent between this and what the caller sends next.
    pub(crate) fn lose(&self, error: Error) {
        let replaced = self.with_ledger(|_| self.decide(TransactionStatus::Lost(error)));
        drop(replaced);
    }

    /// How often the connection was replaced so far.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The connection is replaced before anything took effect on it: what it was sent is owed again, and what still
    /// holds the old one can pay nothing.
    pub(crate) fn replace(&self) {
        self.with_ledger(|ledger| {
            ledger.reset();
            self.epoch.fetch_add(1, Ordering::AcqRel);
        });
    }

    pub(super) fn status(&self) -> TransactionStatus {
        if !self.ill.load(Ordering::Acquire) {
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
                Err(Error::new(ErrorKind::Aborted, "the transaction was rolled back by an earlier error")
                    .with_source(source))
            }
            TransactionStatus::Lost(source) if source.kind() == ErrorKind::Closed => Err(source),
            TransactionStatus::Lost(source) => {
                Err(Error::new(ErrorKind::ConnectionLost, "the connection of this transaction is lost")
                    .with_source(source))
            }
        }
    }

    /// The root has ended: the next transaction of a pinned session begins anew, unless the session itself is lost.
    pub(super) fn settle(&self) {
        if !self.ill.load(Ordering::Acquire) {
            return;
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*status, TransactionStatus::Lost(_)) {
            let over = std::mem::take(&mut *status);
            self.ill.store(false, Ordering::Release);
            drop(status);
            drop(over);
        }
    }
}
