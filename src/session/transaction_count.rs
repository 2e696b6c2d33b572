//! The transaction that the server has open for a session: counted from its BEGIN to its end, whoever sends that, and told to
//! those who listen.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use super::session::DbSession;
use crate::{
    runtime::Frame,
    traces::{self, OpenTransaction},
    transaction::{control::Control, outcome::TransactionEnd},
};

impl DbSession {
    /// Notes the steps that are sent with a statement of `frame`, to count open transactions and to tell of them. Returns the one that
    /// is over with them, which is told when no lock is held any more.
    pub(super) fn note(&self, frame: &Frame<Self>, steps: &[Control]) -> Option<Box<OpenTransaction>> {
        let mut over = None;
        for step in steps {
            match step {
                Control::Begin(_) => {
                    if frame.root().is_some_and(|root| root.parent().is_some()) {
                        *self.begun() = Some(Instant::now());
                    }
                    if traces::listens() {
                        let begun = OpenTransaction::begun(self.labels(), frame);
                        over = self.transaction().replace(begun).or(over);
                    }
                    if !self.counted.swap(true, Ordering::AcqRel) {
                        self.shared().counters.transactions.add(1);
                    }
                }
                Control::Rollback => {
                    self.ended(TransactionEnd::RolledBack);
                    over = self.take_transaction();
                }
                _ => {}
            }
        }
        over
    }

    fn transaction(&self) -> MutexGuard<'_, Option<Box<OpenTransaction>>> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something for the transaction that the server has open, if somebody listens to its end.
    #[cold]
    pub(super) fn count_in_transaction(&self, count: impl FnOnce(&mut OpenTransaction)) {
        if let Some(transaction) = &mut *self.transaction() {
            count(transaction);
        }
    }

    /// The transaction that the server has open, for the one that ends it.
    pub(super) fn take_transaction(&self) -> Option<Box<OpenTransaction>> {
        self.transaction().take()
    }

    fn begun(&self) -> MutexGuard<'_, Option<Instant>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The age of the transaction that is open at the server, if one is; the session is leased since some moment.
    pub(super) fn age_since(&self, leased: Instant) -> Option<Duration> {
        self.counted.load(Ordering::Acquire).then(|| self.begun().unwrap_or(leased).elapsed())
    }

    /// The server has no transaction open any more.
    pub(super) fn ended(&self, end: TransactionEnd) {
        if self.uncount() {
            self.shared().counters.count_end(end);
            self.shared().pool.instruments().transaction_ended(end.as_str());
        }
    }

    /// Whether the server had a transaction open, which it has no more.
    pub(super) fn uncount(&self) -> bool {
        let was_open = self.counted.swap(false, Ordering::AcqRel);
        if was_open {
            self.shared().counters.transactions.sub(1);
        }
        was_open
    }
}
