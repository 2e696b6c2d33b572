//! The flights of a database: each takes the steps that its block owes, counts itself, and keeps the steps for the traces.

use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{database::Inner, local, session::DbSession, trace};
use crate::{
    error::Error,
    runtime::{Frame, FrameFlight, SessionState},
    transaction::{
        control::{Control, Steps},
        owed::{Flight, Owed},
    },
};

/// A flight of one database under way.
pub(super) struct DbFlight<'f> {
    owing: Owing<'f>,
    inner: &'f Inner,
    /// For whoever listens; boxed, as hardly anybody does, and all statements would carry it.
    sent: Mutex<Option<Box<Sent>>>,
}

/// Whose steps a flight takes along.
enum Owing<'f> {
    /// Nobody's: it is outside any block, or takes back what is left of one.
    Nobody,
    /// Those of a block that is open.
    Frame(FrameFlight<'f, DbSession>),
    /// None but its own, as it ends the transaction.
    End(&'f SessionState<DbSession>),
}

/// The steps that a flight took along, and when.
pub(super) struct Sent {
    pub(super) steps: Steps,
    pub(super) since: Instant,
}

impl<'f> DbFlight<'f> {
    fn new(inner: &'f Inner, owing: Owing<'f>) -> Self {
        Self { owing, inner, sent: Mutex::default() }
    }

    /// A flight outside any block.
    pub(super) fn alone(inner: &'f Inner) -> Self {
        Self::new(inner, Owing::Nobody)
    }

    /// A flight of a block, over the connection that was leased in `epoch`.
    pub(super) fn of(inner: &'f Inner, frame: &'f Arc<Frame<DbSession>>, epoch: u64) -> Self {
        Self::new(inner, Owing::Frame(FrameFlight::new(frame, epoch)))
    }

    /// The flight that ends a transaction.
    pub(super) fn ending(inner: &'f Inner, session_state: &'f SessionState<DbSession>) -> Self {
        Self::new(inner, Owing::End(session_state))
    }

    /// The answer is here, good or bad: dropping the flight is now without consequence.
    pub(super) fn landed(&self) {
        if let Owing::Frame(flight) = &self.owing {
            flight.landed();
        }
    }

    pub(super) fn database(&self) -> usize {
        self.inner.id
    }

    /// The block that it belongs to, if it is open.
    pub(super) fn frame(&self) -> Option<&Frame<DbSession>> {
        match &self.owing {
            Owing::Frame(flight) => Some(flight.frame()),
            Owing::Nobody | Owing::End(_) => None,
        }
    }

    /// The steps that were sent, if they were kept and nobody has told of them yet.
    pub(super) fn sent(&self) -> Option<Box<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn take_steps(&self) -> Result<Owed<'_>, Error> {
        let owed = match &self.owing {
            Owing::Nobody => return Ok(Owed::nothing()),
            Owing::Frame(flight) => flight.take()?,
            Owing::End(session_state) => return session_state.take_nothing(),
        };
        if !owed.is_empty() {
            self.look_at(&owed);
        }
        Ok(owed)
    }

    /// Steps go out: counts open transactions, and keeps the steps for whoever listens.
    fn look_at(&self, steps: &[Control]) {
        if let Some(frame) = self.frame() {
            frame.session_state().session().note(frame, steps);
        }
        if trace::is_on() {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = sent.get_or_insert_with(|| Box::new(Sent { steps: Steps::new(), since: Instant::now() }));
            sent.steps.extend(steps.iter().cloned());
        }
    }
}

impl Flight for DbFlight<'_> {
    fn take(&self) -> Result<Owed<'_>, Error> {
        let owed = self.take_steps()?;
        self.inner.counters.flights.add(1);
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

    fn transaction_name(&self) -> Option<Arc<str>> {
        self.frame().and_then(trace::root_name)
    }

    fn task_has(&self, is_it: &dyn Fn(&(dyn Any + Send + Sync)) -> bool) -> bool {
        local::has(self.inner.id, |session| session.taken().is_some_and(|lease| is_it(lease.connection().native())))
    }
}

impl Drop for DbFlight<'_> {
    fn drop(&mut self) {
        // What is not told yet went with a flight that was dropped.
        if self.sent.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            trace::tell_dropped(self);
        }
    }
}
