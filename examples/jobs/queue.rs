//! The queue: each step of a job is one transaction.
//!
//! 1. [`claim`](Queue::claim) counts the attempt and commits that, *before* the work: so a job that kills its worker runs out of
//!    attempts. It makes the job due again after the lease, should nothing more be heard of it.
//! 2. [`work`](Queue::work) locks the row of the job, does its task and marks it as done; or, if the task fails, undoes that alone
//!    and makes the job due again after a pause. If the worker dies, the server rolls all of it back. The lock is the sign of
//!    life: as long as it is held, no claim sees the row. So the lease has to be longer than the moment between claim and lock, and
//!    not than the job.

use std::time::Duration;

use chrono::{DateTime, Utc};
use nestling::{
    Error, Manager, Model as _,
    blocks::Retry,
    query::{
        Expr,
        functions::{count, now, sql},
    },
    types::Json,
};

use super::{
    schema::{Job, State},
    task::{Task, TaskError, perform},
};

/// Where workers hear of new jobs.
pub(crate) const CHANNEL: &str = "jobs";

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) objects: Manager,
    /// After how long a job is due again whose worker died before it had the lock.
    pub(crate) lease: Duration,
    /// The bound of the first pause between attempts; it doubles.
    pub(crate) backoff: Duration,
    /// How long a job may take.
    pub(crate) time_limit: Duration,
}

/// What there was to claim.
#[derive(Debug)]
pub(crate) enum Claim {
    /// A job, with its attempt counted.
    Job(Job),
    /// A job whose last worker has died.
    GivenUp(Job),
    Nothing,
}

/// What has become of an attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    Failed {
        error: TaskError,
        again: bool,
    },
    /// The job is not ours any more: the lease was over before the row was locked.
    Late,
}

impl Queue {
    /// Queues jobs: all of them or none. Workers hear of them when they are committed, by the COMMIT itself; in a transaction of
    /// the caller's, when that is committed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn enqueue(
        &self,
        tasks: impl IntoIterator<Item = Task>,
        max_attempts: i32,
    ) -> Result<Vec<i64>, Error> {
        let rows = tasks.into_iter().map(|task| [Job::TASK.set(Json(task)), Job::MAX_ATTEMPTS.set(max_attempts)]);
        self.objects
            .atomic(|| async {
                let ids = self.objects.execute(Job::insert_many(rows)).await?;
                self.objects.notify(CHANNEL, "").await?;
                Ok(ids)
            })
            .await
    }

    /// Claims the job that has been due for longest, of those that nobody works on.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn claim(&self) -> Result<Claim, Error> {
        let objects = &self.objects;
        objects
            .atomic(|| async {
                let due = Job::select().filter(Job::STATE.eq(State::Queued) & Job::DUE.le(now()));
                let oldest = due.order_by(Job::DUE.asc()).order_by(Job::ID.asc()).limit(1).for_update().skip_locked();
                let Some(job) = objects.get_or_none(oldest).await? else { return Ok(Claim::Nothing) };
                let row = Job::ID.eq(job.id);
                if job.attempts >= job.max_attempts {
                    let failed = [
                        Job::STATE.set(State::Failed),
                        Job::ERROR.set("its worker died in the last attempt".to_owned()),
                    ];
                    objects.execute(Job::update(failed).filter(row)).await?;
                    return Ok(Claim::GivenUp(job));
                }
                let claimed = [Job::ATTEMPTS.set(Job::ATTEMPTS + 1), Job::DUE.set(later("", self.lease))];
                Ok(Claim::Job(Job::update(claimed).filter(row).returning().one(objects).await?))
            })
            .await
    }

    /// Does a job that was claimed. Its task is a savepoint: if that fails, the failure is written down while the row is still
    /// locked.
    ///
    /// # Errors
    /// What has undone the whole transaction: a lost connection, a panic. [`fail`](Self::fail) writes it down.
    pub(crate) async fn work(&self, job: &Job) -> Result<Outcome, TaskError> {
        let objects = &self.objects;
        // What others are to blame for does not cost the job an attempt.
        let transaction = objects.build_transaction().name("job").retry(Retry::serialization());
        transaction
            .atomic(async || {
                if objects.get_or_none(Job::select().filter(claimed(job)).for_update()).await?.is_none() {
                    return Ok(Outcome::Late);
                }
                match objects.build_transaction().timeout(self.time_limit).atomic(|| perform(objects, job)).await {
                    Ok(()) => {
                        let done = Job::update([Job::STATE.set(State::Done), Job::ERROR.set(None)]);
                        objects.execute(done.filter(claimed(job))).await?;
                        Ok(Outcome::Done)
                    }
                    Err(error) if ends_transaction(&*error) => Err(error),
                    Err(error) => {
                        let again = self.fail(job, &error.to_string()).await?;
                        Ok(Outcome::Failed { error, again })
                    }
                }
            })
            .await
    }

    /// Notes that an attempt has failed. True if there may be another one. Nothing happens to a job that is done after all, as
    /// one may be whose COMMIT has lost its connection, or that is somebody else's by now.
    ///
    /// # Errors
    /// Those of the database; then the job is due when its lease is over.
    pub(crate) async fn fail(&self, job: &Job, error: &str) -> Result<bool, Error> {
        let again = job.attempts < job.max_attempts;
        let failed = [
            Job::STATE.set(if again { State::Queued } else { State::Failed }),
            // Random, so that jobs that failed together do not come back together.
            Job::DUE.set(later("random() * ", self.pause(job.attempts))),
            Job::ERROR.set(error.to_owned()),
        ];
        self.objects.execute(Job::update(failed).filter(claimed(job))).await?;
        Ok(again)
    }

    /// How long to wait if nothing is heard: until the next job is due, and for the lease at most, as nobody tells of workers
    /// that died.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn idle_for(&self) -> Result<Duration, Error> {
        let later = Job::select().filter(Job::STATE.eq(State::Queued) & Job::DUE.gt(now()));
        let wait = sql::<Option<f64>>("extract(epoch from min(due) - now())::float8");
        let seconds = self.objects.scalar(later.columns(wait)).await?.flatten();
        Ok(seconds.map_or(self.lease, |seconds| Duration::from_secs_f64(seconds.max(0.0)).min(self.lease)))
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn counts(&self) -> Result<Vec<(State, i64)>, Error> {
        Job::select().group_by(Job::STATE).columns((Job::STATE, count())).all(&self.objects).await
    }

    /// The bound of the pause behind so many attempts.
    fn pause(&self, attempts: i32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.unsigned_abs().saturating_sub(1));
        self.backoff.saturating_mul(doubled).min(LONGEST_PAUSE)
    }
}

/// Whether a row is that of a job in this very attempt.
fn claimed(job: &Job) -> Expr<bool> {
    Job::ID.eq(job.id) & Job::ATTEMPTS.eq(job.attempts) & Job::STATE.eq(State::Queued)
}

/// Whether an error has undone more than the task: the server's choice among those that met, or a lost connection.
fn ends_transaction(error: &(dyn std::error::Error + 'static)) -> bool {
    Error::find_in(error).is_some_and(|error| error.is_retryable() || error.is_connection_lost())
}

/// A moment to come by the server's clock: workers need not agree on the time.
fn later(part: &str, pause: Duration) -> Expr<DateTime<Utc>> {
    sql(format!("now() + {part}interval '{} ms'", pause.as_millis()))
}
