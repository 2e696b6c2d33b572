//! One SQLite database that is open: one piece of work at a time, on the spot or on the connection's thread.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use rusqlite::OpenFlags;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot},
    time::timeout,
};

use super::{
    classify, decimals,
    job::{self, Held},
    place::{self, Place, Spot, Worker},
    rows,
    stop::Stop,
    url::Target,
};
use crate::{
    control::{Control, Steps},
    driver::{Answer, Connection, Query, State, Want},
    error::{Error, ErrorKind},
    fault::{Debt, Fault, Sparing, Verdict},
    value::Value,
};

/// How a database is opened.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) target: Target,
    pub(super) statement_cache: usize,
    pub(super) busy_timeout: Duration,
}

impl Setup {
    /// Opens the database. It blocks.
    pub(super) fn open(&self) -> Result<Open, Error> {
        self.try_open().map_err(classify::connect)
    }

    fn try_open(&self) -> rusqlite::Result<Open> {
        let mut db = match &self.target {
            Target::Memory => {
                rusqlite::Connection::open_in_memory_with_flags(OpenFlags::default() | OpenFlags::SQLITE_OPEN_NO_MUTEX)?
            }
            Target::File { path, mode } => rusqlite::Connection::open_with_flags(path, mode.flags())?,
        };
        db.set_prepared_statement_cache_capacity(self.statement_cache);
        db.pragma_update(None, "foreign_keys", true)?;
        decimals::install(&db)?;
        let may_write = !db.is_readonly("main")?;
        if may_write && matches!(self.target, Target::File { .. }) {
            self.switch_to_wal(&db)?;
        }
        let stop = Arc::new(Stop::default());
        stop.install(&mut db)?;
        let in_memory = matches!(self.target, Target::Memory);
        Ok(Open {
            held: Held::new(db, Arc::clone(&stop), self.statement_cache),
            stop,
            patience: self.busy_timeout,
            in_memory,
        })
    }

    /// Readers and the writer then do not wait for each other.
    fn switch_to_wal(&self, db: &rusqlite::Connection) -> rusqlite::Result<()> {
        let start = Instant::now();
        loop {
            // It answers with the mode that it took.
            match db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
                // Of several that switch at the same time SQLite refuses some, at once, whatever its timeout.
                Err(error)
                    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                        && start.elapsed() < self.busy_timeout.max(SWITCHING) =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }
}

/// How long others may be at switching a new file to its journal.
const SWITCHING: Duration = Duration::from_secs(1);

/// A database just opened.
pub(super) struct Open {
    held: Held,
    stop: Arc<Stop>,
    patience: Duration,
    in_memory: bool,
}

/// A connection to SQLite.
#[derive(Debug)]
pub(crate) struct SqliteConnection {
    shared: Arc<Shared>,
    worker: Worker,
}

struct Shared {
    held: Mutex<Held>,
    /// The right to work with the database, of which there is one. It goes along with the work, so that a dropped caller
    /// does not let the next one in before the work has ended. Whether somebody has it can be seen without taking it.
    turn: Arc<Semaphore>,
    stop: Arc<Stop>,
    /// How long work waits for the lock of another connection.
    patience: Duration,
    in_memory: bool,
    state: AtomicU8,
    /// Whether the session may have been changed.
    handled: Arc<AtomicBool>,
}

/// How long a write that was dropped in a savepoint may run on, for the sake of the transaction around it. Shorter than
/// the session's patience, which ends with the connection, and with it a database in memory.
const SPARED: Duration = Duration::from_secs(3);

const IDLE: u8 = 0;
const TRANSACTION: u8 = 1;
const BROKEN: u8 = 2;

/// What a flight takes along.
struct Paid {
    steps: Steps,
    needs_transaction: bool,
}

impl Paid {
    fn new(steps: &[Control], more: &[Control], debt: &dyn Debt) -> Self {
        let steps = steps.iter().chain(more).cloned().collect();
        Self { steps, needs_transaction: debt.needs_transaction() }
    }
}

const NEVER_CLOSED: &str = "the turns of a connection are never closed";

impl Shared {
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.turn.acquire().await.expect(NEVER_CLOSED)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A panic half-way through a piece of work marks the connection as broken; nobody uses it then.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the steps, does a piece of work, and looks at the state afterwards.
    fn work<T>(
        &self,
        spot: Spot,
        number: u64,
        Paid { steps, needs_transaction }: &Paid,
        work: impl FnOnce(&mut Held) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut held = self.held();
        if self.stop.is_called_off(number) {
            // The session's ledger takes its steps to be sent.
            held.left.extend_from_slice(steps);
            self.look(&held);
            return Err(Fault::kept(Error::new(ErrorKind::Cancelled, "the statement was dropped")));
        }
        // Should the work panic, the connection is not used again.
        self.state.store(BROKEN, Ordering::Release);
        held.spot = spot;
        let out = self.stop.during(number, self.patience, spot, || {
            job::take_steps(&mut held, steps)?;
            if *needs_transaction {
                held.check_open()?;
            }
            work(&mut held)
        });
        if let Err(Fault { error, verdict: Verdict::Gone }) = &out {
            held.lost.get_or_insert_with(|| error.clone());
        }
        self.look(&held);
        out
    }

