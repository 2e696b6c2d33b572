//! Where a blocking piece of work runs: on the spot, where that keeps no other task waiting, or on a thread of the
//! connection's own. The hop to a thread and back is nearly all that a statement costs, so it is made only if it must.

use std::{
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Where work may run just now.
pub(super) enum Place {
    /// Here: the current thread may block.
    Spot(Spot),
    /// Not here: a runtime's only thread must not block.
    Thread,
}

/// The right to block the current thread.
pub(super) struct Spot {
    /// The thread is a worker of a runtime that should go on without it.
    worker: bool,
}

impl Spot {
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        if self.worker { tokio::task::block_in_place(work) } else { work() }
    }
}

/// Where work may run, seen from the current thread.
pub(super) fn here() -> Place {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => {
            // Outside a worker thread only the future given to `block_on` waits meanwhile, and with it a `LocalSet`, in
            // which `block_in_place` would panic.
            Place::Spot(Spot { worker: tokio::runtime::worker_index().is_some() })
        }
        _ => Place::Thread,
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
