//! One SQLite database that is open: one piece of work at a time, on the spot or on the connection's thread.

use std::{
    any::Any,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::{BoxFuture, Either, ready};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot},
    task::coop,
};

use super::{
    classify,
    flight::{Attempts, Paid, Waiting},
    job::{self, Held},
    open::Open,
    place::{self, Place, Spot, Worker},
    stop::Stop,
    write_lock::WriteLock,
    writing::{Stopped, Wait},
};
use crate::{
    data::value::Value,
    driver::{Answer, Connection, Query, Running, State, Want},
    transaction::{
        control::Control,
        impact::{CancelScope, DriverError, Impact},
        owed::Flight,
    },
};

/// A connection to SQLite.
#[derive(Debug)]
pub(crate) struct SqliteConnection {
    pub(super) shared: Arc<Shared>,
    worker: Worker,
}

pub(super) struct Shared {
    held: Mutex<Held>,
    /// That of the file, and the connection's number there.
    pub(super) write_lock: Option<(Arc<WriteLock>, u64)>,
    /// The right to work with the database, of which there is one. It goes along with the work, so that a dropped caller
    /// does not let the next one in before the work has ended. Whether somebody has it can be seen without taking it.
    turn: Arc<Semaphore>,
    pub(super) stop: Arc<Stop>,
    /// How long work waits for the lock of another connection.
    pub(super) patience: Duration,
    in_memory: bool,
    pub(super) state: AtomicU8,
    /// Whether the session may have been changed.
    pub(super) handled: Arc<AtomicBool>,
}

/// How long work on the spot waits inside SQLite for a lock of another process, before it stops and its task awaits that.
const SLICE: Duration = Duration::from_millis(1);

/// How long a write that was dropped may take to end, on whatever machine: it is stopped when it has computed for long
/// enough.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const IDLE: u8 = 0;
const TRANSACTION: u8 = 1;
const BROKEN: u8 = 2;

const NEVER_CLOSED: &str = "the turns of a connection are never closed";

