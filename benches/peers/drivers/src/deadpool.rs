//! deadpool-postgres with its statement cache. Its default is its best: a connection is only asked whether it is closed.

use agent::{BoxFuture, Job, Peer, Result, Setup, Wide, anyhow};
use deadpool_postgres::{Manager, Pool, Transaction};
use futures_util::future::try_join_all;
use tokio_postgres::NoTls;

use crate::{
    sql::{NOTE, numbered as sql},
    tokio_postgres::wide,
};

pub struct Deadpool(Pool);

async fn write(transaction: &Transaction<'_>, job: Job) -> Result<()> {
    let insert = transaction.prepare_cached(sql::INSERT).await?;
    transaction.execute(&insert, &[&job.key, &(job.task as i64), &NOTE]).await?;
    Ok(())
}

async fn balance(transaction: &Transaction<'_>, key: i64) -> Result<i64> {
    let select = transaction.prepare_cached(sql::SELECT).await?;
    Ok(transaction.query_one(&select, &[&key]).await?.try_get(0)?)
}

fn level<'a>(outer: &'a mut Transaction<'_>, job: Job, left: u32) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut savepoint = outer.transaction().await?;
        write(&savepoint, job).await?;
        if left > 1 {
            level(&mut savepoint, job, left - 1).await?;
        }
        Ok(savepoint.commit().await?)
    })
}

fn hollow<'a>(outer: &'a mut Transaction<'_>, left: u32) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut savepoint = outer.transaction().await?;
        if left > 1 {
            hollow(&mut savepoint, left - 1).await?;
        }
        Ok(savepoint.commit().await?)
    })
}

impl Peer for Deadpool {
    async fn open(setup: &Setup) -> Result<Self> {
        let manager = Manager::new(setup.url.parse()?, NoTls);
        Ok(Self(Pool::builder(manager).max_size(setup.connections).build()?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        let client = self.0.get().await?;
        let select = client.prepare_cached(sql::SELECT).await?;
        Ok(client.query_one(&select, &[&job.key]).await?.try_get(0)?)
    }

    async fn insert(&self, job: Job) -> Result<()> {
        let mut client = self.0.get().await?;
        let transaction = client.transaction().await?;
        write(&transaction, job).await?;
        Ok(transaction.commit().await?)
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let mut client = self.0.get().await?;
        let transaction = client.transaction().await?;
        let first = balance(&transaction, job.key).await?;
        let second = balance(&transaction, job.key_after(1)).await?;
        let update = transaction.prepare_cached(sql::UPDATE).await?;
        transaction.execute(&update, &[&job.key]).await?;
        write(&transaction, job).await?;
        transaction.commit().await?;
        Ok([first, second])
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        let mut client = self.0.get().await?;
        let mut transaction = client.transaction().await?;
        level(&mut transaction, job, depth).await?;
        Ok(transaction.commit().await?)
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let mut client = self.0.get().await?;
        let mut transaction = client.transaction().await?;
        for _ in 0..count {
            let savepoint = transaction.transaction().await?;
            write(&savepoint, job).await?;
            savepoint.commit().await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        let mut client = self.0.get().await?;
        let mut transaction = client.transaction().await?;
        hollow(&mut transaction, depth).await?;
        Ok(transaction.commit().await?)
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let mut client = self.0.get().await?;
        let transaction = client.transaction().await?;
        let balances = try_join_all(job.four_keys().map(|key| balance(&transaction, key))).await?;
        transaction.commit().await?;
        balances.try_into().map_err(|_| anyhow!("four were asked for"))
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let mut client = self.0.get().await?;
        let mut transaction = client.transaction().await?;
        write(&transaction, job).await?;
        let mut middle = transaction.transaction().await?;
        write(&middle, job).await?;
        let innermost = middle.transaction().await?;
        write(&innermost, job).await?;
        innermost.rollback().await?;
        middle.commit().await?;
        Ok(transaction.commit().await?)
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        let client = self.0.get().await?;
        let read = client.prepare_cached(sql::READ).await?;
        let rows = client.query(&read, &[&rows]).await?;
        Ok(rows.iter().map(wide).collect::<Result<_, _>>()?)
    }
}
