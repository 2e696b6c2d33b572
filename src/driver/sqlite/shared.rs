//! [`Shared`]: what a connection shares with the work on its thread: the database behind a lock, and the permit to use
//! it.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    task::coop,
};

use super::{
    attempt::{TakenSteps, WaitLimits},
    cancel_flag::CancelFlag,
    connection_state::ConnectionState,
    open::OpenDatabase,
    run_on::CurrentThread,
    steps,
    write_access::WorkError,
    write_lock::WriteLock,
};
use crate::transaction::impact::{DriverError, Impact};

pub(super) struct Shared {
    conn: Mutex<ConnectionState>,
    /// The write lock of the file, and the connection's number there.
    pub(super) write_lock: Option<(Arc<WriteLock>, u64)>,
    /// The permit to use the database, of which there is one. It goes along with the work, so that a dropped caller
    /// does not let the next one in before the work has ended. Whether it is taken can be seen without taking it.
    pub(super) permit: Arc<Semaphore>,
    pub(super) cancel: Arc<CancelFlag>,
    /// How long work waits for the lock of another connection.
    pub(super) patience: Duration,
    pub(super) in_memory: bool,
    pub(super) state: AtomicU8,
    /// Whether work waits for a lock: there is one piece of work at a time.
    pub(super) waits_for_lock: AtomicBool,
    /// Whether the session may have been changed.
    pub(super) needs_reset: Arc<AtomicBool>,
}

pub(super) const IDLE: u8 = 0;
pub(super) const TRANSACTION: u8 = 1;
pub(super) const BROKEN: u8 = 2;

const NEVER_CLOSED: &str = "the turns of a connection are never closed";

impl Shared {
    pub(super) fn new(open: OpenDatabase) -> Self {
        let OpenDatabase { conn, cancel, patience, in_memory } = open;
        Self {
            write_lock: conn.write_access.lock(),
            needs_reset: Arc::clone(&conn.needs_reset),
            conn: Mutex::new(conn),
            permit: Arc::new(Semaphore::new(1)),
            cancel,
            patience,
            in_memory,
            state: AtomicU8::new(IDLE),
            waits_for_lock: AtomicBool::new(false),
        }
    }

    /// As [`permit`](Self::permit), to go along with work, which gets its number.
    pub(super) async fn owned_permit(&self) -> (OwnedSemaphorePermit, u64) {
        let permit = Arc::clone(&self.permit).acquire_owned().await.expect(NEVER_CLOSED);
        (permit, self.cancel.next_number())
    }

    /// The permit, if it is free and the task need not yield.
    pub(super) fn try_permit(&self) -> Option<SemaphorePermit<'_>> {
        let Poll::Ready(progress) = coop::poll_proceed(&mut Context::from_waker(Waker::noop())) else { return None };
        let permit = self.permit.try_acquire().ok()?;
        progress.made_progress();
        Some(permit)
    }

    pub(super) async fn permit(&self) -> SemaphorePermit<'_> {
        // Nearly always it is free, and trying costs half of what waiting does. The task still yields now and then,
        // without holding anything.
        poll_fn(|cx| coop::poll_proceed(cx).map(|progress| progress.made_progress())).await;
        match self.permit.try_acquire() {
            Ok(permit) => permit,
            Err(_taken) => self.permit.acquire().await.expect(NEVER_CLOSED),
        }
    }

    pub(super) fn conn(&self) -> MutexGuard<'_, ConnectionState> {
        // A panic during a piece of work marks the connection as broken; it is not used then.
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the steps and a piece of work, and updates the state.
    pub(super) fn work<T>(
        &self,
        current_thread: CurrentThread,
        number: u64,
        taken: &mut TakenSteps,
        WaitLimits { ticket, slice, left, blocks, end }: WaitLimits,
        work: impl FnOnce(&mut ConnectionState) -> Result<T, WorkError>,
    ) -> Result<T, WorkError> {
        let mut conn = self.conn();
        if self.cancel.is_set(number) {
            // The session's ledger counts its steps as sent.
            conn.pending.extend_from_slice(&taken.steps);
            self.update_state(&conn);
            drop(conn);
            return Err(self.refused(self.cancel.reason(number)).into());
        }
        // If the work panics, the connection is not used again.
        self.state.store(BROKEN, Ordering::Release);
        conn.current_thread = current_thread;
        conn.may_wait = slice < left;
        (conn.write_access.ticket, conn.write_access.name) = (ticket, taken.name.take());
        conn.write_access.blocks = blocks.then_some(left);
        let out = self.cancel.run(number, (slice, left), end, current_thread, || {
            steps::take_steps(&mut conn, &taken.steps)?;
            if taken.needs_transaction {
                conn.check_open()?;
            }
            work(&mut conn)
        });
        if let Err(WorkError::Failed(DriverError { error, impact: Impact::Transaction })) = &out {
            conn.lost.get_or_insert_with(|| error.clone());
        }
        let is_open = self.update_state(&conn);
        // The write lock belongs to the transaction, or to the statement. The waker that is woken by its end may run
        // anything.
        let ended = if is_open { None } else { conn.write_access.end() };
        drop(conn);
        drop(ended);
        out
    }

    /// Returns whether SQLite has a transaction open.
    fn update_state(&self, conn: &ConnectionState) -> bool {
        let is_open = !conn.db.is_autocommit();
        let is_idle = !is_open && conn.pending.is_empty() && conn.lost.is_none();
        self.state.store(if is_idle { IDLE } else { TRANSACTION }, Ordering::Release);
        is_open
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}
