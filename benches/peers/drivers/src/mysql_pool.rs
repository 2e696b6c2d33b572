//! mysql_async with its own pool. By default a connection is reset when it is given back, which costs a round trip and all
//! of its prepared statements. TCP here, as for all.

use agent::{Job, Peer, Result, Setup, Wide, anyhow};
use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts};

use crate::mysql_async as on;

pub struct MysqlPool(Pool);

impl Peer for MysqlPool {
    async fn open(setup: &Setup) -> Result<Self> {
        // It keeps no more idle connections than its minimum, which is ten by default.
        let kept = if setup.defaults { setup.connections.min(10) } else { setup.connections };
        let constraints =
            PoolConstraints::new(kept, setup.connections).ok_or_else(|| anyhow!("a pool without room"))?;
        let pool = PoolOpts::default().with_constraints(constraints).with_reset_connection(setup.defaults);
        let opts = OptsBuilder::from_opts(Opts::from_url(&setup.url)?).pool_opts(pool).prefer_socket(false);
        Ok(Self(Pool::new(opts)))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        on::select(&mut self.0.get_conn().await?, job).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        on::insert(&mut self.0.get_conn().await?, job).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        on::mixed(&mut self.0.get_conn().await?, job).await
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        on::nested(&mut self.0.get_conn().await?, job, depth).await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        on::siblings(&mut self.0.get_conn().await?, job, count).await
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        on::empty(&mut self.0.get_conn().await?, depth).await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        on::joined(&mut self.0.get_conn().await?, job).await
    }

    async fn caught(&self, job: Job) -> Result<()> {
        on::caught(&mut self.0.get_conn().await?, job).await
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        on::read(&mut self.0.get_conn().await?, rows).await
    }
}
