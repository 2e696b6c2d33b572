//! The calls that trace: waits for connections, statements and the steps ahead of them, ends of transactions, attempts. Where
//! nobody listens each call is one check.

use std::{
    borrow::Cow,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Instrument as _, Level, Span, field::Empty};

use super::{
    labels::Labels,
    open_transaction::OpenTransaction,
    place::{DROPPED, Place, error_type, millis},
    statement::StatementTrace,
    steps::Sent,
};
use crate::{
    driver::{Answer, Query, Running, Want},
    error::Error,
    runtime::{Frame, Session},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
        outcome::TransactionEnd,
    },
};

/// A flight, as far as traces need to know it.
pub(crate) trait Traced {
    type Session: Session;

    fn labels(&self) -> &Arc<Labels>;

    /// The block that it belongs to, if it is open.
    fn frame(&self) -> Option<&Frame<Self::Session>>;

    /// The steps that were sent with it and were not traced yet.
    fn take_sent(&self) -> Option<Box<Sent>>;

    /// It has a statement.
    fn count_statement(&self);
}

/// Whether somebody listens to spans, and to all events.
#[inline]
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: "nestling", Level::DEBUG)
}

/// Whether somebody listens at least to what failed or was slow.
#[inline]
pub(crate) fn listens() -> bool {
    tracing::enabled!(target: "nestling", Level::WARN)
}

/// Emits an event for each step that was sent with a flight.
fn step_events(flight: &impl Traced, error: Option<&str>) {
    if let Some(sent) = flight.take_sent() {
        sent.tell(flight.labels(), &Place::of(flight.frame()), error);
    }
}

/// Emits the events for the steps that were sent with a flight that was dropped.
pub(crate) fn dropped(flight: &impl Traced) {
    step_events(flight, Some(DROPPED));
}

/// Traces a statement, with the steps that were sent ahead of it.
pub(crate) async fn statement<'q>(
    flight: &impl Traced,
    query: &Query<'_>,
    want: Want,
    work: impl FnOnce() -> Running<'q, Answer>,
) -> Result<Answer, DriverError> {
    if !listens() {
        return work().await;
    }
    // Boxed, so that statements that are not traced do not carry it.
    Box::pin(traced(flight, query, want, async { work().await })).await
}

async fn traced(
    flight: &impl Traced,
    query: &Query<'_>,
    want: Want,
    work: impl Future<Output = Result<Answer, DriverError>>,
) -> Result<Answer, DriverError> {
    let mut statement = StatementTrace::begin(flight.labels(), Place::of(flight.frame()), query);
    // Behind the BEGIN that goes along.
    let _counted = CountOnDrop(flight);
    let result = work.instrument(statement.span().clone()).await;
    step_events(flight, error_of_steps(&result).as_deref());
    match result {
        Ok(answer) => Ok(statement.answered(answer, query, want)),
        Err(fault) => {
            statement.end(Some(&fault.error));
            Err(fault)
        }
    }
}

/// Counts a statement, in whatever way it ends.
struct CountOnDrop<'f, F: Traced>(&'f F);

impl<F: Traced> Drop for CountOnDrop<'_, F> {
    fn drop(&mut self) {
        self.0.count_statement();
    }
}

/// What is told of the steps of a flight: they have not failed if the statement behind them alone has.
fn error_of_steps<T>(result: &Result<T, DriverError>) -> Option<Cow<'_, str>> {
    let fault = result.as_ref().err()?;
    (!matches!(fault.impact, Impact::None | Impact::Block)).then(|| error_type(&fault.error))
}

/// Traces the wait for a connection.
pub(crate) async fn acquire<S: Session, T>(
    labels: &Labels,
    frame: Option<&Frame<S>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if listens() { Box::pin(traced_wait(labels, Place::of(frame), work)).await } else { work.await }
}

async fn traced_wait<T>(
    labels: &Labels,
    place: Place,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let since = Instant::now();
    let span = tracing::debug_span!(
        target: "nestling",
        "acquire",
        "nestling.database" = labels.name(),
        "nestling.transaction.name" = place.transaction.as_deref(),
        "nestling.block.name" = place.block.as_deref(),
        "nestling.depth" = place.depth,
        "error.type" = Empty,
        "otel.status_code" = Empty
    );
    let result = SpanGuard { span, is_over: false }.around(work).await;
    if let Err(error) = &result {
        tracing::warn!(
            target: "nestling",
            { "nestling.duration_ms" = millis(since.elapsed()),
            "db.response.status_code" = error.code(),
            "error.type" = &*error_type(error),
            "exception.message" = display(error),
            "nestling.database" = labels.name(),
            "nestling.transaction.name" = place.transaction.as_deref(),
            "nestling.block.name" = place.block.as_deref(),
            "nestling.depth" = place.depth },
            "no connection"
        );
    }
    result
}

