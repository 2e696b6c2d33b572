//! [`StatementTrace`]: a statement under way, as logs and spans tell of it (rule 75): its span, and the event at its end.

use std::{
    borrow::Cow,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use tracing::{Span, field::Empty};

use super::{
    labels::Labels,
    parameters::shown_parameters,
    place::{DROPPED, Place, error_type, millis},
};
use crate::{
    data::row::Row,
    driver::{Answer, Query, Want},
    error::{Error, shown},
    sql::summary::{summary, without_literals},
    transaction::impact::DriverError,
};

/// A statement under way. Its drop tells that it was dropped.
pub(super) struct StatementTrace<'q> {
    labels: Arc<Labels>,
    pub(super) place: Place,
    sql: Cow<'q, str>,
    /// Whether the text has values in it that are to be left out: it has no parameters that could have them.
    has_literals: bool,
    parameters: Option<String>,
    span: Span,
    since: Instant,
    rows: Option<u64>,
    affected: Option<u64>,
    is_over: bool,
}

impl<'q> StatementTrace<'q> {
    pub(super) fn begin(labels: &Arc<Labels>, place: Place, query: &Query<'q>) -> Self {
        let shows_values = labels.options.parameters;
        let mut statement = Self {
            labels: Arc::clone(labels),
            place,
            sql: query.sql.into(),
            has_literals: query.params.is_empty() && !shows_values,
            parameters: (shows_values && !query.params.is_empty()).then(|| shown_parameters(query.params)),
            span: Span::none(),
            since: Instant::now(),
            rows: None,
            affected: None,
            is_over: false,
        };
        statement.span = statement.new_span();
        statement
    }

    /// The same for a stream, which outlives the call.
    fn into_owned(mut self) -> StatementTrace<'static> {
        self.is_over = true;
        StatementTrace {
            labels: Arc::clone(&self.labels),
            place: mem::take(&mut self.place),
            sql: mem::take(&mut self.sql).into_owned().into(),
            has_literals: self.has_literals,
            parameters: self.parameters.take(),
            span: mem::replace(&mut self.span, Span::none()),
            since: self.since,
            rows: self.rows,
            affected: self.affected,
            is_over: false,
        }
    }

    fn new_span(&self) -> Span {
        let Labels { driver, .. } = &*self.labels;
        let span = tracing::debug_span!(
            target: "nestling",
            "statement",
            "otel.name" = Empty,
            "otel.kind" = "client",
            "db.system.name" = driver.system_name(),
            "db.namespace" = driver.namespace(),
            "server.address" = self.labels.server().0,
            "server.port" = self.labels.server().1,
            "db.operation.name" = Empty,
            "db.query.summary" = Empty,
            "db.query.text" = &*self.text(),
            "nestling.query.parameters" = self.parameters.as_deref(),
            "nestling.database" = self.labels.name(),
            "nestling.transaction.name" = self.place.transaction.as_deref(),
            "nestling.block.name" = self.place.block.as_deref(),
            "nestling.depth" = self.place.depth,
            "db.response.returned_rows" = Empty,
            "nestling.affected_rows" = Empty,
            "db.response.status_code" = Empty,
            "error.type" = Empty,
            "otel.status_code" = Empty
        );
        if !span.is_disabled() {
            let summary = self.summary();
            span.record("otel.name", if summary.is_empty() { driver.system_name() } else { &summary });
            if summary == "BATCH" {
                span.record("db.operation.name", "BATCH");
            }
            span.record("db.query.summary", summary);
        }
        span
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    fn summary(&self) -> String {
        summary(&self.sql, self.labels.driver.dialect().syntax())
    }

    fn text(&self) -> Cow<'_, str> {
        match shown(&self.sql) {
            text if self.has_literals => without_literals(&text, self.labels.driver.dialect().syntax()).into(),
            text => text,
        }
    }

    /// The answer has come. Of a stream the end is told with its last row.
    pub(super) fn answered(mut self, mut answer: Answer, query: &Query<'_>, want: Want) -> Answer {
        match want {
            Want::Count => self.affected = Some(answer.affected),
            // What a reader has taken is counted by the driver alone.
            Want::Rows if query.reader.is_some() => self.rows = Some(answer.affected),
            // It writes, and has no RETURNING.
            Want::Rows if answer.rows.is_empty() && answer.affected > 0 => self.affected = Some(answer.affected),
            Want::Rows => self.rows = Some(answer.rows.len() as u64),
            Want::Stream | Want::Batch => {}
        }
        match answer.stream.take() {
            Some(rows) => {
                self.rows = Some(0);
                answer.stream = Some(TracedRows { rows, statement: self.into_owned() }.boxed());
            }
            None => self.end(None),
        }
        answer
    }

    /// It has ended, in an error or well.
    pub(super) fn end(&mut self, error: Option<&Error>) {
        let kind = error.map(error_type);
        self.span.record("db.response.returned_rows", self.rows);
        self.span.record("nestling.affected_rows", self.affected);
        if let Some(error) = error {
            self.span.record("db.response.status_code", error.code());
            self.span.record("otel.status_code", "ERROR");
        }
        self.tell(kind.as_deref(), error);
    }

    fn tell(&mut self, error_type: Option<&str>, error: Option<&Error>) {
        self.is_over = true;
        self.span.record("error.type", error_type);
        let taken = self.since.elapsed();
        let is_slow = taken >= self.labels.options.slow;
        let what = match (error_type, error) {
            (_, Some(_)) => "statement failed",
            (Some(_), None) => "statement dropped",
            (None, None) if is_slow => "statement was slow",
            (None, None) => "statement",
        };
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "nestling",
                    { "db.query.summary" = self.summary(),
                    "db.query.text" = &*self.text(),
                    "nestling.query.parameters" = self.parameters.as_deref(),
                    "nestling.duration_ms" = millis(taken),
                    "db.response.returned_rows" = self.rows,
                    "nestling.affected_rows" = self.affected,
                    "db.response.status_code" = error.and_then(Error::code),
                    "error.type" = error_type,
                    // Where literals are left out, the server's words may repeat one.
                    "exception.message" = error.filter(|_| !self.has_literals).map(display),
                    "nestling.database" = self.labels.name(),
                    "nestling.transaction.name" = self.place.transaction.as_deref(),
                    "nestling.block.name" = self.place.block.as_deref(),
                    "nestling.depth" = self.place.depth },
                    "{what}"
                )
            };
        }
        if is_slow || error.is_some() { tell!(warn) } else { tell!(debug) }
    }
}

impl Drop for StatementTrace<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.tell(Some(DROPPED), None);
        }
    }
}

/// The rows of a stream, which are counted.
struct TracedRows {
    // Dropped ahead of the statement, whose end it is.
    rows: BoxStream<'static, Result<Row, DriverError>>,
    statement: StatementTrace<'static>,
}

impl Stream for TracedRows {
    type Item = Result<Row, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { rows, statement } = &mut *self;
        let next = statement.span.in_scope(|| rows.poll_next_unpin(cx));
        match &next {
            Poll::Ready(Some(Ok(_))) => statement.rows = statement.rows.map(|rows| rows + 1),
            Poll::Ready(Some(Err(fault))) => statement.end(Some(&fault.error)),
            Poll::Ready(None) if !statement.is_over => statement.end(None),
            Poll::Ready(None) | Poll::Pending => {}
        }
        next
    }
}
