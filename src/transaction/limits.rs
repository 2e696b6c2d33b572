//! Time limits: what a block or a database was asked for ([`RequestedLimits`]), and what holds in one frame ([`Limits`]).
//!
//! Used by `db`, which resolves them, by `runtime`, whose frames hold them, and by the drivers. It knows no SQL and no timer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::impact::CancelScope;
use crate::error::{Error, ErrorKind, ServerClass};

/// The time limits that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequestedLimits {
    pub(crate) transaction: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    /// The time to the deadline, for messages.
    time: Duration,
    pub(crate) statement: Option<Duration>,
    pub(crate) lock: Option<Duration>,
    pub(crate) acquire: Option<Duration>,
    pub(crate) idle: Option<Duration>,
}

impl RequestedLimits {
    /// Those of a root: its own, and for the others the defaults of the database.
    #[must_use]
    pub(crate) fn or(self, defaults: &Self) -> Self {
        let has_own = self.transaction.is_some() || self.deadline.is_some();
        Self {
            transaction: if has_own { self.transaction } else { defaults.transaction },
            deadline: self.deadline,
            time: self.time,
            statement: self.statement.or(defaults.statement),
            lock: self.lock.or(defaults.lock),
            acquire: self.acquire.or(defaults.acquire),
            idle: self.idle.or(defaults.idle),
        }
    }

    /// The time of the transaction begins now.
    pub(crate) fn start(&mut self) {
        let now = Instant::now();
        // A time that is beyond the clock's range is none.
        let end = self.transaction.take().and_then(|time| Some((now.checked_add(time)?, time)));
        let given = self.deadline.filter(|_| self.time.is_zero()).map(|at| (at, at.saturating_duration_since(now)));
        let started = self.deadline.map(|at| (at, self.time)).filter(|_| given.is_none());
        if let Some((at, time)) = end.into_iter().chain(given).chain(started).min() {
            (self.deadline, self.time) = (Some(at), time);
        }
    }

    /// The error of a statement outside any transaction, told as the limit that it comes from.
    pub(crate) fn explain(&self, error: Error) -> Error {
        Limits::new(self, None, CancelScope::Nothing).explain(error)
    }

    /// What is left of the transaction's time, whichever way it was given.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        left.into_iter().chain(self.transaction).min()
    }
}

/// The moment at which a block must have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The time that the block had, for messages.
    pub(crate) time: Duration,
    /// What the end of a statement at this deadline must leave intact.
    pub(crate) scope: CancelScope,
}

impl Deadline {
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    pub(crate) fn error(&self) -> Error {
        Error::new(
            ErrorKind::Timeout,
            format!("the transaction did not end within {:?}; it was rolled back", self.time),
        )
    }
}

/// The time limits of a frame, those of the frames around it included.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The earliest deadline of this block and those around it.
    pub(crate) deadline: Option<Deadline>,
    pub(crate) statement: Option<Duration>,
    pub(crate) lock: Option<Duration>,
    pub(crate) acquire: Option<Duration>,
    /// The clock of the root, if it is ended once it is idle for too long.
    pub(crate) idle: Option<Arc<IdleClock>>,
}

/// The moment at which a statement must have ended.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "sqlite-system"), allow(dead_code, reason = "only SQLite works in this process"))]
pub(crate) struct TimeLimit {
    pub(crate) at: Instant,
    pub(crate) scope: CancelScope,
}

/// What a flight has of time, for a driver that works in this process.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "sqlite-system"), allow(dead_code, reason = "only SQLite works in this process"))]
pub(crate) struct FlightLimits {
    /// When its work must have ended.
    pub(crate) end: Option<TimeLimit>,
    /// How long it may wait for a lock, if that was told for its block.
    pub(crate) lock: Option<Duration>,
}

