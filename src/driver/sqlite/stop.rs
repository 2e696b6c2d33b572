//! How work on a SQLite database is stopped: it is numbered, and looks now and then whether its number has been called
//! off. `sqlite3_interrupt` is not used, as it hits whatever runs when it comes, which may be the next user's statement.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::place::{self, Spot};
use crate::fault::Sparing;

/// How many instructions of SQLite's machine run between two looks.
const INSTRUCTIONS_PER_LOOK: i32 = 1_000;

/// The numbers of the work on one connection.
#[derive(Debug, Default)]
pub(super) struct Stop {
    issued: AtomicU64,
    running: AtomicU64,
    called_off: AtomicU64,
    /// As `called_off`, where the transaction around must stay whole.
    called_off_alone: AtomicU64,
    /// Stopped now, the work that runs would take the transaction along: SQLite rolls all of it back when it interrupts
    /// a statement that writes.
    taking_along: AtomicBool,
}

impl Stop {
    /// Gives the next piece of work its number. Only whoever has the turn asks for one.
    pub(super) fn issue(&self) -> u64 {
        self.issued.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Calls off all work that has a number by now.
    pub(super) fn call_off(&self, sparing: Sparing) {
        let calls = match sparing {
            Sparing::Nothing | Sparing::Session => &self.called_off,
            Sparing::Transaction => &self.called_off_alone,
        };
        calls.fetch_max(self.issued.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Calls off the work of a number, which has had the turn: nothing that is still to come.
    pub(super) fn call_off_one(&self, number: u64) {
        self.called_off.fetch_max(number, Ordering::SeqCst);
    }

    pub(super) fn is_called_off(&self, number: u64) -> bool {
        [&self.called_off, &self.called_off_alone].iter().any(|calls| calls.load(Ordering::SeqCst) >= number)
    }

    /// Whether the work that runs is to end.
    pub(super) fn stops(&self) -> bool {
        let number = self.running.load(Ordering::SeqCst);
        self.called_off.load(Ordering::SeqCst) >= number
            || !self.taking_along.load(Ordering::SeqCst) && self.is_called_off(number)
    }

    /// Tells whether what runs from now on would take the transaction along if it were stopped.
    pub(super) fn takes_along(&self, yes: bool) {
        // Nearly always it is so already, and looking costs less.
        if self.taking_along.load(Ordering::SeqCst) != yes {
            self.taking_along.store(yes, Ordering::SeqCst);
        }
    }

    /// Makes the connection look: while it computes, and while it waits for another's lock.
    pub(super) fn install(self: &Arc<Self>, db: &mut Connection) -> rusqlite::Result<()> {
        let look = Arc::clone(self);
        let looks = move || {
            place::linger();
            look.stops()
        };
        db.progress_handler(INSTRUCTIONS_PER_LOOK, Some(looks))?;
        db.busy_handler(Some(wait))
    }

    /// Does `work` under its number.
    pub(super) fn during<T>(
        self: &Arc<Self>,
        number: u64,
        patience: Duration,
        spot: Spot,
        work: impl FnOnce() -> T,
    ) -> T {
        self.running.store(number, Ordering::SeqCst);
        self.takes_along(false);
        let waiting = Waiting { stop: Arc::clone(self), patience, since: None, spot };
        let outer = WAITING.with(|cell| cell.replace(Some(waiting)));
        let out = work();
        WAITING.with(|cell| *cell.borrow_mut() = outer);
        out
    }
}

/// What the busy handler, which SQLite gives no state, must know of the work of its thread.
struct Waiting {
    stop: Arc<Stop>,
    patience: Duration,
    since: Option<Instant>,
    spot: Spot,
}

thread_local! {
    static WAITING: RefCell<Option<Waiting>> = const { RefCell::new(None) };
}

/// Called by SQLite when another connection has the lock; tells whether to try again.
fn wait(attempt: i32) -> bool {
    let pause = WAITING.with(|cell| {
        let mut waiting = cell.borrow_mut();
        let Waiting { stop, patience, since, spot } = waiting.as_mut()?;
        let start = match (attempt, *since) {
            (1.., Some(start)) => start,
            _ => *since.insert(Instant::now()),
        };
        if stop.stops() || start.elapsed() >= *patience {
            return None;
        }
        // Short at first: the lock of a small transaction is gone in well below a millisecond.
        let micros = 50_u64 << attempt.clamp(0, 7);
        Some((*spot, Duration::from_micros(micros)))
    });
    pause.map(|(spot, pause)| spot.run(|| thread::sleep(pause))).is_some()
}
