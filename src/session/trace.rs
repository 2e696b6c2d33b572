//! Traces (rule 75): spans for acquire, statement, commit and rollback, and events for the steps that are sent ahead of a
//! statement. Their target is `nestling`, their level DEBUG. Generic over the session.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tracing::{Instrument as _, Level, Span, field::Empty};

use crate::{
    driver::{Answer, Query, Running},
    error::{Error, shown},
    runtime::{Frame, Session},
    transaction::{
        control::{Control, Name, Steps},
        impact::DriverError,
    },
};

/// A flight, as far as traces need to know it.
pub(crate) trait Traced {
    type Session: Session;

    fn database(&self) -> usize;

    /// The block that it belongs to, if it is open.
    fn frame(&self) -> Option<&Frame<Self::Session>>;

    /// The steps that were sent with it and were not traced yet.
    fn take_sent(&self) -> Option<Box<Sent>>;
}

/// The steps that were sent with a flight, and when.
pub(crate) struct Sent {
    pub(super) steps: Steps,
    since: Instant,
}

impl Default for Sent {
    fn default() -> Self {
        Self { steps: Steps::new(), since: Instant::now() }
    }
}

pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: "nestling", Level::DEBUG)
}

/// The outcome of a flight or a wait that was dropped.
const DROPPED: &str = "Dropped";

/// Emits an event for each step that was sent with a flight.
fn step_events(flight: &impl Traced, outcome: &str) {
    let Some(sent) = flight.take_sent() else { return };
    let Sent { steps, since } = *sent;
    let root = flight.frame().and_then(Frame::root_name);
    let depths = depths(&steps, flight.frame().map_or(0, Frame::depth));
    for (step, depth) in steps.iter().zip(depths) {
        let name = match step {
            Control::Savepoint(name) | Control::Release(name) | Control::RollbackTo(name) => Some(name.to_string()),
            Control::Set(_) | Control::Restore(_) | Control::Limit(_) => None,
            Control::Begin(_) | Control::Commit | Control::Rollback => root.map(|name| (**name).to_owned()),
        };
        tracing::debug!(
            target: "nestling", database = flight.database(), step = verb(step), depth, name, duration_us = micros(since),
            outcome
        );
    }
}

/// Emits the events for the steps that were sent with a flight that was dropped.
pub(super) fn dropped(flight: &impl Traced) {
    step_events(flight, DROPPED);
}

fn verb(step: &Control) -> &'static str {
    match step {
        Control::Begin(_) => "begin",
        Control::Savepoint(_) => "savepoint",
        Control::Release(_) => "release",
        Control::Set(_) => "set",
        Control::Restore(_) => "restore",
        Control::Limit(_) => "limit",
        Control::RollbackTo(_) => "rollback to savepoint",
        Control::Commit => "commit",
        Control::Rollback => "rollback",
    }
}

/// The depths of the blocks of steps, if the last one leads to depth `after`. They are found backwards, as the depth of a
/// savepoint does not follow from a name of the caller's.
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
                Control::Limit(_) => (open, open),
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

/// The depth of the block of a savepoint with a generated name.
fn level(name: &Name) -> Option<u32> {
    match name {
        Name::Level(level) => Some(level + 1),
        Name::Given(_) => None,
    }
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

/// A span that records its duration and outcome at its end, or at its drop.
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

/// Traces a statement, with the steps that were sent ahead of it.
pub(crate) async fn statement<'q>(
    flight: &impl Traced,
    query: &Query<'_>,
    work: impl FnOnce() -> Running<'q, Answer>,
) -> Result<Answer, DriverError> {
    if !is_on() {
        return work().await;
    }
    // Boxed, so that statements that are not traced do not carry it.
    Box::pin(traced(flight, query, async { work().await })).await
}

async fn traced(
    flight: &impl Traced,
    query: &Query<'_>,
    work: impl Future<Output = Result<Answer, DriverError>>,
) -> Result<Answer, DriverError> {
    let name = flight.frame().and_then(Frame::nearest_name);
    let mut span = SpanGuard::new(tracing::debug_span!(
        target: "nestling", "statement", database = flight.database(), depth = flight.frame().map_or(0, Frame::depth),
        name = name.map(|name| &**name), sql = &*shown(query.sql), affected = Empty, duration_us = Empty, outcome = Empty
    ));
    let result = work.instrument(span.span.clone()).await;
    let outcome = outcome(&result.as_ref().map_err(|fault| &fault.error));
    span.span.in_scope(|| step_events(flight, &outcome));
    if let Ok(answer) = &result {
        span.span.record("affected", answer.affected);
    }
    span.end(&outcome);
    result
}

/// Traces the wait for a connection.
pub(crate) async fn acquire<S: Session, T>(
    database: usize,
    frame: Option<&Frame<S>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if is_on() { Box::pin(traced_wait(database, frame, work)).await } else { work.await }
}

async fn traced_wait<S: Session, T>(
    database: usize,
    frame: Option<&Frame<S>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let name = frame.and_then(Frame::nearest_name);
    let mut span = SpanGuard::new(tracing::debug_span!(
        target: "nestling", "acquire", database, depth = frame.map_or(0, Frame::depth), name = name.map(|name| &**name),
        duration_us = Empty, outcome = Empty
    ));
    let result = work.instrument(span.span.clone()).await;
    span.end(&outcome(&result.as_ref()));
    result
}

/// Traces the end of a transaction, whose root is called `name`.
pub(super) async fn ending<'s>(
    database: usize,
    name: Option<&str>,
    steps: &[Control],
    work: impl FnOnce() -> Running<'s, ()>,
) -> Result<(), DriverError> {
    if !is_on() {
        return work().await;
    }
    let span = if matches!(steps.last(), Some(Control::Commit)) {
        tracing::debug_span!(
            target: "nestling", "commit", database, depth = 1, name, duration_us = Empty, outcome = Empty
        )
    } else {
        tracing::debug_span!(
            target: "nestling", "rollback", database, depth = 1, name, duration_us = Empty, outcome = Empty
        )
    };
    let mut span = SpanGuard::new(span);
    let result = async { work().await }.instrument(span.span.clone()).await;
    span.end(&outcome(&result.as_ref().map_err(|fault| &fault.error)));
    result
}

/// Emits the event of a failed attempt at a transaction, the `made`-th of `most`, which began at `since`. `pause` is what
/// lies ahead of the next one, if there is one.
pub(crate) fn attempt(
    database: usize,
    name: Option<&str>,
    (made, most): (u32, u32),
    error: &Error,
    since: Instant,
    pause: Option<Duration>,
) {
    if !is_on() {
        return;
    }
    let pause_us = pause.map(|pause| u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
    tracing::debug!(
        target: "nestling", database, step = "retry", depth = 1, name, attempt = made, attempts = most,
        code = error.code(), pause_us, duration_us = micros(since), outcome = outcome::<()>(&Err(error))
    );
}

/// Traces steps that are sent without a statement.
pub(crate) async fn steps(
    flight: &impl Traced,
    work: impl Future<Output = Result<(), DriverError>>,
) -> Result<(), DriverError> {
    let result = work.await;
    if is_on() {
        step_events(flight, &outcome(&result.as_ref().map_err(|fault| &fault.error)));
    }
    result
}
