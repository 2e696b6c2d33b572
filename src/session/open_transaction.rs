//! [`OpenTransaction`]: what is known of a transaction that the server has open, while somebody listens; its end is an event
//! (rule 75).

use std::{sync::Arc, time::Instant};

use super::{
    labels::Labels,
    place::{error_type, millis},
};
use crate::{
    error::{Error, ErrorKind},
    runtime::{CallSite, Frame, Session},
    transaction::impact::{DriverError, Impact},
};

/// How a transaction has ended at its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed,
    RolledBack,
    /// The answer to its COMMIT is missing.
    Unknown,
    /// Its connection is lost, or was thrown away.
    Lost,
}

impl Outcome {
    /// That of a COMMIT, or of a ROLLBACK.
    pub(super) fn of(is_commit: bool, result: &Result<(), DriverError>) -> Self {
        match result {
            Ok(()) if is_commit => Self::Committed,
            Ok(()) => Self::RolledBack,
            Err(fault) if is_commit && fault.error.kind() == ErrorKind::CommitUnknown => Self::Unknown,
            Err(fault) if is_commit && !matches!(fault.impact, Impact::Connection | Impact::NotSent) => {
                Self::RolledBack
            }
            Err(_) => Self::Lost,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled back",
            Self::Unknown => "unknown",
            Self::Lost => "lost",
        }
    }
}

/// A transaction that is open at its server. Dropped before its end is known, it is lost.
#[derive(Debug)]
pub(super) struct OpenTransaction {
    labels: Arc<Labels>,
    id: u64,
    pub(super) name: Option<Arc<str>>,
    opened_at: CallSite,
    since: Instant,
    pub(super) statements: u64,
    pub(super) flights: u64,
    /// Whether its end was told.
    is_over: bool,
}

impl OpenTransaction {
    /// The transaction that `frame` is part of, as its BEGIN is sent.
    pub(super) fn begun<S: Session>(labels: &Arc<Labels>, frame: &Frame<S>) -> Box<Self> {
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
    pub(super) fn forget(&mut self) {
        self.is_over = true;
    }

    /// It has ended, with an error if that was not what the block wanted.
    pub(super) fn end(&mut self, outcome: Outcome, error: Option<&Error>) {
        self.is_over = true;
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "nestling",
                    { "nestling.transaction.outcome" = outcome.name(),
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
        if error.is_some() || matches!(outcome, Outcome::Unknown | Outcome::Lost) { tell!(warn) } else { tell!(debug) }
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Outcome::Lost, None);
        }
    }
}