impl Limits {
    /// The limits of a block that has asked for these, inside a block with the limits `outer`. A cancellation at its deadline
    /// must leave intact what `scope` says.
    pub(crate) fn new(asked: &RequestedLimits, outer: Option<&Self>, scope: CancelScope) -> Self {
        let own = asked.deadline.map(|at| Deadline { at, time: asked.time, scope });
        let inherited = outer.and_then(|outer| outer.deadline);
        Self {
            // Of two at the same time the outer one counts.
            deadline: inherited.into_iter().chain(own).min_by_key(|deadline| deadline.at),
            statement: asked.statement.or_else(|| outer?.statement),
            lock: asked.lock.or_else(|| outer?.lock),
            acquire: asked.acquire.or_else(|| outer?.acquire),
            idle: match outer {
                Some(outer) => outer.idle.clone(),
                None => asked.idle.map(|time| Arc::new(IdleClock::new(time))),
            },
        }
    }

    /// When a statement must have ended that begins now, in a frame of this scope.
    pub(crate) fn of_statement(&self, scope: CancelScope) -> Option<TimeLimit> {
        let deadline = self.deadline.map(|deadline| TimeLimit { at: deadline.at, scope: deadline.scope });
        let own = self.statement.and_then(|time| Instant::now().checked_add(time)).map(|at| TimeLimit { at, scope });
        deadline.into_iter().chain(own).min_by_key(|limit| limit.at)
    }

    /// Checks that the time of the transaction is not over.
    ///
    /// # Errors
    /// `Timeout`.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.deadline.filter(Deadline::is_over).map_or(Ok(()), |deadline| Err(deadline.error()))
    }

    /// What the server is told for a flight: the rest of the transaction's time, if that has an end.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.deadline.as_ref()?.at.saturating_duration_since(Instant::now());
        Some(self.statement.map_or(left, |statement| statement.min(left)))
    }

    /// Something is sent, or was answered.
    pub(crate) fn touch(&self) {
        if let Some(idle) = &self.idle {
            idle.touch();
        }
    }

    /// The error of a statement, told as the limit that it comes from.
    pub(crate) fn explain(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Server {
            return error;
        }
        let over = self.deadline.filter(Deadline::is_over);
        match (error.class(), over, self.statement, self.lock) {
            // What the server says may be in any language: which limit it was is known by the clock.
            (ServerClass::StatementTimeout | ServerClass::Cancelled, Some(deadline), ..) => {
                deadline.error().with_source(error)
            }
            (ServerClass::StatementTimeout, None, Some(time), _) => late_statement(time).with_source(error),
            (ServerClass::LockTimeout | ServerClass::Busy, _, _, Some(time)) => {
                Error::new(ErrorKind::LockTimeout, format!("a lock could not be had within {time:?}"))
                    .with_source(error)
            }
            _ => error,
        }
    }
}

/// The error of a statement whose time is over.
pub(crate) fn late_statement(time: Duration) -> Error {
    Error::new(ErrorKind::StatementTimeout, format!("the statement did not end within {time:?}"))
}

/// Settings are compared by what was asked of the server; limits are what they are.
impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// When a transaction has sent something last.
pub(crate) struct IdleClock {
    time: Duration,
    start: Instant,
    /// In milliseconds since the start.
    touched: AtomicU64,
    /// Whether the last statement has its answer by now, which nobody may have taken yet.
    is_answered: AtomicBool,
}

impl IdleClock {
    fn new(time: Duration) -> Self {
        Self { time, start: Instant::now(), touched: AtomicU64::new(0), is_answered: AtomicBool::new(false) }
    }

    /// How long the transaction may be idle.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    pub(crate) fn touch(&self) {
        self.is_answered.store(false, Ordering::Release);
        self.stamp();
    }

    /// A statement has its answer; true when that was not known before, and it is idle from here on.
    pub(crate) fn answers_now(&self) -> bool {
        let is_new = !self.is_answered.swap(true, Ordering::AcqRel);
        if is_new {
            self.stamp();
        }
        is_new
    }

    fn stamp(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.touched.store(now, Ordering::Release);
    }

    /// The time for which it may still be idle.
    pub(crate) fn left(&self) -> Duration {
        let touched = Duration::from_millis(self.touched.load(Ordering::Acquire));
        self.time.saturating_add(touched).saturating_sub(self.start.elapsed())
    }

    pub(crate) fn error(&self) -> Error {
        let text = format!("the transaction sent nothing for {:?} and was rolled back", self.time);
        Error::new(ErrorKind::IdleTimeout, text)
    }
}

impl fmt::Debug for IdleClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleClock").field("time", &self.time).field("left", &self.left()).finish()
    }
}
