//! SQLite on the workers of a multi-thread runtime: what was brief the last time runs without handing its worker over.
//! If it turns out to be long, or has to wait, the other tasks of the worker go on all the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nestling::{Database, Error, params};
use tokio::{runtime::Builder, sync::oneshot, time::sleep};

use crate::{harness::Backend, support::waits::PATIENCE};

const COUNT: &str =
    "with recursive n(x) as (select 1 union all select x + 1 from n where x < $1) select count(*) from n";

/// Runs a future as a task of a runtime with one worker, beside another task, and tells how often that one went on.
fn beside<F>(task: impl FnOnce(Arc<AtomicU64>) -> F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let ticks = Arc::new(AtomicU64::new(0));
    let ticking = Arc::clone(&ticks);
    runtime.spawn(async move {
        loop {
            sleep(Duration::from_millis(1)).await;
            ticking.fetch_add(1, Ordering::Relaxed);
        }
    });
    let task = runtime.spawn(task(ticks));
    let out = runtime.block_on(task).expect("it does not panic");
    runtime.shutdown_background();
    out
}

/// Runs a statement until it counts as brief.
async fn becomes_brief(db: &Database) {
    for _ in 0..20 {
        db.query(COUNT, params![1]).await.expect("a count");
    }
}

#[test]
fn what_was_brief_and_is_long_now_holds_nobody_up() {
    let (most, took) = beside(|ticks| async move {
        let db = Database::open("sqlite::memory:").expect("a valid URL");
        let (mut most, mut took, mut rows) = (0, Duration::ZERO, 200_000);
        // All during one statement: between two of them the other task goes on in any case.
        while most <= 20 && took < PATIENCE {
            becomes_brief(&db).await;
            // The task has handed the worker over in the first of those; now it has it again.
            sleep(Duration::from_millis(1)).await;
            let (before, start) = (ticks.load(Ordering::Relaxed), Instant::now());
            db.query(COUNT, params![rows]).await.expect("a count");
            most = most.max(ticks.load(Ordering::Relaxed) - before);
            took += start.elapsed();
            if start.elapsed() < Duration::from_millis(200) {
                rows *= 2;
            }
        }
        (most, took)
    });
    assert!(most > 20, "the only worker's other task went on {most} times during one statement, in {took:?} in all");
}

/// The one that has the lock is a task of the same worker.
#[tokio::test]
async fn who_waits_for_the_lock_of_another_transaction_lets_it_go_on() {
    let backend = Backend::sqlite().await.with_items().await.with(|options| options.busy_timeout(PATIENCE));
    let db = backend.db.clone();
    let alone = move |_| async move {
        for id in 0..10 {
            db.execute("insert into item values ($1, $2)", params![id, format!("name {id}")]).await?;
        }
        let (locked, begun) = oneshot::channel();
        let holder = db.clone();
        let holds = tokio::spawn(async move {
            let block = || async {
                holder.execute("insert into item values (10, 'ten')", params![]).await?;
                let _ = locked.send(());
                sleep(Duration::from_millis(100)).await;
                Ok::<_, Error>(())
            };
            holder.atomic(block).await
        });
        begun.await.expect("it begins");
        let start = Instant::now();
        db.atomic(|| db.execute("insert into item values (11, 'eleven')", params![])).await?;
        holds.await.expect("it does not panic")?;
        Ok::<_, Error>(start.elapsed())
    };
    let waited = tokio::task::spawn_blocking(move || beside(alone)).await.expect("it does not panic");
    let waited = waited.expect("both are committed");
    assert!(waited < PATIENCE / 2, "it stood in the way of who had the lock for {waited:?}");
    assert_eq!(backend.items().await.len(), 12);
}
