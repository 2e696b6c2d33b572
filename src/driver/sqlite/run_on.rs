//! Where a blocking piece of work runs: on the spot, where that keeps no other task waiting, or on a thread of the
//! connection's own. The hop to a thread and back is nearly all that a statement costs, so it is made only if it must.

use std::{
    cell::Cell,
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Where work may run just now.
pub(super) enum RunOn {
    /// Here: the current thread may block.
    Inline(CurrentThread),
    /// Not here: a runtime's only thread must not block.
    Thread,
}

/// The right to block the current thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct CurrentThread {
    /// The thread is a worker of a runtime that should go on without it.
    worker: bool,
}

/// How long a piece of work may hold a worker up. What took longer the last time runs with the worker handed over.
const BRIEF: Duration = Duration::from_micros(50);

/// How often something runs before it is timed again, once it was brief: two looks at the clock cost as much as the lookup
/// of its statement. What computes for long is noticed all the same ([`check_brief_work`]).
const UNTIMED: u8 = 7;

/// How long the last runs of something took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastCost {
    /// It ran, and was through before anybody else would have missed the thread: so it is timed again after as many runs,
    /// and 0 means now.
    untimed: u8,
    brief: bool,
}

impl CurrentThread {
    /// The connection's own thread, which nobody else wants.
    pub(super) const OWN_THREAD: Self = Self { worker: false };

    /// Runs work that may take long. The runtime goes on without this thread meanwhile.
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        if self.worker { tokio::task::block_in_place(work) } else { work() }
    }

    /// Runs work that is known by how long it took the last time. To hand a worker over costs several times what brief
    /// work takes, and wakes another thread; work that turns out to be long hands it over on its way ([`check_brief_work`]).
    pub(super) fn run_timed<T>(self, last_cost: &mut LastCost, work: impl FnOnce() -> T) -> T {
        if !self.worker {
            return work();
        }
        if last_cost.untimed > 0 {
            last_cost.untimed -= 1;
            let _brief_work = BriefWork::new();
            let out = work();
            // It was found at it for longer than brief work takes.
            if BRIEF_WORK.get().is_some_and(|calls| calls > BRIEF_CHECKS) {
                *last_cost = LastCost::default();
            }
            return out;
        }
        let start = Instant::now();
        let out = if last_cost.brief {
            let _brief_work = BriefWork::new();
            work()
        } else {
            tokio::task::block_in_place(work)
        };
        last_cost.brief = start.elapsed() <= BRIEF;
        last_cost.untimed = if last_cost.brief { UNTIMED } else { 0 };
        out
    }
}

thread_local! {
    /// How often brief work that holds up the worker of this thread has been found at it.
    static BRIEF_WORK: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Brief work holds up the worker of this thread, until this is dropped.
struct BriefWork;

impl BriefWork {
    fn new() -> Self {
        BRIEF_WORK.set(Some(0));
        Self
    }
}

impl Drop for BriefWork {
    fn drop(&mut self) {
        BRIEF_WORK.set(None);
    }
}

/// How often work is found at it that is still brief: for some 50 µs.
const BRIEF_CHECKS: u32 = 3;

/// Called by work now and then. If it was thought to be brief, and is not, it hands the worker over.
pub(super) fn check_brief_work() {
    let Some(calls) = BRIEF_WORK.get() else { return };
    BRIEF_WORK.set(Some(calls.saturating_add(1)));
    // Once more later, ever more seldom, as the other thread may have woken up too late.
    if matches!(calls, BRIEF_CHECKS | 15 | 63 | 255) {
        tokio::task::block_in_place(|| thread::sleep(HANDOVER));
    }
}

/// About how long another thread takes to wake up, and to take a worker over.
const HANDOVER: Duration = Duration::from_micros(100);

/// Where work may run, seen from the current thread.
pub(super) fn current() -> RunOn {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => {
            // Outside a worker thread only the future given to `block_on` waits meanwhile, and with it a `LocalSet`, in
            // which `block_in_place` would panic.
            RunOn::Inline(CurrentThread { worker: tokio::runtime::worker_index().is_some() })
        }
        _ => RunOn::Thread,
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that is started with the first job and ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Worker {
    jobs: OnceLock<Sender<Job>>,
}

impl Worker {
    /// Queues a job.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(super) fn queue(&self, job: Job) -> Result<(), std::io::Error> {
        let jobs = match self.jobs.get() {
            Some(jobs) => jobs,
            None => {
                let (sender, receiver) = channel::<Job>();
                let run = move || receiver.into_iter().for_each(|job| job());
                thread::Builder::new().name("nestling-sqlite".into()).spawn(run)?;
                self.jobs.get_or_init(|| sender)
            }
        };
        jobs.send(job).map_err(|_gone| std::io::Error::other("the thread of the SQLite connection has ended"))
    }
}
