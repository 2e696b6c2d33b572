//! mysql_async on held connections: no pool. A task has a connection of its own; where there are more tasks than
//! connections, some share one and take turns. It would change over to the server's socket by itself: TCP here, as for all.

use agent::{Job, Peer, Result, Setup, Wide, anyhow};
use mysql_async::{Conn, Opts, OptsBuilder};
use tokio::sync::{Mutex, MutexGuard};

use crate::mysql_async as on;

pub struct Held(Vec<Mutex<Conn>>);

impl Held {
    async fn connection(&self, job: Job) -> Result<MutexGuard<'_, Conn>> {
        let own = self.0.get(job.task % self.0.len().max(1)).ok_or_else(|| anyhow!("there is no connection"))?;
        Ok(own.lock().await)
    }
}

impl Peer for Held {
    async fn open(setup: &Setup) -> Result<Self> {
        let opts = OptsBuilder::from_opts(Opts::from_url(&setup.url)?).prefer_socket(false);
        let mut held = Vec::new();
        for _ in 0..setup.connections.min(setup.tasks) {
            held.push(Mutex::new(Conn::new(opts.clone()).await?));
        }
        Ok(Self(held))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        on::select(&mut *self.connection(job).await?, job).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        on::insert(&mut *self.connection(job).await?, job).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        on::mixed(&mut *self.connection(job).await?, job).await
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        on::nested(&mut *self.connection(job).await?, job, depth).await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        on::siblings(&mut *self.connection(job).await?, job, count).await
    }

    async fn empty(&self, job: Job, depth: u32) -> Result<()> {
        on::empty(&mut *self.connection(job).await?, depth).await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        on::joined(&mut *self.connection(job).await?, job).await
    }

    async fn caught(&self, job: Job) -> Result<()> {
        on::caught(&mut *self.connection(job).await?, job).await
    }

    async fn read(&self, job: Job, rows: i64) -> Result<Vec<Wide>> {
        on::read(&mut *self.connection(job).await?, rows).await
    }
}
