//! What is seen from outside (rule 75): spans for acquire, statement, commit and rollback, events for the steps that ride
//! along with a statement. Their target is `nestling`, their level DEBUG.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tracing::{Instrument as _, Level, Span, field::Empty};

use super::{database::Inner, session::DbSession};
use crate::{
    control::{Control, Name},
    driver::{Answer, Query},
    error::Error,
    fault::{Debt, Fault},
    runtime::Frame,
};

fn is_on() -> bool {
    tracing::enabled!(target: "nestling", Level::DEBUG)
}

/// A debt that is watched while it is paid: it counts flights, and keeps the steps for whoever listens.
pub(super) struct Observed<'o> {
    debt: &'o dyn Debt,
    inner: &'o Inner,
    session: Option<&'o DbSession>,
    paid: Mutex<Vec<Control>>,
}

impl<'o> Observed<'o> {
    pub(super) fn new(debt: &'o dyn Debt, inner: &'o Inner, session: Option<&'o DbSession>) -> Self {
        Self { debt, inner, session, paid: Mutex::default() }
    }

    /// Tells of the steps that were sent.
    fn tell(&self, name: Option<&str>, micros: u64, outcome: &str) {
        for step in self.paid.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let (what, depth) = described(&step);
            let name = savepoint(&step).or_else(|| name.map(str::to_owned)).unwrap_or_default();
            tracing::debug!(
                target: "nestling", database = self.inner.id, step = what, depth, name, duration_us = micros, outcome
            );
        }
    }
}

impl Debt for Observed<'_> {
    fn pay(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error> {
        self.debt.pay(&mut |steps| {
            self.inner.counters.flights.add(1);
            if let Some(session) = self.session {
                session.note(steps);
            }
            if !steps.is_empty() && is_on() {
                self.paid.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(steps);
            }
            send(steps);
        })
    }
}

fn described(step: &Control) -> (&'static str, Option<u32>) {
    let level = |name: &Name| match name {
        Name::Level(level) => Some(level + 1),
        Name::Given(_) => None,
    };
    match step {
        Control::Begin(_) => ("begin", Some(1)),
        Control::Savepoint(name) => ("savepoint", level(name)),
        Control::Release(name) => ("release", level(name)),
        Control::RollbackTo(name) => ("rollback to savepoint", level(name)),
        Control::Commit => ("commit", Some(1)),
        Control::Rollback => ("rollback", Some(1)),
    }
}

fn savepoint(step: &Control) -> Option<String> {
    match step {
        Control::Savepoint(name) | Control::Release(name) | Control::RollbackTo(name) => Some(match name {
            Name::Level(level) => format!("s{level}"),
            Name::Given(name) => name.to_string(),
        }),
        Control::Begin(_) | Control::Commit | Control::Rollback => None,
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

/// Watches a statement, with the steps that its flight paid.
pub(super) async fn statement(
    observed: &Observed<'_>,
    frame: Option<&Frame<DbSession>>,
    query: Query<'_>,
    work: impl Future<Output = Result<Answer, Fault>>,
) -> Result<Answer, Fault> {
    if !is_on() {
        return work.await;
    }
    let name = frame.and_then(|frame| frame.label().name.clone());
    let span = tracing::debug_span!(
        target: "nestling", "statement", database = observed.inner.id, depth = frame.map_or(0, Frame::depth),
        name = name.as_deref(), sql = query.sql, affected = Empty, duration_us = Empty, outcome = Empty
    );
    let start = Instant::now();
    let result = work.instrument(span.clone()).await;
    let told = outcome(&result.as_ref().map_err(|fault| &fault.error));
    span.in_scope(|| observed.tell(name.as_deref(), micros(start), &told));
    if let Ok(answer) = &result {
        span.record("affected", answer.affected);
    }
    close(&span, start, &told);
    result
}

/// Watches the wait for a connection.
pub(super) async fn acquire<T>(
    inner: &Inner,
    depth: u32,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if !is_on() {
        return work.await;
    }
    let span = tracing::debug_span!(
        target: "nestling", "acquire", database = inner.id, depth, name = Empty, duration_us = Empty, outcome = Empty
    );
    let start = Instant::now();
    let result = work.instrument(span.clone()).await;
    close(&span, start, &outcome(&result.as_ref()));
    result
}

/// Watches the end of a transaction.
pub(super) async fn ending(
    inner: &Inner,
    steps: &[Control],
    work: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    if !is_on() {
        return work.await;
    }
    let commits = matches!(steps.last(), Some(Control::Commit));
    let span = if commits {
        tracing::debug_span!(
            target: "nestling", "commit", database = inner.id, depth = 1, name = Empty, duration_us = Empty, outcome = Empty
        )
    } else {
        tracing::debug_span!(
            target: "nestling", "rollback", database = inner.id, depth = 1, name = Empty, duration_us = Empty, outcome = Empty
        )
    };
    let start = Instant::now();
    let result = work.instrument(span.clone()).await;
    close(&span, start, &outcome(&result.as_ref().map_err(|fault| &fault.error)));
    result
}

fn close(span: &Span, start: Instant, outcome: &str) {
    span.record("duration_us", micros(start));
    span.record("outcome", outcome);
}

/// Watches steps that are sent on their own.
pub(super) async fn steps(
    observed: &Observed<'_>,
    frame: &Frame<DbSession>,
    work: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    let start = Instant::now();
    let result = work.await;
    if is_on() {
        let told = outcome(&result.as_ref().map_err(|fault| &fault.error));
        observed.tell(frame.label().name.as_deref(), micros(start), &told);
    }
    result
}
