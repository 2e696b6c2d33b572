//! [`SqliteConnection`]: one open SQLite database. It does one piece of work at a time, inline or on the connection's
//! thread.

use std::{
    any::Any,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{BoxFuture, Either, ready};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit, oneshot};

use super::{
    attempt::{Attempts, TakenSteps, WaitLimits, owned},
    classify,
    connection_state::ConnectionState,
    job,
    open::OpenDatabase,
    run_on::{self, CurrentThread, RunOn, Worker},
    shared::{BROKEN, IDLE, Shared, TRANSACTION},
    steps::reset,
    write_access::{Wait, WorkError},
};
use crate::{
    driver::{Answer, Connection, Query, Running, State, Want},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError},
        owed::Flight,
    },
};

/// A connection to SQLite.
#[derive(Debug)]
pub(crate) struct SqliteConnection {
    pub(super) shared: Arc<Shared>,
    worker: Worker,
}

/// How long inline work waits inside SQLite for a lock of another process, before it stops and its task awaits the
/// lock.
const SLICE: Duration = Duration::from_millis(1);

/// How long a dropped write may take to end, on any machine: it is stopped when it has computed for long enough.
const PATIENCE: Duration = Duration::from_secs(60);

impl SqliteConnection {
    pub(super) fn new(open: OpenDatabase) -> Self {
        Self { shared: Arc::new(Shared::new(open)), worker: Worker::default() }
    }

    /// Takes the owed steps and `more`, and runs the work where it may run, again and again while it stops to wait for
    /// a lock. `own` makes the work movable to another thread. Where nothing has to be awaited, the work is done when
    /// this returns.
    pub(super) fn run_work<'a, T, W>(
        &'a self,
        flight: &'a dyn Flight,
        more: &'a [Control],
        mut here: impl FnMut(&mut ConnectionState) -> Result<T, WorkError> + Send + 'a,
        own: impl Fn() -> W + Send + 'a,
    ) -> Running<'a, T>
    where
        T: Send + 'static,
        W: FnOnce(&mut ConnectionState) -> Result<T, WorkError> + Send + 'static,
    {
        let mut stopped = None;
        if let RunOn::Inline(current_thread) = run_on::current()
            && let Some(permit) = self.shared.try_permit()
        {
            match self.run_inline(permit, flight, more, &Attempts::default(), current_thread, &mut here) {
                (_, Ok(out)) => return Either::Left(ready(Ok(out))),
                (_, Err(WorkError::Failed(fault))) => return Either::Left(ready(Err(fault))),
                (number, Err(WorkError::Waits(wait))) => stopped = Some((number, wait)),
            }
        }
        Either::Right(Box::pin(self.run_later(flight, more, stopped, here, own)))
    }

    /// As [`run_work`](Self::run_work), where something has to be awaited: the permit, or what the first attempt has
    /// `stopped` for.
    async fn run_later<T, W>(
        &self,
        flight: &dyn Flight,
        mut more: &[Control],
        mut stopped: Option<(u64, Wait)>,
        mut here: impl FnMut(&mut ConnectionState) -> Result<T, WorkError>,
        own: impl Fn() -> W,
    ) -> Result<T, DriverError>
    where
        T: Send + 'static,
        W: FnOnce(&mut ConnectionState) -> Result<T, WorkError> + Send + 'static,
    {
        let mut attempts = Attempts::default();
        loop {
            if let Some((number, wait)) = stopped {
                if wait != Wait::WriterBeforeSteps {
                    // Its steps are run ahead of the next work on the connection.
                    more = &[];
                    attempts.has_taken = true;
                }
                // Nothing is held here: this future may be kept and not polled.
                self.wait(wait, number, flight, &mut attempts).await?;
            }
            let (number, result) = match run_on::current() {
                RunOn::Inline(current_thread) => {
                    let permit = self.shared.permit().await;
                    self.run_inline(permit, flight, more, &attempts, current_thread, &mut here)
                }
                RunOn::Thread => self.run_on_thread(flight, more, &attempts, own()).await,
            };
            match result {
                Ok(out) => return Ok(out),
                Err(WorkError::Failed(fault)) => return Err(fault),
                Err(WorkError::Waits(wait)) => stopped = Some((number, wait)),
            }
        }
    }

    /// One attempt at a piece of work inline, with the permit.
    fn run_inline<T>(
        &self,
        _turn: SemaphorePermit<'_>,
        flight: &dyn Flight,
        more: &[Control],
        attempts: &Attempts,
        current_thread: CurrentThread,
        work: impl FnOnce(&mut ConnectionState) -> Result<T, WorkError>,
    ) -> (u64, Result<T, WorkError>) {
        let shared = &self.shared;
        let number = shared.cancel.next_number();
        if shared.reserve(flight, attempts, current_thread).is_err() {
            return (number, Err(WorkError::Waits(Wait::WriterBeforeSteps)));
        }
        let result = match attempts.take(flight) {
            Ok(steps) => {
                let mut taken = TakenSteps::new(steps, more, flight);
                let waiting = WaitLimits::of(attempts, flight, shared.patience, SLICE);
                shared.work(current_thread, number, &mut taken, waiting, work)
            }
            Err(error) => Err(shared.refused(error).into()),
        };
        (number, result)
    }

    /// One attempt at a piece of work on the connection's thread, where it may wait for a lock of another process.
    async fn run_on_thread<T: Send + 'static>(
        &self,
        flight: &dyn Flight,
        more: &[Control],
        attempts: &Attempts,
        work: impl FnOnce(&mut ConnectionState) -> Result<T, WorkError> + Send + 'static,
    ) -> (u64, Result<T, WorkError>) {
        let (permit, number) = self.shared.owned_permit().await;
        let waiting = WaitLimits::of(attempts, flight, self.shared.patience, Duration::MAX);
        let taken = attempts.take(flight).map_err(DriverError::harmless);
        let queued =
            taken.and_then(|steps| self.queue(number, permit, TakenSteps::new(steps, more, flight), waiting, work));
        let result = match queued {
            Ok(answer) => answer.await.unwrap_or_else(|_gone| Err(classify::lost().into())),
            Err(fault) => Err(fault.into()),
        };
        (number, result)
    }

    /// Queues a piece of work on the connection's thread.
    pub(super) fn queue<T: Send + 'static>(
        &self,
        number: u64,
        permit: OwnedSemaphorePermit,
        mut taken: TakenSteps,
        waiting: WaitLimits,
        work: impl FnOnce(&mut ConnectionState) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, WorkError>>, DriverError> {
        let (answer, answered) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job = Box::new(move || {
            let out = shared.work(CurrentThread::OWN_THREAD, number, &mut taken, waiting, work);
            drop(permit);
            // The receiver may have been dropped.
            let _ = answer.send(out);
        });
        self.worker
            .queue(job)
            .map_err(|source| DriverError { error: classify::lost().error.with_source(source), ..classify::lost() })?;
        Ok(answered)
    }
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        // Work on the connection's thread would keep its locks, and nothing waits for it any more.
        self.shared.cancel.set(CancelScope::Nothing);
    }
}

