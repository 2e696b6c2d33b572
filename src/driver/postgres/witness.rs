//! [`Witness`]: what a flight has paid, for a connection that may have to undo it. It sends nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{control::Control, error::Error, fault::Debt};

/// Looks at what a debt pays, to know how a flight can be undone.
pub(super) struct Witness<'d> {
    debt: &'d dyn Debt,
    paid: Mutex<Paid>,
}

#[derive(Default)]
struct Paid {
    last: Option<Control>,
    /// Whether the transaction that is open was begun with it.
    began: bool,
}

impl<'d> Witness<'d> {
    pub(super) fn new(debt: &'d dyn Debt) -> Self {
        Self { debt, paid: Mutex::default() }
    }

    fn paid(&self) -> MutexGuard<'_, Paid> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn began(&self) -> bool {
        self.paid().began
    }

    /// The steps that lead back to where the flight's own statement began, if its debt ended in one that allows it.
    pub(super) fn back(&self) -> Option<Vec<Control>> {
        match self.paid().last.clone()? {
            Control::Savepoint(name) | Control::RollbackTo(name) => Some(vec![Control::RollbackTo(name)]),
            begin @ Control::Begin(_) => Some(vec![Control::Rollback, begin]),
            Control::Set(_) | Control::Restore(_) | Control::Release(_) | Control::Commit | Control::Rollback => None,
        }
    }
}

impl Debt for Witness<'_> {
    fn pay(&self, send: &mut dyn FnMut(&[Control])) -> Result<(), Error> {
        self.debt.pay(&mut |steps| {
            if !steps.is_empty() {
                let began = steps.iter().any(|step| matches!(step, Control::Begin(_)));
                *self.paid() = Paid { last: steps.last().cloned(), began };
            }
            send(steps);
        })
    }

    fn needs_transaction(&self) -> bool {
        self.debt.needs_transaction()
    }
}
