//! [`OpenTransaction`]: what is known of a transaction that the server has open, while somebody listens; its end is an event
//! (rule 75).

use std::{sync::Arc, time::Instant};

use super::{
    labels::Labels,
    place::{error_type, millis},
};
use crate::{
    error::Error,
    runtime::{CallSite, Frame, Session},
    transaction::outcome::TransactionEnd,
};

/// A transaction that is open at its server. Dropped before its end is known, it is lost.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    labels: Arc<Labels>,
    id: u64,
    pub(crate) name: Option<Arc<str>>,
    opened_at: CallSite,
    since: Instant,
    pub(crate) statements: u64,
    pub(crate) flights: u64,
    /// Whether its end was told.
    is_over: bool,
}

impl OpenTransaction {
    /// The transaction that `frame` is part of, as its BEGIN is sent.
    pub(crate) fn begun<S: Session>(labels: &Arc<Labels>, frame: &Frame<S>) -> Box<Self> {
        let root = frame.root().unwrap_or(frame);
        let label = root.label();
        Box::new(Self {
            labels: Arc::clone(labels),
            id: frame.number(),
            name: label.name.clone(),
            opened_at: label.opened_at,
            since: Instant::now(),
            statements: 0,
            flights: 0,
            is_over: false,
        })
    }

    /// It begins anew on another connection, as nothing of it has taken effect.
    pub(crate) fn forget(&mut self) {
        self.is_over = true;
    }

    /// It has ended, with an error if that was not what the block wanted.
    pub(crate) fn end(&mut self, end: TransactionEnd, error: Option<&Error>) {
        self.is_over = true;
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "nestling",
                    { "nestling.transaction.outcome" = end.as_str(),
                    "nestling.transaction.statements" = self.statements,
                    "nestling.transaction.flights" = self.flights,
                    "nestling.duration_ms" = millis(self.since.elapsed()),
                    "nestling.opened_at" = self.opened_at.location().map(tracing::field::display),
                    "db.response.status_code" = error.and_then(Error::code),
                    "error.type" = error.map(error_type).as_deref(),
                    "exception.message" = error.map(tracing::field::display),
                    "nestling.database" = self.labels.name(),
                    "nestling.transaction.name" = self.name.as_deref(),
                    "nestling.transaction.id" = self.id },
                    "transaction ended"
                )
            };
        }
        if error.is_some() || matches!(end, TransactionEnd::Unknown | TransactionEnd::Lost) {
            tell!(warn);
        } else {
            tell!(debug);
        }
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(TransactionEnd::Lost, None);
        }
    }
}