impl Shared {
    /// The turn, if nobody has it and the task need not yield.
    fn turn_at_hand(&self) -> Option<SemaphorePermit<'_>> {
        let Poll::Ready(progress) = coop::poll_proceed(&mut Context::from_waker(Waker::noop())) else { return None };
        let turn = self.turn.try_acquire().ok()?;
        progress.made_progress();
        Some(turn)
    }

    async fn turn(&self) -> SemaphorePermit<'_> {
        // Nearly always it is free, and trying costs half of what waiting does. The task yields now and then all the same,
        // with nothing in its hands.
        poll_fn(|cx| coop::poll_proceed(cx).map(|progress| progress.made_progress())).await;
        match self.turn.try_acquire() {
            Ok(turn) => turn,
            Err(_taken) => self.turn.acquire().await.expect(NEVER_CLOSED),
        }
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        // A panic half-way through a piece of work marks the connection as broken; nobody uses it then.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the steps, does a piece of work, and looks at the state afterwards.
    fn work<T>(
        &self,
        spot: Spot,
        number: u64,
        paid: &mut Paid,
        Waiting { ticket, slice, left, blocks }: Waiting,
        work: impl FnOnce(&mut Held) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        let mut held = self.held();
        if self.stop.is_called_off(number) {
            // The session's ledger takes its steps to be sent.
            held.left.extend_from_slice(&paid.steps);
            self.look(&held);
            drop(held);
            return Err(self.refused(classify::dropped()).into());
        }
        // Should the work panic, the connection is not used again.
        self.state.store(BROKEN, Ordering::Release);
        held.spot = spot;
        held.may_wait = slice < left;
        (held.writing.ticket, held.writing.name) = (ticket, paid.name.take());
        held.writing.blocks = blocks.then_some(left);
        let out = self.stop.during(number, (slice, left), spot, || {
            job::take_steps(&mut held, &paid.steps)?;
            if paid.needs_transaction {
                held.check_open()?;
            }
            work(&mut held)
        });
        if let Err(Stopped::Failed(DriverError { error, impact: Impact::Transaction })) = &out {
            held.lost.get_or_insert_with(|| error.clone());
        }
        let is_open = self.look(&held);
        // The write lock is the transaction's, or the statement's. Who is woken by its end may run anything.
        let ended = if is_open { None } else { held.writing.end() };
        drop(held);
        drop(ended);
        out
    }

    /// Returns whether SQLite has a transaction open.
    fn look(&self, held: &Held) -> bool {
        let is_open = !held.db.is_autocommit();
        let is_idle = !is_open && held.left.is_empty() && held.lost.is_none();
        self.state.store(if is_idle { IDLE } else { TRANSACTION }, Ordering::Release);
        is_open
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

impl SqliteConnection {
    pub(super) fn new(open: Open) -> Self {
        let Open { held, stop, patience, in_memory } = open;
        let shared = Shared {
            write_lock: held.writing.lock(),
            handled: Arc::clone(&held.handled),
            held: Mutex::new(held),
            turn: Arc::new(Semaphore::new(1)),
            stop,
            patience,
            in_memory,
            state: AtomicU8::new(IDLE),
        };
        Self { shared: Arc::new(shared), worker: Worker::default() }
    }

    pub(super) async fn turn(&self) -> (OwnedSemaphorePermit, u64) {
        let turn = Arc::clone(&self.shared.turn).acquire_owned().await.expect(NEVER_CLOSED);
        (turn, self.shared.stop.issue())
    }

    /// Takes the owed steps and `more`, and does the work, wherever that may be done, and again for as long as it stops
    /// to wait for a lock. `own` makes the work fit for another thread. Where there is nothing to wait for, it is done
    /// when this returns.
    pub(super) fn fly<'a, T, W>(
        &'a self,
        flight: &'a dyn Flight,
        more: &'a [Control],
        mut here: impl FnMut(&mut Held) -> Result<T, Stopped> + Send + 'a,
        own: impl Fn() -> W + Send + 'a,
    ) -> Running<'a, T>
    where
        T: Send + 'static,
        W: FnOnce(&mut Held) -> Result<T, Stopped> + Send + 'static,
    {
        let mut stopped = None;
        if let Place::Spot(spot) = place::here()
            && let Some(turn) = self.shared.turn_at_hand()
        {
            match self.fly_on_spot(turn, flight, more, &Attempts::default(), spot, &mut here) {
                (_, Ok(out)) => return Either::Left(ready(Ok(out))),
                (_, Err(Stopped::Failed(fault))) => return Either::Left(ready(Err(fault))),
                (number, Err(Stopped::Waits(wait))) => stopped = Some((number, wait)),
            }
        }
        Either::Right(Box::pin(self.fly_later(flight, more, stopped, here, own)))
    }

    /// As [`fly`](Self::fly), where there is something to wait for: the turn, or what the first attempt has `stopped` for.
    async fn fly_later<T, W>(
        &self,
        flight: &dyn Flight,
        mut more: &[Control],
        mut stopped: Option<(u64, Wait)>,
        mut here: impl FnMut(&mut Held) -> Result<T, Stopped>,
        own: impl Fn() -> W,
    ) -> Result<T, DriverError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Held) -> Result<T, Stopped> + Send + 'static,
    {
        let mut attempts = Attempts::default();
        loop {
            if let Some((number, wait)) = stopped {
                if wait != Wait::Unpaid {
                    // Its steps are taken ahead of whatever is next on the connection.
                    more = &[];
                    attempts.is_paid = true;
                }
                // Nothing is held: this future may be kept by somebody who does not poll it.
                self.wait(wait, number, flight, &mut attempts).await?;
            }
            let (number, result) = match place::here() {
                Place::Spot(spot) => {
                    let turn = self.shared.turn().await;
                    self.fly_on_spot(turn, flight, more, &attempts, spot, &mut here)
                }
                Place::Thread => self.fly_on_thread(flight, more, &attempts, own()).await,
            };
            match result {
                Ok(out) => return Ok(out),
                Err(Stopped::Failed(fault)) => return Err(fault),
                Err(Stopped::Waits(wait)) => stopped = Some((number, wait)),
            }
        }
    }

    /// One attempt at a piece of work in place, by who has the turn.
    fn fly_on_spot<T>(
        &self,
        _turn: SemaphorePermit<'_>,
        flight: &dyn Flight,
        more: &[Control],
        attempts: &Attempts,
        spot: Spot,
        work: impl FnOnce(&mut Held) -> Result<T, Stopped>,
    ) -> (u64, Result<T, Stopped>) {
        let shared = &self.shared;
        let number = shared.stop.issue();
        if shared.reserve(flight, attempts, spot).is_err() {
            return (number, Err(Stopped::Waits(Wait::Unpaid)));
        }
        let result = match attempts.take(flight) {
            Ok(steps) => {
                let mut paid = Paid::new(steps, more, flight);
                let waiting = Waiting::of(attempts, shared.patience, SLICE);
                shared.work(spot, number, &mut paid, waiting, work)
            }
            Err(error) => Err(shared.refused(error).into()),
        };
        (number, result)
    }

    /// One attempt at a piece of work on the connection's thread, where it may wait for a lock of another process.
    async fn fly_on_thread<T: Send + 'static>(
        &self,
        flight: &dyn Flight,
        more: &[Control],
        attempts: &Attempts,
        work: impl FnOnce(&mut Held) -> Result<T, Stopped> + Send + 'static,
    ) -> (u64, Result<T, Stopped>) {
        let (turn, number) = self.turn().await;
        let waiting = Waiting::of(attempts, self.shared.patience, Duration::MAX);
        let taken = attempts.take(flight).map_err(DriverError::harmless);
        let queued = taken.and_then(|steps| self.queue(number, turn, Paid::new(steps, more, flight), waiting, work));
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
        turn: OwnedSemaphorePermit,
        mut paid: Paid,
        waiting: Waiting,
        work: impl FnOnce(&mut Held) -> Result<T, Stopped> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Stopped>>, DriverError> {
        let (answer, answered) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job = Box::new(move || {
            let out = shared.work(Spot::OWN_THREAD, number, &mut paid, waiting, work);
            drop(turn);
            // Nobody may wait for it any more.
            let _ = answer.send(out);
        });
        self.worker
            .queue(job)
            .map_err(|source| DriverError { error: classify::lost().error.with_source(source), ..classify::lost() })?;
        Ok(answered)
    }
}

