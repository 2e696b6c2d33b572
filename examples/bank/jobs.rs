//! A queue of jobs in a table, and the worker that does them: several workers may work at once, each on jobs that no other has.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use nestling::{Dialect, Error, Manager, Model as _, scope};
use tokio::{sync::Notify, task::JoinHandle};

use super::schema::Job;

/// Where jobs are queued.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    objects: Manager,
    wake: Arc<Notify>,
}

impl Queue {
    /// Queues a letter, and wakes the worker.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add(&self, tenant: &str, letter: &str) -> Result<(), Error> {
        let values = [Job::TENANT.set(tenant), Job::LETTER.set(letter), Job::ATTEMPTS.set(0)];
        self.objects.create::<Job>(values).await?;
        self.wake.notify_one();
        Ok(())
    }
}

/// A task that does jobs.
#[derive(Debug)]
pub(crate) struct Worker {
    queue: Queue,
    done: Arc<AtomicU64>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Worker {
    pub(crate) fn start(objects: &Manager) -> Self {
        let queue = Queue { objects: objects.clone(), wake: Arc::default() };
        let (done, stop) = <(Arc<AtomicU64>, Arc<Notify>)>::default();
        let task = tokio::spawn(work(queue.clone(), Arc::clone(&done), Arc::clone(&stop)));
        Self { queue, done, stop, task }
    }

    pub(crate) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Does what is queued, and ends. Returns how many jobs were done since the start.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.notify_one();
        if let Err(error) = self.task.await {
            eprintln!("bank: the worker failed: {error}");
        }
        self.done.load(Ordering::Relaxed)
    }
}

async fn work(queue: Queue, done: Arc<AtomicU64>, stop: Arc<Notify>) {
    let mut is_last = false;
    loop {
        match next(&queue.objects).await {
            Ok(true) => {
                done.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Ok(false) => {}
            Err(error) => eprintln!("bank: a job failed: {error}"),
        }
        if is_last {
            return;
        }
        tokio::select! {
            () = queue.wake.notified() => {}
            () = stop.notified() => is_last = true,
        }
    }
}

/// Does the oldest job that nobody else works on; false if there is none. The job is deleted in the transaction that does it: if
/// the worker dies, the job is there again.
async fn next(objects: &Manager) -> Result<bool, Error> {
    let one = objects.atomic(|| async {
        let mut oldest = Job::select().order_by(Job::ID.asc()).limit(1);
        if objects.database().dialect() != Dialect::Sqlite {
            oldest = oldest.for_update().skip_locked();
        }
        let Some(job) = objects.get_or_none(oldest).await? else { return Ok(false) };
        println!("letter for {}: {}", job.tenant, job.letter);
        objects.delete(&job).await?;
        Ok(true)
    });
    // It serves all tenants.
    match objects.database().dialect() {
        Dialect::Postgres => scope(one).set_local("app.worker", "yes").await,
        _ => scope(one).await,
    }
}