impl Connection for SqliteConnection {
    fn run<'a>(&'a self, flight: &'a dyn Flight, query: Query<'a>, want: Want) -> Running<'a, Answer> {
        if want == Want::Stream {
            return Either::Right(Box::pin(self.stream(flight, query)));
        }
        let own = move || {
            let (sql, params) = owned(query);
            let reader = query.reader.cloned();
            move |conn: &mut ConnectionState| {
                let query = Query { reader: reader.as_ref(), ..Query::new(&sql, &params) };
                job::run(conn, query, want)
            }
        };
        self.run_work(flight, &[], move |conn| job::run(conn, query, want), own)
    }

    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()> {
        let shared = &self.shared;
        // In a transaction only that is rolled back: the session still belongs to the owner of the pin.
        let resets = matches!(steps.last(), Some(Control::Rollback))
            && shared.state.load(Ordering::Acquire) == IDLE
            && shared.needs_reset.load(Ordering::Acquire);
        if !resets {
            return self.run_work(flight, steps, |_| Ok(()), || |_: &mut ConnectionState| Ok(()));
        }
        Either::Right(Box::pin(async move {
            self.run_work(flight, steps, reset, || reset).await?;
            if !shared.in_memory {
                // Attached files, temporary tables, pragmas and hooks cannot be enumerated: the connection is dropped.
                shared.state.store(BROKEN, Ordering::Release);
            }
            shared.needs_reset.store(false, Ordering::Release);
            Ok(())
        }))
    }

    fn cancel(&self, scope: CancelScope) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.cancel.set(scope);
            // Work that must not be interrupted ends by itself, or is stopped when its time is over.
            drop(shared.permit().await);
        })
    }

    fn state(&self) -> State {
        if self.shared.permit.available_permits() == 0 || self.shared.cancel.has_waiters() {
            return State::Busy;
        }
        match self.shared.state.load(Ordering::Acquire) {
            BROKEN => State::Broken,
            _ if self.shared.needs_reset.load(Ordering::Acquire) => State::NeedsReset,
            TRANSACTION => State::Transaction,
            _ => State::Idle,
        }
    }

    fn waits_for_lock(&self) -> bool {
        self.shared.waits_for_lock.load(Ordering::Acquire)
    }

    fn cancel_timeout(&self) -> Duration {
        PATIENCE
    }

    fn abandon(&self) {
        if let Some((lock, connection)) = &self.shared.write_lock {
            lock.ends(*connection);
        }
    }

    fn set_changed(&self, yes: bool) {
        self.shared.needs_reset.store(yes, Ordering::Release);
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
