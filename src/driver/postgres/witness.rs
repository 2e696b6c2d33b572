//! [`Witness`]: what a flight has taken along, for a connection that may have to undo it. It sends nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    control::Control,
    error::Error,
    owed::{Flight, Owed},
};

/// Looks at the steps of a flight, to know how it can be undone.
pub(super) struct Witness<'d> {
    flight: &'d dyn Flight,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    last: Option<Control>,
    /// Whether the transaction that is open was begun with it.
    began: bool,
}

impl<'d> Witness<'d> {
    pub(super) fn new(flight: &'d dyn Flight) -> Self {
        Self { flight, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn began(&self) -> bool {
        self.taken().began
    }

    /// The steps that lead back to where the flight's own statement began, if those it took along end in one that allows it.
    pub(super) fn back(&self) -> Option<Vec<Control>> {
        match self.taken().last.clone()? {
            Control::Savepoint(name) | Control::RollbackTo(name) => Some(vec![Control::RollbackTo(name)]),
            begin @ Control::Begin(_) => Some(vec![Control::Rollback, begin]),
            Control::Set(_) | Control::Restore(_) | Control::Release(_) | Control::Commit | Control::Rollback => None,
        }
    }
}

impl Flight for Witness<'_> {
    fn take(&self) -> Result<Owed<'_>, Error> {
        let owed = self.flight.take()?;
        if !owed.is_empty() {
            let began = owed.iter().any(|step| matches!(step, Control::Begin(_)));
            *self.taken() = Taken { last: owed.last().cloned(), began };
        }
        Ok(owed)
    }

    fn needs_transaction(&self) -> bool {
        self.flight.needs_transaction()
    }
}
