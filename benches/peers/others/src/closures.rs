//! tokio-rusqlite, each operation one closure, as its documentation has it: a connection has a thread of its own, and what a
//! closure does there costs one hop.
//!
//! It has no pool. A task has a connection of its own; where there are more tasks than connections, some share one.

use agent::{Job, Peer, Refused, Result, Setup, Wide, anyhow};
use tokio_rusqlite::{
    Connection,
    rusqlite::{self, Savepoint, TransactionBehavior},
};

use crate::connections::{self, balance, grow, write};

pub(crate) struct Closures(Vec<Connection>);

fn level(mut savepoint: Savepoint<'_>, job: Job, left: u32) -> rusqlite::Result<()> {
    write(&savepoint, job)?;
    if left > 1 {
        level(savepoint.savepoint()?, job, left - 1)?;
    }
    savepoint.commit()
}

fn hollow(mut savepoint: Savepoint<'_>, left: u32) -> rusqlite::Result<()> {
    if left > 1 {
        hollow(savepoint.savepoint()?, left - 1)?;
    }
    savepoint.commit()
}

fn innermost(savepoint: Savepoint<'_>, job: Job) -> Result<()> {
    write(&savepoint, job)?;
    Err(anyhow::Error::new(Refused))
}

impl Closures {
    /// Runs one closure on the thread of the job's connection.
    async fn call<T: Send + 'static>(
        &self,
        job: Job,
        work: impl FnOnce(&mut rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let own = self.0.get(job.task % self.0.len().max(1)).ok_or_else(|| anyhow!("there is no connection"))?;
        connections::call(own, work).await
    }

    /// The same in a transaction that writes.
    async fn writing<T: Send + 'static>(
        &self,
        job: Job,
        work: impl FnOnce(&mut rusqlite::Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closure = move |connection: &mut rusqlite::Connection| {
            let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&mut transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        self.call(job, closure).await
    }
}

impl Peer for Closures {
    async fn open(setup: &Setup) -> Result<Self> {
        Ok(Self(connections::open(setup).await?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        self.call(job, move |connection| balance(connection, job.key)).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        self.writing(job, move |transaction| Ok(write(transaction, job)?)).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let work = move |transaction: &mut rusqlite::Transaction<'_>| {
            let balances = [balance(transaction, job.key)?, balance(transaction, job.key_after(1))?];
            grow(transaction, job.key)?;
            write(transaction, job)?;
            Ok(balances)
        };
        self.writing(job, work).await
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        self.writing(job, move |transaction| Ok(level(transaction.savepoint()?, job, depth)?)).await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let work = move |transaction: &mut rusqlite::Transaction<'_>| {
            for _ in 0..count {
                level(transaction.savepoint()?, job, 1)?;
            }
            Ok(())
        };
        self.writing(job, work).await
    }

    async fn empty(&self, job: Job, depth: u32) -> Result<()> {
        self.writing(job, move |transaction| Ok(hollow(transaction.savepoint()?, depth)?)).await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let work = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            let mut balances = [0; 4];
            for (found, key) in balances.iter_mut().zip(job.four_keys()) {
                *found = balance(&transaction, key)?;
            }
            transaction.commit()?;
            Ok(balances)
        };
        self.call(job, work).await
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let work = move |transaction: &mut rusqlite::Transaction<'_>| {
            write(transaction, job)?;
            let mut middle = transaction.savepoint()?;
            write(&middle, job)?;
            match innermost(middle.savepoint()?, job) {
                Err(error) if error.is::<Refused>() => {}
                other => other?,
            }
            Ok(middle.commit()?)
        };
        self.writing(job, work).await
    }

    async fn read(&self, job: Job, rows: i64) -> Result<Vec<Wide>> {
        self.call(job, move |connection| connections::read(connection, rows)).await
    }
}
