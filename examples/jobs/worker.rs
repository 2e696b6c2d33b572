//! A process that does jobs, several at a time.

use nestling::Error;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    queue::{CHANNEL, Claim, Outcome, Queue},
    schema::Job,
};

/// Does jobs until `stop` ends; those that have begun then are done first.
///
/// # Errors
/// If the database cannot be listened to at the beginning.
pub(crate) async fn run(queue: &Queue, at_once: usize, stop: impl Future<Output = ()>) -> Result<(), Error> {
    // Listens first and looks then: no job falls in between.
    let mut news = queue.objects.listen([CHANNEL]).await?;
    let (wake, woken) = watch::channel(());
    let mut slots = JoinSet::new();
    for _ in 0..at_once {
        slots.spawn(serve(queue.clone(), woken.clone()));
    }
    let listen = async {
        // A connection that was lost and made again may have missed something: look as well.
        while news.next().await.is_some() {
            wake.send_replace(());
        }
    };
    tokio::select! {
        () = listen => {}
        () = stop => {}
    }
    drop(wake);
    while let Some(ended) = slots.join_next().await {
        ended.expect("a task that panics does so in a task of its own");
    }
    Ok(())
}

/// Does one job after the other, until nobody can wake it any more.
async fn serve(queue: Queue, mut wake: watch::Receiver<()>) {
    while wake.has_changed().is_ok() {
        wake.borrow_and_update();
        match queue.claim().await {
            Ok(Claim::Job(job)) => attempt(&queue, job).await,
            Ok(Claim::GivenUp(job)) => {
                println!("job {}: given up, as its worker died in attempt {}", job.id, job.attempts);
            }
            Ok(Claim::Nothing) => idle(&queue, &mut wake).await,
            Err(error) => {
                eprintln!("jobs: {error}");
                idle(&queue, &mut wake).await;
            }
        }
    }
}

async fn attempt(queue: &Queue, job: Job) {
    println!("job {}: attempt {}", job.id, job.attempts);
    let (worker, own) = (queue.clone(), job.clone());
    // In a task of its own: a job that panics fails, and no more.
    let (error, again) = match tokio::spawn(async move { worker.work(&own).await }).await {
        Ok(Ok(Outcome::Done)) => return println!("job {}: done", job.id),
        Ok(Ok(Outcome::Late)) => return println!("job {}: attempt {} came too late", job.id, job.attempts),
        Ok(Ok(Outcome::Failed { error, again })) => (error.to_string(), Ok(again)),
        Ok(Err(error)) => (error.to_string(), queue.fail(&job, &error.to_string()).await),
        Err(panic) => (panic.to_string(), queue.fail(&job, &panic.to_string()).await),
    };
    match again {
        Ok(true) => println!("job {}: failed: {error}", job.id),
        Ok(false) => println!("job {}: given up: {error}", job.id),
        Err(other) => eprintln!("jobs: job {} failed: {error}, which was not written down: {other}", job.id),
    }
}

async fn idle(queue: &Queue, wake: &mut watch::Receiver<()>) {
    let pause = queue.idle_for().await.unwrap_or(queue.lease);
    tokio::select! {
        _ = wake.changed() => {}
        () = sleep(pause) => {}
    }
}
