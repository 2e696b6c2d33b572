//! [`WriteAccess`]: a connection's side of the write lock, and what happens to work that must wait for it or for a lock
//! of another process. Such work stops, and is repeated when its task has awaited the lock.
//!
//! It knows no SQL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    cancel_flag::CancelFlag,
    run_on::CurrentThread,
    write_lock::{WriteGuard, WriteLock, Writer},
};
use crate::{error::Error, transaction::impact::DriverError};

/// Why a piece of work was not completed.
#[derive(Debug)]
pub(super) enum WorkError {
    Failed(DriverError),
    Waits(Wait),
}

/// What a piece of work waits for. The rest of it has had no effect yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// As `Writer`, before its steps were taken.
    WriterBeforeSteps,
    /// The write lock, held by another connection of this process.
    Writer,
    /// A lock of another process, or of a connection that is not ours.
    Other,
}

/// Why a statement was not completed, before its meaning for the transaction is known.
#[derive(Debug)]
pub(super) enum StatementError {
    Failed(Error),
    Waits(Wait),
}

impl From<Error> for StatementError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DriverError> for WorkError {
    fn from(fault: DriverError) -> Self {
        Self::Failed(fault)
    }
}

/// The write lock of a connection's file, and whether the connection has it.
#[derive(Debug)]
pub(super) struct WriteAccess {
    /// `None` for a database in memory, and for a read-only one.
    lock: Option<Arc<WriteLock>>,
    guard: Option<WriteGuard>,
    connection: u64,
    /// The position of the current work in the queue.
    pub(super) ticket: Option<u64>,
    /// The name of the transaction that the work may begin.
    pub(super) name: Option<Arc<str>>,
    /// How long the current work may block its thread, if it may not stop.
    pub(super) blocks: Option<Duration>,
    cancel: Arc<CancelFlag>,
}

impl WriteAccess {
    pub(super) fn new(lock: Option<Arc<WriteLock>>, cancel: Arc<CancelFlag>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let connection = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { lock, guard: None, connection, ticket: None, name: None, blocks: None, cancel }
    }

    /// The lock, and the number of the connection there.
    pub(super) fn lock(&self) -> Option<(Arc<WriteLock>, u64)> {
        Some((Arc::clone(self.lock.as_ref()?), self.connection))
    }

    /// Whether there is a write lock that the connection does not have.
    pub(super) fn is_due(&self) -> bool {
        self.lock.is_some() && self.guard.is_none()
    }

    /// Takes the write lock, unless the connection has it.
    ///
    /// # Errors
    /// It must be awaited.
    pub(super) fn take(&mut self, in_block: bool, current_thread: CurrentThread) -> Result<(), Wait> {
        let Some(lock) = self.lock.as_ref().filter(|_| self.guard.is_none()) else { return Ok(()) };
        let writer = Writer { connection: self.connection, in_block, name: self.name.take() };
        self.guard = match self.blocks {
            None => lock.try_take(&writer, self.ticket).or_else(|| {
                if lock.is_ending() {
                    current_thread.run(|| wait_for_end(lock));
                }
                lock.try_take(&writer, self.ticket)
            }),
            Some(patience) => self.wait(lock, &writer, patience),
        };
        if self.guard.is_some() { Ok(()) } else { Err(Wait::Writer) }
    }

    /// Waits for the lock on a thread that runs nothing else.
    fn wait(&self, lock: &Arc<WriteLock>, writer: &Writer, patience: Duration) -> Option<WriteGuard> {
        let (ticket, start) = (lock.queue(self.connection), Instant::now());
        loop {
            let guard = lock.try_take(writer, Some(ticket.number()));
            if guard.is_some() || start.elapsed() >= patience || self.cancel.should_stop() {
                return guard;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Releases the lock, when the returned guard is dropped.
    #[must_use]
    pub(super) fn end(&mut self) -> Option<WriteGuard> {
        self.guard.take()
    }
}

/// How long inline work waits for the rollback of a dropped block, which is under way on another thread.
const ENDING: Duration = Duration::from_millis(20);

fn wait_for_end(lock: &WriteLock) {
    let start = Instant::now();
    while lock.is_ending() && start.elapsed() < ENDING {
        thread::sleep(Duration::from_micros(50));
    }
}
