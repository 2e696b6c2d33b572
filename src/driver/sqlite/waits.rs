//! How a task awaits the locks of SQLite: its turn to write, or the end of a lock that another process has. Nothing blocks
//! meanwhile, and nothing is held. Used by the connection.

use std::{any::Any, pin::pin, sync::atomic::Ordering, time::Instant};

use futures_util::future::{Either, select};
use tokio::time::{sleep, timeout};

use super::{
    classify,
    connection::{IDLE, Shared, SqliteConnection},
    flight::Attempts,
    open::pause,
    place::Spot,
    write_lock::Ticket,
    writing::Wait,
};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        impact::{DriverError, Impact},
        owed::Flight,
    },
};

impl SqliteConnection {
    /// Waits until a piece of work that has stopped is worth another attempt.
    ///
    /// # Errors
    /// The time is over, or would be: the task itself has the lock. The work of `number` was called off.
    pub(super) async fn wait(
        &self,
        wait: Wait,
        number: u64,
        flight: &dyn Flight,
        attempts: &mut Attempts,
    ) -> Result<(), DriverError> {
        let shared = &*self.shared;
        attempts.since.get_or_insert_with(Instant::now);
        let left = attempts.left(shared.patience);
        let Some((lock, connection)) = shared.write_lock.as_ref().filter(|_| wait != Wait::Other) else {
            // It was tried with all the time that there is, so that some is left.
            let nap = pause(attempts.pauses).min(left);
            attempts.pauses += 1;
            return until_called_off(shared, number, sleep(nap)).await.map(|_slept| ());
        };
        let has_lock = |native: &(dyn Any + Send + Sync)| {
            let other = native.downcast_ref::<Self>().and_then(|other| other.shared.write_lock.as_ref());
            other.is_some_and(|(_, other)| lock.is_held_by(*other))
        };
        if flight.task_has(&has_lock) {
            return Err(fault(flight.needs_transaction(), own_lock()));
        }
        let ticket = attempts.ticket.get_or_insert_with(|| lock.queue(*connection));
        match until_called_off(shared, number, timeout(left, ticket.ready())).await? {
            Ok(()) => Ok(()),
            Err(_late) => Err(shared.locked(flight.needs_transaction())),
        }
    }
}

async fn until_called_off<T>(shared: &Shared, number: u64, wait: impl Future<Output = T>) -> Result<T, DriverError> {
    match select(pin!(shared.stop.until_called_off(number)), pin!(wait)).await {
        Either::Left(((), _)) => Err(DriverError::harmless(classify::dropped())),
        Either::Right((out, _)) => Ok(out),
    }
}

/// What it means that work has not got a lock: a block that could not begin is over.
fn fault(in_block: bool, error: Error) -> DriverError {
    DriverError::new(if in_block { Impact::Transaction } else { Impact::None }, error)
}

/// The error of a task that would wait for itself.
fn own_lock() -> Error {
    let text = "a block that this task has open has the write lock of the database, and waiting for it would be for ever: \
                write inside that block, or after it";
    Error::new(ErrorKind::TurnTimeout, text)
}

impl Shared {
    /// Takes the write lock for a transaction that is to begin, before its steps are paid: dropped while it waits, the
    /// statement has had no effect.
    ///
    /// # Errors
    /// The lock must be waited for.
    pub(super) fn reserve(&self, flight: &dyn Flight, attempts: &Attempts, spot: Spot) -> Result<(), Wait> {
        if self.write_lock.is_none() || self.state.load(Ordering::Acquire) != IDLE || !flight.begins_writing() {
            return Ok(());
        }
        let mut held = self.held();
        let ticket = attempts.ticket.as_ref().map(Ticket::number);
        (held.writing.ticket, held.writing.name, held.writing.blocks) = (ticket, flight.transaction_name(), None);
        held.writing.take(true, spot)
    }

    /// The fault of work that was not done. The lock that was taken for it is given back, unless a transaction has it.
    pub(super) fn refused(&self, error: Error) -> DriverError {
        let mut held = self.held();
        let ended = if held.db.is_autocommit() { held.writing.end() } else { None };
        drop(held);
        // Who is woken by this may run anything.
        drop(ended);
        DriverError::harmless(error)
    }

    /// The fault of work that has waited for the write lock in vain.
    pub(super) fn locked(&self, in_block: bool) -> DriverError {
        let holder = self.write_lock.as_ref().map(|(lock, _)| lock.holder()).unwrap_or_default();
        fault(in_block, classify::locked(&holder))
    }
}
