//! The queue of `examples/jobs`: workers that are killed, jobs that kill their workers, and claims that are overtaken.

#[path = "../../../examples/jobs/command.rs"]
mod command;
#[path = "jobs/crew.rs"]
mod crew;
#[path = "../../../examples/jobs/queue.rs"]
mod queue;
#[path = "../../../examples/jobs/schema.rs"]
mod schema;
#[path = "../../../examples/jobs/task.rs"]
mod task;
#[path = "../../../examples/jobs/worker.rs"]
mod worker;

use std::{collections::BTreeMap, time::Duration};

use nestling::{Manager, Model as _};

use self::{
    crew::{Crew, Heard},
    queue::{Claim, Outcome, Queue},
    schema::{Job, Letter, State},
    task::Task,
};
use crate::{
    harness::Backend,
    suites::seed::{Cases, Dice},
};

async fn queue_of(backend: &Backend) -> Queue {
    schema::create(&backend.db).await.unwrap();
    let (lease, backoff, time_limit) = (Duration::from_secs(60), Duration::ZERO, Duration::from_secs(600));
    Queue { objects: Manager::new(backend.db.clone()), lease, backoff, time_limit }
}

fn letter(failures: u64) -> Task {
    Task::Letter { to: "ada".into(), failures: failures.try_into().unwrap() }
}

async fn job_of(queue: &Queue, id: i64) -> Job {
    queue.objects.get(Job::ID.eq(id)).await.unwrap()
}

/// How many jobs are still to be done.
async fn queued(queue: &Queue) -> u64 {
    queue.objects.count(Job::select().filter(Job::STATE.eq(State::Queued))).await.unwrap()
}

/// What workers have said, by the numbers of jobs.
#[derive(Default)]
struct Said {
    attempts: BTreeMap<i64, Vec<i32>>,
    /// Attempts that are told to have come to nothing.
    lost: BTreeMap<i64, i32>,
}

impl Said {
    fn note(&mut self, heard: &Heard) {
        match *heard {
            Heard::Attempt { job, attempt } => self.attempts.entry(job).or_default().push(attempt),
            Heard::Failed { job } | Heard::Late { job } => *self.lost.entry(job).or_default() += 1,
            Heard::Other | Heard::End => {}
        }
    }

    /// Compares it with the tables: each job is done, once, and its attempts are told, or were those of so many jobs that were
    /// under way in workers that were killed.
    async fn agrees(&self, queue: &Queue, killed: i32) {
        let jobs = Job::select().order_by(Job::ID.asc()).all(&queue.objects).await.unwrap();
        let mut untold = 0;
        for job in &jobs {
            assert_eq!(job.state, State::Done, "{job:?}");
            let letters = Letter::select().filter(Letter::JOB.eq(job.id)).all(&queue.objects).await.unwrap();
            assert_eq!(letters.len(), 1, "{job:?} {letters:?}");
            assert_eq!(letters[0].attempt, job.attempts, "nothing begins behind the attempt that has done it");
            let mut attempts = self.attempts.get(&job.id).cloned().unwrap_or_default();
            attempts.sort_unstable();
            assert!(attempts.windows(2).all(|two| two[0] < two[1]), "an attempt was claimed twice: {attempts:?}");
            assert!(attempts.last().is_none_or(|last| *last <= job.attempts), "{job:?} {attempts:?}");
            let lost = self.lost.get(&job.id).copied().unwrap_or_default();
            assert!(lost < job.attempts, "{job:?} has lost {lost} attempts");
            untold += job.attempts - 1 - lost;
        }
        assert!(
            untold <= killed,
            "{untold} attempts have vanished, where {killed} jobs were under way in killed workers"
        );
    }
}

/// One round: workers are killed until there were enough of it, and the others do what is left.
async fn kill_workers(backend: &Backend, seed: u64) {
    const KILLS: i32 = 8;
    const AT_ONCE: usize = 2;
    let queue = queue_of(backend).await;
    let mut dice = Dice::new(seed);
    let mut crew = Crew::new(backend.url(), AT_ONCE);
    let (mut said, mut kills) = (Said::default(), 0);
    // Behind how many attempts each worker is killed.
    let mut plans: BTreeMap<u64, u64> = (0..3).map(|_| (crew.start(), 1 + dice.below(4))).collect();
    loop {
        if queued(&queue).await == 0 {
            if kills == KILLS {
                break;
            }
            let failures: Vec<u64> = (0..6).map(|_| dice.below(3).saturating_sub(1)).collect();
            queue.enqueue(failures.into_iter().map(letter), i32::MAX).await.unwrap();
        }
        let Some((worker, heard)) = crew.heard().await else { continue };
        said.note(&heard);
        let Some(left) = plans.get_mut(&worker).filter(|_| matches!(heard, Heard::Attempt { .. })) else { continue };
        *left -= 1;
        if *left == 0 && kills < KILLS {
            // At a random moment of the attempt that has just begun, or of a later one.
            std::thread::sleep(Duration::from_micros(dice.below(20_000)));
            crew.kill(worker);
            plans.remove(&worker);
            kills += 1;
            plans.insert(crew.start(), 1 + dice.below(4));
        } else if *left == 0 {
            *left = u64::MAX;
        }
    }
    for heard in crew.end().await {
        said.note(&heard);
    }
    let at_once = i32::try_from(AT_ONCE).unwrap();
    said.agrees(&queue, (kills + 3) * at_once).await;
    assert!(said.attempts.len() > 3, "hardly a job was heard of");
}