pub(super) fn owned(query: Query<'_>) -> (Box<str>, Box<[Value]>) {
    (query.sql.into(), query.params.into())
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        // What still runs on the connection's thread would keep its locks; nobody waits for it any more.
        self.shared.stop.call_off(CancelScope::Nothing);
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
            move |held: &mut Held| {
                let query = Query { reader: reader.as_ref(), ..Query::new(&sql, &params) };
                job::run(held, query, want)
            }
        };
        self.fly(flight, &[], move |held| job::run(held, query, want), own)
    }

    fn control<'a>(&'a self, flight: &'a dyn Flight, steps: &'a [Control]) -> Running<'a, ()> {
        let shared = &self.shared;
        // In a transaction it alone is rolled back: the session is still that of whoever has pinned it.
        let resets = matches!(steps.last(), Some(Control::Rollback))
            && shared.state.load(Ordering::Acquire) == IDLE
            && shared.handled.load(Ordering::Acquire);
        if !resets {
            return self.fly(flight, steps, |_| Ok(()), || |_: &mut Held| Ok(()));
        }
        Either::Right(Box::pin(async move {
            self.fly(flight, steps, job::reset, || job::reset).await?;
            if !shared.in_memory {
                // Attached files, temporary tables, pragmas, hooks: nobody can know what is set now. So it goes.
                shared.state.store(BROKEN, Ordering::Release);
            }
            shared.handled.store(false, Ordering::Release);
            Ok(())
        }))
    }

    fn cancel(&self, sparing: CancelScope) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.stop.call_off(sparing);
            // What must be spared ends by itself, or is stopped when its time is over.
            drop(shared.turn().await);
        })
    }

    fn state(&self) -> State {
        if self.shared.turn.available_permits() == 0 || self.shared.stop.is_awaited() {
            return State::Busy;
        }
        match self.shared.state.load(Ordering::Acquire) {
            BROKEN => State::Broken,
            _ if self.shared.handled.load(Ordering::Acquire) => State::Handled,
            TRANSACTION => State::Transaction,
            _ => State::Idle,
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn abandon(&self) {
        if let Some((lock, connection)) = &self.shared.write_lock {
            lock.ends(*connection);
        }
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
