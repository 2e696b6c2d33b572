//! A plain bb8 pool of tokio-postgres connections that keep their statements prepared.
//!
//! The manager is bb8-postgres's with the prepared statements added, for which that has no place. By default a connection
//! is tested whenever it is borrowed.

use agent::{Job, Peer, Result, Setup, Wide};
use bb8::{ManageConnection, Pool, PooledConnection};

use crate::tokio_postgres::Connection;

pub(crate) struct Manager {
    url: String,
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = tokio_postgres::Error;

    async fn connect(&self) -> Result<Connection, Self::Error> {
        Connection::open(&self.url).await
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Self::Error> {
        connection.client.simple_query("").await.map(drop)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.client.is_closed()
    }
}

pub struct Bb8(Pool<Manager>);

impl Bb8 {
    async fn connection(&self) -> Result<PooledConnection<'_, Manager>> {
        Ok(self.0.get().await?)
    }
}

impl Peer for Bb8 {
    async fn open(setup: &Setup) -> Result<Self> {
        let builder = Pool::builder().max_size(setup.connections as u32).test_on_check_out(setup.defaults);
        Ok(Self(builder.build(Manager { url: setup.url.clone() }).await?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        self.connection().await?.select(job).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        self.connection().await?.insert(job).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        self.connection().await?.mixed(job).await
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        self.connection().await?.nested(job, depth).await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        self.connection().await?.siblings(job, count).await
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        self.connection().await?.empty(depth).await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        self.connection().await?.joined(job).await
    }

    async fn caught(&self, job: Job) -> Result<()> {
        self.connection().await?.caught(job).await
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        self.connection().await?.read(rows).await
    }
}