/// The process that the tests start, and kill. It is no test of its own.
#[test]
#[ignore = "the worker that the other tests kill"]
fn child() {
    let Some(args) = crew::args() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(command::run(&args)).unwrap();
}

/// rules 14, 16 and 37: no job is lost, and none is done twice
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn killed_workers_leave_their_jobs_to_others() {
    let mut cases = Cases::new(1);
    while let Some(seed) = cases.next() {
        let case = tokio::spawn(async move { kill_workers(&Backend::postgres().await, seed).await });
        if let Err(error) = case.await {
            cases.fail(seed, &format!("{error}"));
        }
    }
}

test_on! {
    [postgres];

    /// rule 37: attempts are counted ahead of the work, so that those count that nobody has told the end of
    async fn a_job_that_kills_its_workers_is_given_up(backend) {
        let queue = queue_of(&backend).await;
        let crash = queue.enqueue([Task::Crash], 3).await.unwrap()[0];
        queue.enqueue([letter(0), letter(1), letter(2)], 3).await.unwrap();
        let mut crew = Crew::new(backend.url(), 1);
        crew.start();
        let mut deaths = 0;
        while queued(&queue).await > 0 {
            if let Some((_, Heard::End)) = crew.heard().await {
                deaths += 1;
                crew.start();
            }
        }
        crew.end().await;
        let job = job_of(&queue, crash).await;
        assert_eq!((job.state, job.attempts, deaths), (State::Failed, 3, 3));
        assert_eq!(job.error.as_deref(), Some("its worker died in the last attempt"));
        let letters = Letter::select().order_by(Letter::ATTEMPT.asc()).columns(Letter::ATTEMPT).all(&queue.objects).await;
        assert_eq!(letters.unwrap(), [1, 2, 3], "the others were done, and of the one that crashed nothing is left");
    }

    /// rules 14 and 48: a failure undoes the work, and is written down
    async fn a_job_that_fails_is_tried_again_and_given_up_in_the_end(backend) {
        let queue = queue_of(&backend).await;
        let ids = queue.enqueue([letter(2), letter(9)], 3).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let working = tokio::spawn({
            let queue = queue.clone();
            async move { worker::run(&queue, 2, async { drop(stopped.await) }).await }
        });
        wait_while!(queued(&queue).await > 0);
        drop(stop);
        working.await.unwrap().unwrap();
        let (done, failed) = (job_of(&queue, ids[0]).await, job_of(&queue, ids[1]).await);
        assert_eq!((done.state, done.attempts, done.error), (State::Done, 3, None));
        assert_eq!((failed.state, failed.attempts), (State::Failed, 3));
        assert_eq!(failed.error.as_deref(), Some("the pen broke in attempt 3"));
        assert_eq!(queue.objects.count(Letter::select()).await.unwrap(), 1);
        backend.settled().await;
    }

    /// rule 4: the lock is the sign of life, the lease is only for the moment before it
    async fn a_job_whose_worker_lives_is_given_to_no_other(backend) {
        let queue = Queue { lease: Duration::ZERO, ..queue_of(&backend).await };
        queue.enqueue([letter(0)], 5).await.unwrap();
        let Claim::Job(first) = queue.claim().await.unwrap() else { panic!("it is due") };
        let block = queue.objects.atomic(|| async {
            Job::select().for_update().one(&queue.objects).await?;
            // The lease is over, as it is none here.
            let other = nestling::scope(queue.claim()).await?;
            assert!(matches!(other, Claim::Nothing), "{other:?}");
            Ok::<_, nestling::Error>(())
        });
        block.await.unwrap();
        // Without the lock it is: by a worker that was too slow to get there.
        let Claim::Job(second) = queue.claim().await.unwrap() else { panic!("it is due") };
        assert_eq!((first.attempts, second.attempts), (1, 2));
        assert!(matches!(queue.work(&first).await, Ok(Outcome::Late)));
        queue.fail(&first, "too late").await.unwrap();
        assert!(matches!(queue.work(&second).await, Ok(Outcome::Done)));
        queue.fail(&second, "it was done").await.unwrap();
        let job = job_of(&queue, first.id).await;
        assert_eq!((job.state, job.attempts, job.error), (State::Done, 2, None));
        backend.settled().await;
    }

    /// rules 14 and 54: a job that takes too long is undone
    async fn a_job_has_a_time_limit(backend) {
        let queue = Queue { time_limit: Duration::from_millis(50), ..queue_of(&backend).await };
        queue.enqueue([letter(0)], 1).await.unwrap();
        let Claim::Job(job) = queue.claim().await.unwrap() else { panic!("it is due") };
        let lock = backend.observer().atomic(|| async {
            backend.observer().batch("lock table letter in exclusive mode").await?;
            let outcome = nestling::scope(queue.work(&job)).await;
            let Ok(Outcome::Failed { error, again: false }) = outcome else { panic!("{outcome:?}") };
            assert!(error.downcast::<nestling::Error>().unwrap().is_timeout());
            Ok::<_, nestling::Error>(())
        });
        lock.await.unwrap();
        assert_eq!(queue.counts().await.unwrap(), [(State::Failed, 1)]);
        backend.settled().await;
    }
}
