//! [`TransactionSpan`]: the span around a transaction, in which its body and its end run (rule 75).

pub(crate) use tracing::span::Entered as EnteredSpan;
use tracing::{Instrument as _, Span, field::Empty};

use super::labels::Labels;
use crate::runtime::{Frame, Session};

/// The span of a transaction; none for a nested block, and where nobody listens.
#[derive(Debug)]
pub(crate) struct TransactionSpan(Span);

impl TransactionSpan {
    /// The span for the body of a block.
    pub(crate) fn of<S: Session>(frame: &Frame<S>) -> Self {
        if !frame.is_root() {
            return Self(Span::none());
        }
        Self(tracing::debug_span!(
            target: "nestling",
            "transaction",
            "nestling.transaction.name" = frame.root_name().map(|name| &**name),
            "nestling.transaction.id" = frame.number(),
            "nestling.database" = Empty,
            "nestling.opened_at" = Empty,
            "otel.status_code" = Empty
        ))
    }

    pub(crate) fn enter(&self) -> EnteredSpan<'_> {
        self.0.enter()
    }

    /// Runs a part of it.
    pub(crate) async fn part<T>(&self, work: impl Future<Output = T>) -> T {
        work.instrument(self.0.clone()).await
    }

    /// Tells the rest: ahead of the end it would stand in each line of a log.
    pub(crate) fn ended(&self, labels: &Labels, frame: &Frame<impl Session>, has_failed: bool) {
        if self.0.is_disabled() {
            return;
        }
        self.0.record("nestling.database", labels.name());
        if let Some(at) = frame.label().opened_at.location() {
            self.0.record("nestling.opened_at", tracing::field::display(at));
        }
        if has_failed {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}