    fn look(&self, held: &Held) {
        self.state.store(if held.is_idle() { IDLE } else { TRANSACTION }, Ordering::Release);
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

    async fn turn(&self) -> (OwnedSemaphorePermit, u64) {
        let turn = Arc::clone(&self.shared.turn).acquire_owned().await.expect(NEVER_CLOSED);
        (turn, self.shared.stop.issue())
    }

    /// Pays the debt, takes `more` steps, and does the work, wherever that may be done. `own` makes the work fit for another thread.
    async fn fly<T, W>(
        &self,
        debt: &dyn Debt,
        more: &[Control],
        here: impl FnOnce(&mut Held) -> Result<T, Fault>,
        own: impl FnOnce() -> W,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce(&mut Held) -> Result<T, Fault> + Send + 'static,
    {
        if let Place::Spot(spot) = place::here() {
            let turn = self.shared.turn().await;
            let number = self.shared.stop.issue();
            let mut paid = None;
            debt.pay(&mut |owed| paid = Some(Paid::new(owed, more, debt))).map_err(Fault::kept)?;
            let paid = paid.expect("a debt that is paid has called its send");
            let out = self.shared.work(spot, number, &paid, here);
            drop(turn);
            return out;
        }
        let (turn, number) = self.turn().await;
        let mut own = Some((own(), turn));
        let mut waiting = Err(broken());
        debt.pay(&mut |owed| {
            if let Some((work, turn)) = own.take() {
                let paid = Paid::new(owed, more, debt);
                waiting = self.queue(number, turn, paid, work);
            }
        })
        .map_err(Fault::kept)?;
        waiting?.await.map_err(|_gone| broken())?
    }

    /// Queues a piece of work on the connection's thread.
    fn queue<T: Send + 'static>(
        &self,
        number: u64,
        turn: OwnedSemaphorePermit,
        paid: Paid,
        work: impl FnOnce(&mut Held) -> Result<T, Fault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Fault>>, Fault> {
        let (answer, waiting) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job = Box::new(move || {
            let out = shared.work(Spot::OWN_THREAD, number, &paid, work);
            drop(turn);
            // Nobody may wait for it any more.
            let _ = answer.send(out);
        });
        self.worker.queue(job).map_err(|source| Fault { error: broken().error.with_source(source), ..broken() })?;
        Ok(waiting)
    }

    async fn run(&self, debt: &dyn Debt, query: Query<'_>, want: Want) -> Result<Answer, Fault> {
        if want == Want::Stream {
            // Boxed, as all statements would carry it.
            return Box::pin(self.stream(debt, query)).await;
        }
        let own = || {
            let (sql, params) = owned(query);
            let reader = query.reader.cloned();
            move |held: &mut Held| {
                let query = Query { reader: reader.as_ref(), ..Query::new(&sql, &params) };
                job::run(held, query, want)
            }
        };
        self.fly(debt, &[], |held| job::run(held, query, want), own).await
    }

    /// Runs a statement on the connection's thread, which waits while nobody takes its rows.
    async fn stream(&self, debt: &dyn Debt, query: Query<'_>) -> Result<Answer, Fault> {
        let (turn, number) = self.turn().await;
        let (flow, rows) = rows::channel(Arc::clone(&self.shared.stop), number);
        let mut parts = Some((turn, owned(query), flow));
        let mut queued = Err(broken());
        debt.pay(&mut |steps| {
            if let Some((turn, (sql, params), flow)) = parts.take() {
                let work = move |held: &mut Held| flow.run(held, Query::new(&sql, &params));
                queued = self.queue(number, turn, Paid::new(steps, &[], debt), work);
            }
        })
        .map_err(Fault::kept)?;
        Ok(Answer::stream(rows.until(queued?, broken())))
    }

    /// Lends the native connection, as one piece of work.
    pub(crate) async fn lend<T: Send + 'static>(
        &self,
        debt: &dyn Debt,
        work: impl FnOnce(&mut rusqlite::Connection) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (turn, number) = self.turn().await;
        let mut parts = Some((turn, work));
        let mut queued = Err(broken());
        debt.pay(&mut |steps| {
            if let Some((turn, work)) = parts.take() {
                self.shared.handled.store(true, Ordering::Release);
                queued = self.queue(number, turn, Paid::new(steps, &[], debt), move |held| {
                    held.stop.takes_along(!held.db.is_autocommit());
                    held.known.forget();
                    Ok(work(&mut held.db))
                });
            }
        })
        .map_err(Fault::kept)?;
        queued?.await.map_err(|_gone| broken())?
    }
}

fn owned(query: Query<'_>) -> (Box<str>, Box<[Value]>) {
    (query.sql.into(), query.params.into())
}

fn broken() -> Fault {
    Fault::new(Verdict::Lost, Error::new(ErrorKind::ConnectionLost, "the SQLite connection is of no more use"))
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        // What still runs on the connection's thread would keep its locks; nobody waits for it any more.
        self.shared.stop.call_off(Sparing::Nothing);
    }
}

impl Connection for SqliteConnection {
    fn run<'a>(&'a self, debt: &'a dyn Debt, query: Query<'a>, want: Want) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(Self::run(self, debt, query, want))
    }

    fn control<'a>(&'a self, debt: &'a dyn Debt, steps: &'a [Control]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let shared = &self.shared;
            // In a transaction it alone is rolled back: the session is still that of whoever has pinned it.
            let resets = matches!(steps.last(), Some(Control::Rollback))
                && shared.state.load(Ordering::Acquire) == IDLE
                && shared.handled.load(Ordering::Acquire);
            let work = move |held: &mut Held| if resets { job::reset(held) } else { Ok(()) };
            self.fly(debt, steps, work, || work).await?;
            if resets && !shared.in_memory {
                // Attached files, temporary tables, pragmas, hooks: nobody can know what is set now. So it goes.
                shared.state.store(BROKEN, Ordering::Release);
            }
            if resets {
                shared.handled.store(false, Ordering::Release);
            }
            Ok(())
        })
    }

    fn cancel(&self, sparing: Sparing) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.stop.call_off(sparing);
            if sparing == Sparing::Transaction && timeout(SPARED, shared.turn()).await.is_err() {
                // A write that does not end: now it is stopped all the same, and the transaction with it.
                shared.stop.call_off(Sparing::Nothing);
            }
            drop(shared.turn().await);
        })
    }

    fn state(&self) -> State {
        if self.shared.turn.available_permits() == 0 {
            return State::Busy;
        }
        match self.shared.state.load(Ordering::Acquire) {
            BROKEN => State::Broken,
            _ if self.shared.handled.load(Ordering::Acquire) => State::Handled,
            TRANSACTION => State::Transaction,
            _ => State::Idle,
        }
    }

    fn native(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
