//! [`CancelFlag`]: cancels work on a SQLite database. Work is numbered, and checks now and then whether its number was
//! cancelled. `sqlite3_interrupt` is not used: it stops whatever runs when it comes, which may be the next user's
//! statement.

use std::{
    cell::RefCell,
    pin::pin,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::{
    classify,
    run_on::{self, CurrentThread},
};
use crate::{
    error::{Error, ServerClass},
    transaction::{impact::CancelScope, limits::TimeLimit},
};

/// The time that a dropped write in a savepoint may compute on, so that the transaction around it survives.
const GRACE_TIME: Duration = Duration::from_secs(3);
/// The longest time that counts between two checks.
const BETWEEN_LOOKS: Duration = Duration::from_micros(500);

/// The instructions of SQLite's virtual machine between two checks.
const INSTRUCTIONS_PER_LOOK: i32 = 1_000;

/// The numbers of the work on one connection: all work up to a number is cancelled.
#[derive(Debug, Default)]
pub(super) struct CancelFlag {
    issued: AtomicU64,
    running: AtomicU64,
    cancelled: AtomicU64,
    /// As `cancelled`, where the transaction around the work must survive.
    cancelled_statement: AtomicU64,
    /// Whether stopping the current work would roll the transaction back, as SQLite does when it interrupts a statement
    /// that writes.
    would_roll_back: AtomicBool,
    /// When the current work must end, by [`nanos`]; 0 if it may take any time.
    end: AtomicU64,
    /// Whether the transaction around the current work must survive that end.
    spares_transaction: AtomicBool,
    /// The last work whose time was over.
    late: AtomicU64,
    /// Wakes those that await a lock when something was cancelled.
    changed: Notify,
    /// How many await a lock, and the highest number that ever did.
    waiters: AtomicUsize,
    last_waiter: AtomicU64,
    grace: Mutex<GraceTime>,
}

/// How long a dropped write has run on.
#[derive(Debug, Default)]
struct GraceTime {
    number: u64,
    last_look: Option<Instant>,
    spent: Duration,
}

impl GraceTime {
    /// Checks the write of a number. At most a fixed time counts between two checks, as the thread had no processor in
    /// the rest: how long a write may run on must not depend on the load of the machine.
    fn look(&mut self, number: u64, now: Instant) {
        if self.number != number {
            *self = Self { number, ..Self::default() };
        }
        let since = self.last_look.replace(now).map_or(Duration::ZERO, |last| now.duration_since(last));
        self.spent += since.min(BETWEEN_LOOKS);
    }
}

/// Counts as a waiter for a lock, until it is dropped.
struct LockWaiter<'s>(&'s CancelFlag);

impl Drop for LockWaiter<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

