//! The flights of a database: each takes the steps that its block owes, counts itself, and keeps the steps for the traces. And
//! what the failure of a flight says of its server.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{
    current::has,
    session::{DbSession, Shared},
};
use crate::{
    driver::{Dialect, Query, Want},
    error::{Error, ErrorKind, ServerClass},
    instruments::Timer,
    pool::Pool,
    runtime::{Frame, FrameFlight, SessionState},
    traces::{self, Labels, Sent, Traced},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError, Impact},
        limits::{FlightLimits, TimeLimit},
        owed::{Flight, Owed},
    },
};

/// One flight of a database.
pub(crate) struct DbFlight<'f> {
    owner: Owner<'f>,
    shared: &'f Shared,
    /// For a tracing subscriber; boxed, as there is seldom one, and all statements would carry it.
    sent: Mutex<Option<Box<Sent>>>,
    /// Whether it carries a statement that it has not sent yet.
    is_unsent: AtomicBool,
    timer: Timer,
}

/// Which block's steps a flight takes along.
enum Owner<'f> {
    /// None: it is outside any block.
    None,
    /// An open block.
    Frame(FrameFlight<'f, DbSession>),
    /// It ends the transaction, and takes no steps but its own.
    End(&'f SessionState<DbSession>),
}

impl<'f> DbFlight<'f> {
    fn new(shared: &'f Shared, owner: Owner<'f>) -> Self {
        Self { owner, shared, sent: Mutex::default(), is_unsent: AtomicBool::new(false), timer: Timer::default() }
    }

    /// The same flight, with a statement that was begun some time ago.
    #[must_use]
    pub(crate) fn with(mut self, query: &Query<'_>, want: Want, since: impl FnOnce() -> Instant) -> Self {
        self.is_unsent = AtomicBool::new(true);
        self.timer = Timer::of_statement(query.sql, want == Want::Batch, since);
        self
    }

    /// A flight outside any block.
    pub(crate) fn alone(shared: &'f Shared) -> Self {
        Self::new(shared, Owner::None)
    }

    /// A flight of a block, over the connection that was leased in `epoch`.
    pub(crate) fn of(shared: &'f Shared, frame: &'f Arc<Frame<DbSession>>, epoch: u64) -> Self {
        Self::new(shared, Owner::Frame(FrameFlight::new(frame, epoch)))
    }

    /// The flight that ends a transaction.
    pub(crate) fn ending(shared: &'f Shared, session_state: &'f SessionState<DbSession>) -> Self {
        Self::new(shared, Owner::End(session_state))
    }

    /// The answer has come, good or bad: the drop of the flight does nothing from here on.
    pub(crate) fn landed(&self) {
        if let Owner::Frame(flight) = &self.owner {
            flight.landed();
        }
    }

    /// The answer to its statement has come, as for [`landed`](Self::landed).
    pub(crate) fn answered<T>(&mut self, result: &Result<T, DriverError>) {
        self.landed();
        let fault = result.as_ref().err();
        let is_refused = |fault: &DriverError| {
            // By a connection that turned out to be dead; or behind its preparation, as its parameters do not fit.
            fault.impact == Impact::NotSent || fault.error.kind() == ErrorKind::Parameter
        };
        if *self.is_unsent.get_mut() {
            self.timer = Timer::default();
        } else if fault.is_some_and(is_refused) {
            self.shared.counters.statements.sub(1);
            self.timer = Timer::default();
        }
        self.timer.end(self.shared.pool.instruments(), fault.map(|fault| &fault.error));
    }

    fn take_steps(&self) -> Result<Owed<'_>, Error> {
        let owed = match &self.owner {
            Owner::None => return Ok(Owed::nothing()),
            Owner::Frame(flight) => flight.take()?,
            Owner::End(session_state) => return session_state.take_nothing(),
        };
        if !owed.is_empty() {
            self.note(&owed);
        }
        match self.frame().and_then(Frame::limits) {
            // The server counts the rest of the transaction's time with each flight.
            Some(limits) if self.shared.dialect == Dialect::Postgres => Ok(owed.limited(limits.left())),
            _ => Ok(owed),
        }
    }

    /// The session of the block that it belongs to.
    fn session(&self) -> Option<&DbSession> {
        self.frame().map(|frame| frame.session_state().session())
    }

    /// Notes the steps that are sent: for the count of open transactions, and for the traces.
    fn note(&self, steps: &[Control]) {
        let over = self.frame().and_then(|frame| frame.session_state().session().note(frame, steps));
        if traces::is_on() || over.is_some() {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = sent.get_or_insert_default();
            sent.steps.extend(steps.iter().cloned());
            sent.over = over.or(sent.over.take());
        }
    }
}

