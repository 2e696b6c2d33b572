//! One workload on one connection, for callgrind to count: `counted PEER URL WORKLOAD WARM ROUNDS`.
//!
//! What is measured lies between calls of [`mark`], two times ROUNDS operations: connecting, preparing and WARM
//! operations lie before. Everything runs on one thread, so that no count depends on which thread came first: on a current-thread
//! runtime, where the driver's own task is polled in between. With SQLite the runtime has a worker that stays idle, as
//! statements run on the spot only where a runtime goes on without the thread; the future is polled by `block_on`.

use agent::{Peer, Result, Setup, Workload, bail, repeat};
use drivers::{mysql_held, nestling, postgres_held, rusqlite_thread};
use tokio::runtime::Builder;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [peer, url, workload, warm, rounds] = args.as_slice() else {
        bail!("usage: counted PEER URL WORKLOAD WARM ROUNDS")
    };
    let (workload, warm, rounds) = (workload.parse()?, warm.parse()?, rounds.parse()?);
    match peer.as_str() {
        "nestling" => run::<nestling::Nestling>(url, workload, warm, rounds),
        "tokio-postgres" => run::<postgres_held::Held>(url, workload, warm, rounds),
        "mysql_async" => run::<mysql_held::Held>(url, workload, warm, rounds),
        "rusqlite" => run::<rusqlite_thread::OneThread>(url, workload, warm, rounds),
        other => bail!("there is no peer {other:?}"),
    }
}

fn run<P: Peer>(url: &str, workload: Workload, warm: u64, rounds: u64) -> Result<()> {
    let mut builder =
        if url.starts_with("sqlite:") { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = builder.worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let peer = P::open(&Setup { url: url.into(), connections: 1, defaults: false, tasks: 1 }).await?;
        repeat(&peer, workload, warm).await?;
        for _ in 0..2 {
            mark();
            repeat(&peer, workload, rounds).await?;
        }
        mark();
        Ok(())
    })
}

/// Before each call, callgrind writes down what it has counted since the last one, and begins anew.
#[inline(never)]
fn mark() {
    std::hint::black_box(());
}