impl CancelFlag {
    /// Returns the number of the next piece of work. Called with the permit.
    pub(super) fn next_number(&self) -> u64 {
        self.issued.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Cancels all work that has a number by now.
    pub(super) fn set(&self, scope: CancelScope) {
        let changed = match scope {
            CancelScope::Nothing | CancelScope::Session => &self.cancelled,
            CancelScope::Transaction => &self.cancelled_statement,
        };
        changed.fetch_max(self.issued.load(Ordering::SeqCst), Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Whether work that was not cancelled awaits a lock.
    pub(super) fn has_waiters(&self) -> bool {
        self.waiters.load(Ordering::SeqCst) > 0 && !self.is_set(self.last_waiter.load(Ordering::SeqCst))
    }

    /// Waits until the work of a number is cancelled; it counts as a waiter meanwhile.
    pub(super) async fn until_set(&self, number: u64) {
        self.last_waiter.fetch_max(number, Ordering::SeqCst);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let _awaits = LockWaiter(self);
        loop {
            let mut called = pin!(self.changed.notified());
            // From here on no change is missed.
            called.as_mut().enable();
            if self.is_set(number) {
                return;
            }
            called.await;
        }
    }

    /// Cancels the work of a number that has had the permit, and nothing later.
    pub(super) fn set_one(&self, number: u64) {
        self.cancelled.fetch_max(number, Ordering::SeqCst);
    }

    pub(super) fn is_set(&self, number: u64) -> bool {
        [&self.cancelled, &self.cancelled_statement].iter().any(|changed| changed.load(Ordering::SeqCst) >= number)
    }

    /// Whether the current work must end.
    pub(super) fn should_stop(&self) -> bool {
        let number = self.running.load(Ordering::SeqCst);
        self.check_time(number);
        self.cancelled.load(Ordering::SeqCst) >= number
            || !self.would_roll_back.load(Ordering::SeqCst) && self.is_set(number)
    }

    /// Cancels the current work if its time is over, as if it were dropped.
    fn check_time(&self, number: u64) {
        let end = self.end.load(Ordering::Relaxed);
        if end == 0 || nanos(Instant::now()) < end {
            return;
        }
        let spares = self.spares_transaction.load(Ordering::Relaxed);
        let changed = if spares { &self.cancelled_statement } else { &self.cancelled };
        changed.fetch_max(number, Ordering::SeqCst);
        self.late.store(number, Ordering::SeqCst);
    }

    /// Sets when the work must end that runs next.
    fn set_end(&self, end: Option<TimeLimit>) {
        match end {
            // Nearly always there is none, and a load costs less than a store.
            None if self.end.load(Ordering::Relaxed) == 0 => {}
            None => self.end.store(0, Ordering::Relaxed),
            Some(TimeLimit { at, scope }) => {
                self.spares_transaction.store(scope == CancelScope::Transaction, Ordering::Relaxed);
                self.end.store(nanos(at).max(1), Ordering::Relaxed);
            }
        }
    }

    /// Why the work of a number was cancelled.
    pub(super) fn reason(&self, number: u64) -> Error {
        if self.late.load(Ordering::SeqCst) == number { classify::late() } else { classify::dropped() }
    }

    /// The error of the current work, which may have been interrupted as its time was over.
    pub(super) fn explain(&self, error: Error) -> Error {
        let is_late = self.late.load(Ordering::SeqCst) == self.running.load(Ordering::SeqCst);
        if is_late && error.class() == ServerClass::Cancelled {
            return error.with_class(ServerClass::StatementTimeout);
        }
        error
    }

    /// Whether a dropped write, which runs on so that the transaction around it survives, has used up its time. Called
    /// while it computes.
    fn is_out_of_grace(&self) -> bool {
        let number = self.running.load(Ordering::SeqCst);
        if !self.is_set(number) {
            return false;
        }
        let mut grace = self.grace.lock().unwrap_or_else(PoisonError::into_inner);
        grace.look(number, Instant::now());
        grace.spent >= GRACE_TIME
    }

    /// Sets whether stopping the work from now on would roll the transaction back.
    pub(super) fn set_would_roll_back(&self, yes: bool) {
        // Nearly always the value is the same, and a load costs less than a store.
        if self.would_roll_back.load(Ordering::SeqCst) != yes {
            self.would_roll_back.store(yes, Ordering::SeqCst);
        }
    }

    /// Installs the checks of a connection: while it computes, and while it waits for the lock of another.
    pub(super) fn install(self: &Arc<Self>, db: &mut Connection) -> rusqlite::Result<()> {
        let look = Arc::clone(self);
        let looks = move || {
            run_on::check_brief_work();
            look.should_stop() || look.is_out_of_grace()
        };
        db.progress_handler(INSTRUCTIONS_PER_LOOK, Some(looks))?;
        db.busy_handler(Some(wait))
    }

    /// Runs `work` under its number. While another connection has the lock it waits for a slice of time, or for all of
    /// its time if it cannot be repeated.
    pub(super) fn run<T>(
        self: &Arc<Self>,
        number: u64,
        (slice, patience): (Duration, Duration),
        end: Option<TimeLimit>,
        current_thread: CurrentThread,
        work: impl FnOnce() -> T,
    ) -> T {
        self.running.store(number, Ordering::SeqCst);
        self.set_end(end);
        self.set_would_roll_back(false);
        let waiting = BusyWait { cancel: Arc::clone(self), slice, patience, since: None, current_thread };
        let outer = BUSY_WAIT.with(|cell| cell.replace(Some(waiting)));
        let out = work();
        BUSY_WAIT.with(|cell| *cell.borrow_mut() = outer);
        out
    }
}

/// A moment as a number.
fn nanos(at: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(at.saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX)
}

/// The state of the busy handler, to which SQLite passes none: that of the work on this thread.
struct BusyWait {
    cancel: Arc<CancelFlag>,
    /// How long it may wait at a time.
    slice: Duration,
    /// How long it may wait in total.
    patience: Duration,
    since: Option<Instant>,
    current_thread: CurrentThread,
}

thread_local! {
    static BUSY_WAIT: RefCell<Option<BusyWait>> = const { RefCell::new(None) };
}

/// The work of this thread has had effects and cannot be repeated: it may wait for all of its time.
pub(super) fn allow_full_wait() {
    BUSY_WAIT.with(|cell| {
        if let Some(waiting) = cell.borrow_mut().as_mut() {
            waiting.slice = waiting.patience;
        }
    });
}

/// The busy handler: called by SQLite when another connection has the lock; returns whether to try again.
fn wait(attempt: i32) -> bool {
    let pause = BUSY_WAIT.with(|cell| {
        let mut waiting = cell.borrow_mut();
        let BusyWait { cancel, slice, patience: _, since, current_thread } = waiting.as_mut()?;
        let start = match (attempt, *since) {
            (1.., Some(start)) => start,
            _ => *since.insert(Instant::now()),
        };
        if cancel.should_stop() || start.elapsed() >= *slice {
            return None;
        }
        // Short at first: a small transaction holds the lock for well below a millisecond.
        let micros = 50_u64 << attempt.clamp(0, 7);
        Some((*current_thread, Duration::from_micros(micros)))
    });
    pause.map(|(current_thread, pause)| current_thread.run(|| thread::sleep(pause))).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a write runs on, in wall-clock time, with this interval between checks.
    fn runs_on(between_looks: Duration) -> Duration {
        let (start, mut grace) = (Instant::now(), GraceTime::default());
        let mut now = start;
        while grace.spent < GRACE_TIME {
            grace.look(7, now);
            now += between_looks;
        }
        now - start
    }

    #[test]
    fn a_write_that_was_dropped_is_given_time_to_compute_and_not_of_the_clock() {
        let (alone, crowded) = (runs_on(Duration::from_micros(50)), runs_on(Duration::from_millis(5)));
        assert!((alone.as_secs_f64() - GRACE_TIME.as_secs_f64()).abs() < 0.01, "{alone:?}");
        assert!(crowded > 9 * GRACE_TIME, "with a tenth of a processor it has ten times as long: {crowded:?}");
        // The next write has all of its time.
        let mut grace = GraceTime { number: 7, last_look: None, spent: GRACE_TIME };
        grace.look(8, Instant::now());
        assert_eq!(grace.spent, Duration::ZERO);
    }

    #[tokio::test]
    async fn work_that_awaits_a_lock_is_seen_until_it_is_called_off() {
        use futures_util::poll;
        let cancel = CancelFlag::default();
        let number = cancel.next_number();
        let mut waiting = pin!(cancel.until_set(number));
        assert!(!cancel.has_waiters());
        assert!(poll!(&mut waiting).is_pending() && cancel.has_waiters());
        cancel.set(CancelScope::Transaction);
        // A future that is not polled any more is not a waiter.
        assert!(!cancel.has_waiters());
        assert!(poll!(&mut waiting).is_ready());
    }
}