impl Traced for DbFlight<'_> {
    type Session = DbSession;

    fn labels(&self) -> &Arc<Labels> {
        &self.shared.labels
    }

    fn frame(&self) -> Option<&Frame<DbSession>> {
        match &self.owner {
            Owner::Frame(flight) => Some(flight.frame()),
            Owner::None | Owner::End(_) => None,
        }
    }

    fn take_sent(&self) -> Option<Box<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn count_statement(&self) {
        if let Some(session) = self.session() {
            session.count_in_transaction(|transaction| transaction.statements += 1);
        }
    }
}

impl Flight for DbFlight<'_> {
    fn take(&self) -> Result<Owed<'_>, Error> {
        let listens = self.frame().is_some() && traces::listens();
        let owed = self.take_steps()?;
        self.shared.counters.flights.add(1);
        // One task alone takes.
        if self.is_unsent.load(Ordering::Relaxed) {
            self.is_unsent.store(false, Ordering::Relaxed);
            self.shared.counters.statements.add(1);
        }
        if listens && let Some(session) = self.session() {
            session.count_in_transaction(|transaction| transaction.flights += 1);
        }
        Ok(owed)
    }

    fn take_again(&self) -> Result<Owed<'_>, Error> {
        self.take_steps()
    }

    fn needs_transaction(&self) -> bool {
        self.frame().is_some_and(Frame::in_transaction)
    }

    fn begins_writing(&self) -> bool {
        let Some(frame) = self.frame().filter(|frame| frame.in_transaction()) else { return false };
        frame.settings().is_none_or(|settings| settings.read_only() != Some(true))
    }

    fn limits(&self) -> Option<FlightLimits> {
        let frame = match &self.owner {
            Owner::Frame(flight) => Some(flight.frame()).filter(|frame| frame.in_transaction()),
            Owner::None => None,
            // A COMMIT that is on its way runs to its end.
            Owner::End(_) => return None,
        };
        if let Some(frame) = frame {
            return frame
                .limits()
                .map(|limits| FlightLimits { end: limits.of_statement(frame.cancel_scope()), lock: limits.lock });
        }
        let time = self.shared.limits.as_ref()?.statement?;
        let at = Instant::now().checked_add(time)?;
        Some(FlightLimits { end: Some(TimeLimit { at, scope: CancelScope::Session }), lock: None })
    }

    fn transaction_name(&self) -> Option<Arc<str>> {
        self.frame()?.root_name().cloned()
    }

    fn task_has(&self, is_it: &dyn Fn(&(dyn Any + Send + Sync)) -> bool) -> bool {
        has(self.shared.id, |session| session.taken().is_some_and(|lease| is_it(lease.connection().native())))
    }
}

impl Drop for DbFlight<'_> {
    fn drop(&mut self) {
        // Steps that are not traced yet went with a flight that was dropped.
        if self.sent.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            traces::dropped(self);
        }
        if !*self.is_unsent.get_mut() {
            self.timer.cancel(self.shared.pool.instruments());
        }
    }
}

/// Examines the failure of a flight over a connection that was `made` in some epoch of its server. After a loss the idle
/// connections are checked before their next use. An error that says that the server is not what it was opened for makes all connections to it stale. Running the transaction again may then help, but not
/// where the transaction itself may not write, nor where a statement outside a transaction may have taken effect: those errors
/// lose their class.
pub(crate) fn examine(pool: &Pool, made: u64, frame: Option<&Frame<DbSession>>, fault: DriverError) -> DriverError {
    let is_lost = fault.is_lost();
    if is_lost {
        pool.mark_unverified();
    }
    if fault.error.class() != ServerClass::WrongServer {
        return fault;
    }
    let may_not_write = frame.and_then(Frame::settings).is_some_and(|settings| settings.read_only() == Some(true));
    if !may_not_write || is_lost {
        pool.mark_stale(made);
    }
    let is_outside = frame.is_none_or(|frame| !frame.in_transaction());
    if (may_not_write && !is_lost) || (is_outside && is_lost) {
        return DriverError { error: fault.error.with_class(ServerClass::Other), ..fault };
    }
    fault
}
