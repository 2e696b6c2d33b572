//! tokio-postgres on held connections: no pool. A task has a connection of its own; where there are more tasks than
//! connections, some share one and take turns.

use agent::{Job, Peer, Result, Setup, Wide, anyhow};
use tokio::sync::{Mutex, MutexGuard};

use crate::tokio_postgres::Connection;

pub struct Held(Vec<Mutex<Connection>>);

impl Held {
    async fn connection(&self, job: Job) -> Result<MutexGuard<'_, Connection>> {
        let own = self.0.get(job.task % self.0.len().max(1)).ok_or_else(|| anyhow!("there is no connection"))?;
        Ok(own.lock().await)
    }
}

impl Peer for Held {
    async fn open(setup: &Setup) -> Result<Self> {
        let mut held = Vec::new();
        for _ in 0..setup.connections.min(setup.tasks) {
            held.push(Mutex::new(Connection::open(&setup.url).await?));
        }
        Ok(Self(held))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        self.connection(job).await?.select(job).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        self.connection(job).await?.insert(job).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        self.connection(job).await?.mixed(job).await
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        self.connection(job).await?.nested(job, depth).await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        self.connection(job).await?.siblings(job, count).await
    }

    async fn empty(&self, job: Job, depth: u32) -> Result<()> {
        self.connection(job).await?.empty(depth).await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        self.connection(job).await?.joined(job).await
    }

    async fn caught(&self, job: Job) -> Result<()> {
        self.connection(job).await?.caught(job).await
    }

    async fn read(&self, job: Job, rows: i64) -> Result<Vec<Wide>> {
        self.connection(job).await?.read(rows).await
    }
}
