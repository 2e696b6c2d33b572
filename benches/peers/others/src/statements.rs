//! tokio-rusqlite, each statement a closure: what code pays that has to await something between its statements, as the body
//! of a transaction in a server does. Its transactions do not outlive a closure, so that their steps are sent as text.

use agent::{BoxFuture, Job, Peer, Refused, Result, Setup, Wide, anyhow};
use tokio::sync::{Mutex, MutexGuard};
use tokio_rusqlite::Connection;

use crate::connections::{self, call};

pub(crate) struct Statements(Vec<Mutex<Connection>>);

const BEGIN: &str = "BEGIN IMMEDIATE";

async fn step(connection: &Connection, sql: impl Into<String>) -> Result<()> {
    let sql = sql.into();
    call(connection, move |connection| Ok(connection.prepare_cached(&sql)?.execute([]).map(drop)?)).await
}

async fn write(connection: &Connection, job: Job) -> Result<()> {
    call(connection, move |connection| Ok(connections::write(connection, job)?)).await
}

async fn balance(connection: &Connection, key: i64) -> Result<i64> {
    call(connection, move |connection| connections::balance(connection, key)).await
}

fn level(connection: &Connection, job: Job, number: u32, depth: u32) -> BoxFuture<'_, Result<()>> {
    Box::pin(async move {
        step(connection, format!("SAVEPOINT s{number}")).await?;
        write(connection, job).await?;
        if number < depth {
            level(connection, job, number + 1, depth).await?;
        }
        step(connection, format!("RELEASE s{number}")).await
    })
}

async fn innermost(connection: &Connection, job: Job) -> Result<()> {
    step(connection, "SAVEPOINT s2").await?;
    write(connection, job).await?;
    step(connection, "ROLLBACK TO s2").await?;
    Err(anyhow::Error::new(Refused))
}

impl Statements {
    async fn connection(&self, job: Job) -> Result<MutexGuard<'_, Connection>> {
        let own = self.0.get(job.task % self.0.len().max(1)).ok_or_else(|| anyhow!("there is no connection"))?;
        Ok(own.lock().await)
    }
}

impl Peer for Statements {
    async fn open(setup: &Setup) -> Result<Self> {
        Ok(Self(connections::open(setup).await?.into_iter().map(Mutex::new).collect()))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        balance(&*self.connection(job).await?, job.key).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        let connection = self.connection(job).await?;
        step(&connection, BEGIN).await?;
        write(&connection, job).await?;
        step(&connection, "COMMIT").await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let connection = self.connection(job).await?;
        step(&connection, BEGIN).await?;
        let first = balance(&connection, job.key).await?;
        let second = balance(&connection, job.key_after(1)).await?;
        call(&connection, move |connection| Ok(connections::grow(connection, job.key)?)).await?;
        write(&connection, job).await?;
        step(&connection, "COMMIT").await?;
        Ok([first, second])
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        let connection = self.connection(job).await?;
        step(&connection, BEGIN).await?;
        level(&connection, job, 1, depth).await?;
        step(&connection, "COMMIT").await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let connection = self.connection(job).await?;
        step(&connection, BEGIN).await?;
        for _ in 0..count {
            level(&connection, job, 1, 1).await?;
        }
        step(&connection, "COMMIT").await
    }

    async fn empty(&self, job: Job, depth: u32) -> Result<()> {
        let connection = self.connection(job).await?;
        step(&connection, BEGIN).await?;
        for number in 1..=depth {
            step(&connection, format!("SAVEPOINT s{number}")).await?;
        }
        for number in (1..=depth).rev() {
            step(&connection, format!("RELEASE s{number}")).await?;
        }
        step(&connection, "COMMIT").await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let connection = self.connection(job).await?;
        step(&connection, "BEGIN").await?;
        let mut balances = [0; 4];
        for (found, key) in balances.iter_mut().zip(job.four_keys()) {
            *found = balance(&connection, key).await?;
        }
        step(&connection, "COMMIT").await?;
        Ok(balances)
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let connection = self.connection(job).await?;
        step(&connection, BEGIN).await?;
        write(&connection, job).await?;
        step(&connection, "SAVEPOINT s1").await?;
        write(&connection, job).await?;
        match innermost(&connection, job).await {
            Err(error) if error.is::<Refused>() => {}
            other => other?,
        }
        step(&connection, "RELEASE s1").await?;
        step(&connection, "COMMIT").await
    }

    async fn read(&self, job: Job, rows: i64) -> Result<Vec<Wide>> {
        let connection = self.connection(job).await?;
        call(&connection, move |connection| connections::read(connection, rows)).await
    }
}
