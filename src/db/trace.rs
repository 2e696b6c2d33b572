//! What is seen from outside (rule 75): spans for acquire, statement, commit and rollback, events for the steps that ride
//! along with a statement. Their target is `nestling`, their level DEBUG.

use std::{future::Future, sync::Arc, time::Instant};

use tracing::{Instrument as _, Level, Span, field::Empty};

use super::{
    database::Inner,
    flight::{DbFlight, Sent},
    session::DbSession,
};
use crate::{
    driver::{Answer, Query, Running},
    error::{Error, shown},
    runtime::{Frame, Opening},
    transaction::{
        control::{Control, Name},
        impact::DriverError,
    },
};

pub(super) fn is_on() -> bool {
    tracing::enabled!(target: "nestling", Level::DEBUG)
}

/// The outcome of what was dropped before it had one.
const DROPPED: &str = "Dropped";

/// Tells of the steps that a flight has sent.
fn tell(flight: &DbFlight<'_>, outcome: &str) {
    let Some(sent) = flight.sent() else { return };
    let Sent { steps, since } = *sent;
    let root = flight.frame().and_then(root_name);
    let depths = depths(&steps, flight.frame().map_or(0, Frame::depth));
    for (step, depth) in steps.iter().zip(depths) {
        let name = match step {
            Control::Savepoint(name) | Control::Release(name) | Control::RollbackTo(name) => Some(name.to_string()),
            Control::Set(_) | Control::Restore(_) => None,
            Control::Begin(_) | Control::Commit | Control::Rollback => root.as_deref().map(str::to_owned),
        };
        tracing::debug!(
            target: "nestling", database = flight.database(), step = verb(step), depth, name, duration_us = micros(since),
            outcome
        );
    }
}

/// Tells of the steps that went with a flight that was dropped.
pub(super) fn tell_dropped(flight: &DbFlight<'_>) {
    tell(flight, DROPPED);
}

fn verb(step: &Control) -> &'static str {
    match step {
        Control::Begin(_) => "begin",
        Control::Savepoint(_) => "savepoint",
        Control::Release(_) => "release",
        Control::Set(_) => "set",
        Control::Restore(_) => "restore",
        Control::RollbackTo(_) => "rollback to savepoint",
        Control::Commit => "commit",
        Control::Rollback => "rollback",
    }
}

/// The depths of the blocks that steps are about, if their last one leads to depth `after`: found backwards, as a
/// savepoint with a name of the caller's does not tell its own.
fn depths(steps: &[Control], after: u32) -> Vec<u32> {
    let mut open = after;
    let mut depths: Vec<u32> = steps
        .iter()
        .rev()
        .map(|step| {
            let (depth, before) = match step {
                Control::Begin(_) | Control::Commit | Control::Rollback => (1, 0),
                // Behind its savepoint, or ahead of its release: nothing opens or ends with it.
                Control::Set(locals) | Control::Restore(locals) => (locals.depth, locals.depth),
                Control::Savepoint(name) => {
                    let depth = level(name).unwrap_or(open);
                    (depth, depth.saturating_sub(1))
                }
                Control::Release(name) => {
                    let depth = level(name).unwrap_or(open + 1);
                    (depth, depth)
                }
                Control::RollbackTo(name) => {
                    let depth = level(name).unwrap_or(open);
                    (depth, depth)
                }
            };
            open = before;
            depth
        })
        .collect();
    depths.reverse();
    depths
}

/// The depth of the block of a savepoint that we have named.
fn level(name: &Name) -> Option<u32> {
    match name {
        Name::Level(level) => Some(level + 1),
        Name::Given(_) => None,
    }
}

/// What the root around a frame is called.
pub(super) fn root_name(frame: &Frame<DbSession>) -> Option<Arc<str>> {
    let mut next = Some(frame);
    while let Some(frame) = next {
        if let Opening::Begin(_) = frame.opening() {
            return frame.label().name.clone();
        }
        next = frame.parent().map(|parent| &**parent);
    }
    None
}

