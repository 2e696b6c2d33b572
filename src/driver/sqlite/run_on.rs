//! [`RunOn`]: where blocking work runs: inline, where that delays no other task, or on a thread of the connection. The
//! hop to a thread and back is nearly all that a statement costs, so it is made only where it must.

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

/// Where work may run.
pub(super) enum RunOn {
    /// On the current thread, which may block.
    Inline(CurrentThread),
    /// On a thread of the connection: the only thread of a runtime must not block.
    Thread,
}

/// The permission to block the current thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct CurrentThread {
    /// Whether the thread is a worker of a runtime, which must go on without it.
    worker: bool,
}

/// How long work may block a worker. Work that took longer the last time runs with the worker handed over.
const BRIEF: Duration = Duration::from_micros(50);

/// How often brief work runs before it is timed again: two reads of the clock cost as much as the lookup of its
/// statement. Work that takes long is noticed anyway ([`check_brief_work`]).
const UNTIMED: u8 = 7;

/// The cost of the last runs of a piece of work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastCost {
    /// The number of runs until it is timed again; 0 means the next one.
    untimed: u8,
    brief: bool,
}

impl CurrentThread {
    /// The connection's own thread, which runs nothing else.
    pub(super) const OWN_THREAD: Self = Self { worker: false };

    /// Runs work that may take long. The runtime goes on without this thread.
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        if self.worker { tokio::task::block_in_place(work) } else { work() }
    }

    /// Runs work whose last cost is known. To hand a worker over costs several times what brief work takes, and wakes
    /// another thread; work that takes long after all hands it over later ([`check_brief_work`]).
    pub(super) fn run_timed<T>(self, last_cost: &mut LastCost, work: impl FnOnce() -> T) -> T {
        if !self.worker {
            return work();
        }
        if last_cost.untimed > 0 {
            last_cost.untimed -= 1;
            let _brief_work = BriefWork::new();
            let out = work();
            // It was found running for longer than brief work takes.
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
    /// How often the brief work that blocks this worker was found running; `None` without such work.
    static BRIEF_WORK: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Marks that brief work blocks the worker of this thread, until it is dropped.
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

/// How often work may be found running and still be brief: for some 50 µs.
const BRIEF_CHECKS: u32 = 3;

/// Called by work now and then. If work was expected to be brief and is not, it hands the worker over.
pub(super) fn check_brief_work() {
    let Some(calls) = BRIEF_WORK.get() else { return };
    BRIEF_WORK.set(Some(calls.saturating_add(1)));
    // Again later, at growing intervals, as the other thread may have woken up too late.
    if matches!(calls, BRIEF_CHECKS | 15 | 63 | 255) {
        tokio::task::block_in_place(|| thread::sleep(HANDOVER));
    }
}

/// About the time that another thread takes to wake up and take a worker over.
const HANDOVER: Duration = Duration::from_micros(100);

/// Where work of the current thread may run.
pub(super) fn current() -> RunOn {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => {
            // Outside a worker thread only the future of `block_on` waits meanwhile, and a `LocalSet` in it, where
            // `block_in_place` would panic.
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