/// A span that tells at its end, or at its drop, how its work has ended.
struct SpanGuard {
    span: Span,
    is_over: bool,
}

impl SpanGuard {
    async fn around<T, E: Failed>(mut self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = work.instrument(self.span.clone()).await;
        self.is_over = true;
        if let Err(failed) = &result {
            self.span.record("db.response.status_code", failed.error().code());
            self.span.record("error.type", &*error_type(failed.error()));
            self.span.record("otel.status_code", "ERROR");
        }
        result
    }
}

impl Drop for SpanGuard {
    fn drop(&mut self) {
        if !self.is_over {
            self.span.record("error.type", DROPPED);
        }
    }
}

/// What has an error of this crate in it.
trait Failed {
    fn error(&self) -> &Error;
}

impl Failed for Error {
    fn error(&self) -> &Error {
        self
    }
}

impl Failed for DriverError {
    fn error(&self) -> &Error {
        &self.error
    }
}

/// Traces the end of a transaction, by a COMMIT or ROLLBACK. Without one that is open it is the clean-up of a connection.
pub(crate) async fn ending<'s>(
    labels: &Labels,
    transaction: Option<Box<OpenTransaction>>,
    steps: &[Control],
    work: impl FnOnce() -> Running<'s, ()>,
) -> Result<(), DriverError> {
    if !listens() {
        return work().await;
    }
    let is_commit = matches!(steps.last(), Some(Control::Commit));
    Box::pin(traced_ending(labels, transaction, is_commit, async { work().await })).await
}

async fn traced_ending(
    labels: &Labels,
    mut transaction: Option<Box<OpenTransaction>>,
    is_commit: bool,
    work: impl Future<Output = Result<(), DriverError>>,
) -> Result<(), DriverError> {
    transaction.iter_mut().for_each(|transaction| transaction.flights += 1);
    let name = transaction.as_ref().and_then(|transaction| transaction.name.clone());
    let span = ending_span(labels, is_commit, name.as_deref());
    let result = SpanGuard { span, is_over: false }.around(work).await;
    if let Some(mut transaction) = transaction {
        let error = result.as_ref().err();
        transaction.end(TransactionEnd::of(is_commit, error), error.map(|fault| &fault.error));
    }
    result
}

fn ending_span(labels: &Labels, is_commit: bool, name: Option<&str>) -> Span {
    macro_rules! span {
        ($name:literal, $operation:literal) => {
            tracing::debug_span!(
                target: "nestling",
                $name,
                "otel.name" = $operation,
                "otel.kind" = "client",
                "db.system.name" = labels.driver.system_name(),
                "db.namespace" = labels.driver.namespace(),
                "server.address" = labels.server().0,
                "server.port" = labels.server().1,
                "db.operation.name" = $operation,
                "db.query.summary" = $operation,
                "nestling.database" = labels.name(),
                "nestling.transaction.name" = name,
                "nestling.depth" = 1,
                "db.response.status_code" = Empty,
                "error.type" = Empty,
                "otel.status_code" = Empty
            )
        };
    }
    if is_commit { span!("commit", "COMMIT") } else { span!("rollback", "ROLLBACK") }
}

/// Emits the event of a failed attempt at a transaction, the `made`-th of `most`, which began at `since`. `pause` is what
/// lies ahead of the next one, if there is one.
pub(crate) fn attempt(
    labels: &Labels,
    name: Option<&str>,
    (made, most): (u32, u32),
    error: &Error,
    since: Instant,
    pause: Option<Duration>,
) {
    tracing::debug!(
        target: "nestling",
        { "nestling.attempt" = made,
        "nestling.attempts" = most,
        "nestling.pause_ms" = pause.map(millis),
        "nestling.duration_ms" = millis(since.elapsed()),
        "db.response.status_code" = error.code(),
        "error.type" = &*error_type(error),
        "nestling.database" = labels.name(),
        "nestling.transaction.name" = name,
        "nestling.depth" = 1 },
        "attempt failed"
    );
}

/// Traces steps that are sent without a statement.
pub(crate) async fn steps(
    flight: &impl Traced,
    work: impl Future<Output = Result<(), DriverError>>,
) -> Result<(), DriverError> {
    let result = work.await;
    if is_on() {
        step_events(flight, error_of_steps(&result).as_deref());
    }
    result
}
