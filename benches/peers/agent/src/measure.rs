//! The loop that measures: so many tasks that run a workload until the time is over.
//!
//! Used by the agent's main loop. What an operation reads is checked each time, so that no peer is fast by being wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

use crate::{ACCOUNTS, Figures, Job, Peer, SCALE, Workload};

/// When the tasks stop.
#[derive(Debug, Clone, Copy)]
enum Until {
    After(Duration),
    Done(u64),
}

/// What one task has seen.
#[derive(Default)]
struct Seen {
    nanos: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
}

/// How long each statement is warmed up.
const WARM: Duration = Duration::from_millis(60);

/// Opens the connections and has each statement prepared on them.
pub(crate) async fn warm_up<P: Peer>(peer: &Arc<P>, tasks: usize) -> Result<()> {
    for workload in [Workload::C, Workload::G, Workload::READ_FEW] {
        let seen = run(peer, workload, tasks, Until::After(WARM)).await?;
        if let Some(error) = seen.first_error {
            bail!("{workload}: {error}");
        }
    }
    Ok(())
}

/// Runs a workload for a time, or so many times if the time is zero.
pub(crate) async fn measure<P: Peer>(
    peer: &Arc<P>,
    workload: Workload,
    tasks: usize,
    connections: usize,
    millis: u64,
    ops: u64,
) -> Result<Figures> {
    let warm = run(peer, workload, tasks.min(connections), Until::Done(tasks.min(connections) as u64)).await?;
    if let Some(error) = warm.first_error {
        bail!("{workload}: {error}");
    }
    let until = if millis > 0 { Until::After(Duration::from_millis(millis)) } else { Until::Done(ops) };
    let cpu = processor_time()?;
    let began = Instant::now();
    let mut seen = run(peer, workload, tasks, until).await?;
    let nanos = began.elapsed().as_nanos() as u64;
    let cpu = processor_time()? - cpu;
    seen.nanos.sort_unstable();
    let at = |part: f64| seen.nanos.get((part * (seen.nanos.len() - 1) as f64) as usize).copied().unwrap_or_default();
    Ok(Figures {
        ops: seen.nanos.len() as u64,
        nanos,
        warm: warm.nanos.len() as u64,
        cpu,
        server: 0,
        median: if seen.nanos.is_empty() { 0 } else { at(0.5) },
        p99: if seen.nanos.is_empty() { 0 } else { at(0.99) },
        longest: seen.nanos.last().copied().unwrap_or_default(),
        errors: seen.errors,
        first_error: seen.first_error,
    })
}

async fn run<P: Peer>(peer: &Arc<P>, workload: Workload, tasks: usize, until: Until) -> Result<Seen> {
    let started = Arc::new(AtomicU64::new(0));
    let deadline = match until {
        Until::After(time) => Some(Instant::now() + time),
        Until::Done(_) => None,
    };
    let limit = match until {
        Until::After(_) => u64::MAX,
        Until::Done(ops) => ops,
    };
    let mut running = Vec::with_capacity(tasks);
    for task in 0..tasks {
        let (peer, started) = (Arc::clone(peer), Arc::clone(&started));
        running.push(tokio::spawn(async move {
            let mut seen = Seen::default();
            let mut keys = Keys::new(task);
            while deadline.is_none_or(|deadline| Instant::now() < deadline)
                && started.fetch_add(1, Ordering::Relaxed) < limit
            {
                let job = Job { task, key: keys.next() };
                let began = Instant::now();
                match one(&*peer, workload, job).await {
                    Ok(()) => seen.nanos.push(began.elapsed().as_nanos() as u64),
                    Err(error) => {
                        seen.errors += 1;
                        seen.first_error.get_or_insert_with(|| format!("{error:#}"));
                    }
                }
            }
            seen
        }));
    }
    let mut all = Seen::default();
    for task in running {
        let Seen { nanos, errors, first_error } = task.await?;
        all.nanos.extend(nanos);
        all.errors += errors;
        all.first_error = all.first_error.or(first_error);
    }
    Ok(all)
}

/// Runs a workload so many times, one after the other, as the only task.
///
/// # Errors
/// An operation fails, or has read what is not there.
pub async fn repeat<P: Peer>(peer: &P, workload: Workload, times: u64) -> Result<()> {
    let mut keys = Keys::new(0);
    for _ in 0..times {
        one(peer, workload, Job { task: 0, key: keys.next() }).await?;
    }
    Ok(())
}

/// One operation, and whether it has read what is there.
async fn one<P: Peer>(peer: &P, workload: Workload, job: Job) -> Result<()> {
    match workload {
        Workload::A => is_balance(peer.select(job).await?, job.key)?,
        Workload::B => peer.insert(job).await?,
        Workload::C => {
            let [first, second] = peer.mixed(job).await?;
            is_balance(first, job.key)?;
            is_balance(second, job.key_after(1))?;
        }
        Workload::D(depth) => peer.nested(job, depth).await?,
        Workload::E(count) => peer.siblings(job, count).await?,
        Workload::F => peer.empty(job, 5).await?,
        Workload::G => {
            for (balance, key) in peer.joined(job).await?.into_iter().zip(job.four_keys()) {
                is_balance(balance, key)?;
            }
        }
        Workload::H => peer.caught(job).await?,
        Workload::R(_) => {
            let wanted = workload.rows_read().unwrap_or_default();
            let rows = peer.read(job, wanted).await?;
            ensure!(rows.len() as i64 == wanted, "{} rows read instead of {wanted}", rows.len());
            // A few are enough: the check must not cost what reading costs.
            for id in [1, 2, 3, wanted / 2, wanted] {
                let row = rows.get(id as usize - 1).context("just counted")?;
                ensure!(row.is_row(id), "this is not row {id}: {row:?}");
            }
        }
    }
    Ok(())
}

fn is_balance(balance: i64, key: i64) -> Result<()> {
    ensure!(balance / SCALE == key, "{balance} is not the balance of account {key}");
    Ok(())
}

/// Keys of `account` in an order that is the same for every peer.
struct Keys(u64);

impl Keys {
    fn new(task: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (task as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    /// Marsaglia's xorshift.
    fn next(&mut self) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % ACCOUNTS as u64) as i64 + 1
    }
}

/// How long this program has been on the processor, for itself and in the kernel, in nanoseconds.
fn processor_time() -> Result<u64> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
    Ok((micros(used.user_time()) + micros(used.system_time())) * 1_000)
}
