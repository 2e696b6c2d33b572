//! 10,000 tasks that wait for 16 connections: whether all are served, in which order, and what waiting takes. Prints one
//! line of JSON. `waiting URL`
//!
//! The same tasks are looked at twice: while they wait for the start, and while they wait for a connection. What has been
//! allocated in between is what waiting takes beyond the task itself.

use std::{
    alloc::System,
    mem::size_of_val,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nestling::{Database, Error, params};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::{sync::Semaphore, task::unconstrained, time::sleep};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TASKS: usize = 10_000;
const CONNECTIONS: usize = 16;
/// How many are served while one connection alone goes from hand to hand, so that the order of their ends is that of
/// service.
const IN_ORDER: usize = 1_000;

/// What is allocated now.
fn allocated() -> i64 {
    let stats = HEAP.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// One thread, so that the order of arrival is known.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("usage: waiting URL")?;
    let builder = Database::builder(&url).max_connections(CONNECTIONS as u32);
    let db = builder.acquire_timeout(Duration::from_secs(120)).build()?;
    let leave = Arc::new(Semaphore::new(0));
    let holders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (db, leave) = (db.clone(), Arc::clone(&leave));
            tokio::spawn(async move {
                let block = || async {
                    db.query_one("select 1", params![]).await?;
                    // Closed when all are to leave.
                    if let Ok(permit) = leave.acquire().await {
                        permit.forget();
                    }
                    Ok::<_, Error>(())
                };
                db.atomic(block).await
            })
        })
        .collect();
    until(|| db.stats().transactions == CONNECTIONS as u64).await?;

    let start = Arc::new(Semaphore::new(0));
    let served = Arc::new(Mutex::new(Vec::with_capacity(TASKS)));
    let mut future_bytes = 0;
    let waiters: Vec<_> = (0..TASKS)
        .map(|number| {
            let (db, start, served) = (db.clone(), Arc::clone(&start), Arc::clone(&served));
            let task = async move {
                let _closed = start.acquire().await;
                let block = || async {
                    db.query_one("select 1", params![]).await?;
                    served.lock().unwrap_or_else(PoisonError::into_inner).push(number);
                    Ok::<_, Error>(())
                };
                db.atomic(block).await
            };
            future_bytes = size_of_val(&task);
            // Out of budget, tokio's semaphore sends a waiter away without a place in the queue; so none has a budget.
            tokio::spawn(unconstrained(task))
        })
        .collect();
    sleep(Duration::from_millis(200)).await;
    let before = allocated();
    start.close();
    until(|| db.stats().waiting == TASKS as u64).await?;
    let waiting = allocated() - before;

    let began = Instant::now();
    leave.add_permits(1);
    let served_now = || served.lock().unwrap_or_else(PoisonError::into_inner).len();
    until(|| served_now() >= IN_ORDER).await?;
    leave.close();
    for task in holders.into_iter().chain(waiters) {
        task.await??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let served = served.lock().unwrap_or_else(PoisonError::into_inner);
    let out_of_turn = served.iter().take(IN_ORDER).enumerate().filter(|(place, number)| place != *number).count();
    let bytes = waiting as f64 / TASKS as f64;
    println!(
        r#"{{"tasks":{TASKS},"connections":{CONNECTIONS},"served":{},"in_order":{IN_ORDER},"out_of_turn":{out_of_turn},"bytes":{bytes:.1},"future":{future_bytes},"seconds":{seconds:.3}}}"#,
        served.len()
    );
    Ok(())
}

async fn until(holds: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !holds() {
        ensure!(began.elapsed() < Duration::from_secs(60), "what is waited for does not come");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
