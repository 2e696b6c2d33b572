//! The agent's main loop: a request from stdin, its reply to stdout, until stdin ends.

use std::{
    io::{BufRead, Write},
    sync::Arc,
};

use anyhow::{Context, Result};

use crate::{
    Peer, Reply, Request, Setup,
    measure::{measure, warm_up},
};

/// Serves the conductor with one peer until stdin ends.
///
/// # Errors
/// The conductor is gone or says what nobody understands. What a peer fails with is told to the conductor.
pub fn serve<P: Peer>() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut open: Option<(Arc<P>, Setup)> = None;
    for line in std::io::stdin().lock().lines() {
        let request = serde_json::from_str(&line?).context("a request")?;
        let reply = runtime.block_on(async {
            // A task, as the work of a server is: not the future that `block_on` polls.
            let current = open.take();
            tokio::spawn(answer(request, current)).await.context("the agent has panicked")
        })?;
        let (reply, still_open) = reply;
        open = still_open;
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &reply)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

type Open<P> = Option<(Arc<P>, Setup)>;

async fn answer<P: Peer>(request: Request, open: Open<P>) -> (Reply, Open<P>) {
    match request {
        Request::Open(setup) => {
            drop(open);
            match opened(&setup).await {
                Ok(peer) => (Reply::Done, Some((peer, setup))),
                Err(error) => (Reply::Error(format!("{error:#}")), None),
            }
        }
        Request::Run { workload, tasks, millis, ops } => {
            let Some((peer, setup)) = open else { return (Reply::Error("nothing is open".into()), None) };
            let reply = match measure(&peer, workload, tasks, setup.connections, millis, ops).await {
                Ok(figures) => Reply::Figures(figures),
                Err(error) => Reply::Error(format!("{error:#}")),
            };
            (reply, Some((peer, setup)))
        }
        Request::Close => (Reply::Done, None),
    }
}

async fn opened<P: Peer>(setup: &Setup) -> Result<Arc<P>> {
    let peer = Arc::new(P::open(setup).await?);
    warm_up(&peer, setup.tasks.min(setup.connections)).await?;
    Ok(peer)
}
