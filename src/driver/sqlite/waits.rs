//! Waits for the locks of SQLite: the write lock of this process, or a lock of another process. No thread blocks
//! meanwhile, and nothing is held. Used by the connection.

use std::{any::Any, pin::pin, sync::atomic::Ordering, time::Instant};

use futures_util::future::{Either, select};
use tokio::time::{sleep, timeout};

use super::{
    attempt::Attempts,
    classify,
    connection::SqliteConnection,
    open::pause,
    run_on::CurrentThread,
    shared::{IDLE, Shared},
    write_access::Wait,
    write_lock::Ticket,
};
use crate::{
    error::{Error, ErrorKind},
    transaction::{
        impact::{DriverError, Impact},
        owed::Flight,
    },
};

impl SqliteConnection {
    /// Waits until another attempt at a piece of work makes sense.
    ///
    /// # Errors
    /// The time is over, or would be: the task itself has the lock. The work of `number` was cancelled.
    pub(super) async fn wait(
        &self,
        wait: Wait,
        number: u64,
        flight: &dyn Flight,
        attempts: &mut Attempts,
    ) -> Result<(), DriverError> {
        let shared = &*self.shared;
        attempts.since.get_or_insert_with(Instant::now);
        let patience = flight.limits().and_then(|limits| limits.lock).unwrap_or(shared.patience);
        let left = attempts.left(patience);
        let Some((lock, connection)) = shared.write_lock.as_ref().filter(|_| wait != Wait::Other) else {
            // It was tried with all of its time, so some is left.
            let nap = pause(attempts.pauses).min(left);
            attempts.pauses += 1;
            return unless_cancelled(shared, number, sleep(nap)).await.map(|_slept| ());
        };
        let has_lock = |native: &(dyn Any + Send + Sync)| {
            let other = native.downcast_ref::<Self>().and_then(|other| other.shared.write_lock.as_ref());
            other.is_some_and(|(_, other)| lock.is_held_by(*other))
        };
        if flight.task_has(&has_lock) {
            return Err(fault(flight.needs_transaction(), own_lock()));
        }
        let ticket = attempts.ticket.get_or_insert_with(|| lock.queue(*connection));
        match unless_cancelled(shared, number, timeout(left, ticket.ready())).await? {
            Ok(()) => Ok(()),
            Err(_late) => Err(shared.locked(flight.needs_transaction())),
        }
    }
}

/// Work waits for a lock until this is dropped.
struct WaitsForLock<'s>(&'s Shared);

impl<'s> WaitsForLock<'s> {
    fn on(shared: &'s Shared) -> Self {
        shared.waits_for_lock.store(true, Ordering::Release);
        Self(shared)
    }
}

impl Drop for WaitsForLock<'_> {
    fn drop(&mut self) {
        self.0.waits_for_lock.store(false, Ordering::Release);
    }
}

async fn unless_cancelled<T>(shared: &Shared, number: u64, wait: impl Future<Output = T>) -> Result<T, DriverError> {
    let _waits = WaitsForLock::on(shared);
    match select(pin!(shared.cancel.until_set(number)), pin!(wait)).await {
        Either::Left(((), _)) => Err(DriverError::harmless(shared.cancel.reason(number))),
        Either::Right((out, _)) => Ok(out),
    }
}

/// The error of work that has not got a lock: a block that could not begin is over.
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
    /// Takes the write lock for a transaction that will begin, before its steps are taken: if it is dropped while it
    /// waits, the statement has had no effect.
    ///
    /// # Errors
    /// The lock must be awaited.
    pub(super) fn reserve(
        &self,
        flight: &dyn Flight,
        attempts: &Attempts,
        current_thread: CurrentThread,
    ) -> Result<(), Wait> {
        if self.write_lock.is_none() || self.state.load(Ordering::Acquire) != IDLE || !flight.begins_writing() {
            return Ok(());
        }
        let mut conn = self.conn();
        let ticket = attempts.ticket.as_ref().map(Ticket::number);
        (conn.write_access.ticket, conn.write_access.name, conn.write_access.blocks) =
            (ticket, flight.transaction_name(), None);
        conn.write_access.take(true, current_thread)
    }

    /// The error of work that was not done. The lock that was taken for it is released, unless a transaction has it.
    pub(super) fn refused(&self, error: Error) -> DriverError {
        let mut conn = self.conn();
        let ended = if conn.db.is_autocommit() { conn.write_access.end() } else { None };
        drop(conn);
        // A waker that is woken by this may run anything.
        drop(ended);
        DriverError::harmless(error)
    }

    /// The error of work that has waited for the write lock in vain.
    pub(super) fn locked(&self, in_block: bool) -> DriverError {
        let holder = self.write_lock.as_ref().map(|(lock, _)| lock.holder()).unwrap_or_default();
        fault(in_block, classify::locked(&holder))
    }
}