/// What the innermost block around a frame that has a name is called.
fn nearest_name(frame: &Frame<DbSession>) -> Option<Arc<str>> {
    let mut next = Some(frame);
    while let Some(frame) = next {
        if let Some(name) = &frame.label().name {
            return Some(Arc::clone(name));
        }
        next = frame.parent().map(|parent| &**parent);
    }
    None
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn outcome<T>(result: &Result<T, &Error>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// A span that is told how long it took and how it ended, by its drop if by nothing else.
struct SpanGuard {
    span: Span,
    since: Instant,
    ended: bool,
}

impl SpanGuard {
    fn new(span: Span) -> Self {
        Self { span, since: Instant::now(), ended: false }
    }

    fn end(&mut self, outcome: &str) {
        self.span.record("duration_us", micros(self.since));
        self.span.record("outcome", outcome);
        self.ended = true;
    }
}

impl Drop for SpanGuard {
    fn drop(&mut self) {
        if !self.ended {
            self.end(DROPPED);
        }
    }
}

/// Watches a statement, with the steps that its flight paid.
pub(super) async fn statement<'q>(
    flight: &DbFlight<'_>,
    query: &Query<'_>,
    work: impl FnOnce() -> Running<'q, Answer>,
) -> Result<Answer, DriverError> {
    if !is_on() {
        return work().await;
    }
    // Boxed, so that statements that nobody watches do not carry it.
    Box::pin(watched(flight, query, async { work().await })).await
}

async fn watched(
    flight: &DbFlight<'_>,
    query: &Query<'_>,
    work: impl Future<Output = Result<Answer, DriverError>>,
) -> Result<Answer, DriverError> {
    let name = flight.frame().and_then(nearest_name);
    let mut watch = SpanGuard::new(tracing::debug_span!(
        target: "nestling", "statement", database = flight.database(), depth = flight.frame().map_or(0, Frame::depth),
        name = name.as_deref(), sql = &*shown(query.sql), affected = Empty, duration_us = Empty, outcome = Empty
    ));
    let result = work.instrument(watch.span.clone()).await;
    let told = outcome(&result.as_ref().map_err(|fault| &fault.error));
    watch.span.in_scope(|| tell(flight, &told));
    if let Ok(answer) = &result {
        watch.span.record("affected", answer.affected);
    }
    watch.end(&told);
    result
}

/// Watches the wait for a connection.
pub(super) async fn acquire<T>(
    inner: &Inner,
    frame: Option<&Frame<DbSession>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if is_on() { Box::pin(watched_wait(inner, frame, work)).await } else { work.await }
}

async fn watched_wait<T>(
    inner: &Inner,
    frame: Option<&Frame<DbSession>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let name = frame.and_then(nearest_name);
    let mut watch = SpanGuard::new(tracing::debug_span!(
        target: "nestling", "acquire", database = inner.id, depth = frame.map_or(0, Frame::depth), name = name.as_deref(),
        duration_us = Empty, outcome = Empty
    ));
    let result = work.instrument(watch.span.clone()).await;
    watch.end(&outcome(&result.as_ref()));
    result
}

/// Watches the end of a transaction, whose root is called `name`.
pub(super) async fn ending<'s>(
    inner: &Inner,
    name: Option<&str>,
    steps: &[Control],
    work: impl FnOnce() -> Running<'s, ()>,
) -> Result<(), DriverError> {
    if !is_on() {
        return work().await;
    }
    let span = if matches!(steps.last(), Some(Control::Commit)) {
        tracing::debug_span!(
            target: "nestling", "commit", database = inner.id, depth = 1, name, duration_us = Empty, outcome = Empty
        )
    } else {
        tracing::debug_span!(
            target: "nestling", "rollback", database = inner.id, depth = 1, name, duration_us = Empty, outcome = Empty
        )
    };
    let mut watch = SpanGuard::new(span);
    let result = async { work().await }.instrument(watch.span.clone()).await;
    watch.end(&outcome(&result.as_ref().map_err(|fault| &fault.error)));
    result
}

/// Watches steps that are sent on their own.
pub(super) async fn steps(
    flight: &DbFlight<'_>,
    work: impl Future<Output = Result<(), DriverError>>,
) -> Result<(), DriverError> {
    let result = work.await;
    if is_on() {
        tell(flight, &outcome(&result.as_ref().map_err(|fault| &fault.error)));
    }
    result
}
