//! A connection of tokio-postgres with its statements prepared, and the workloads on it: for whoever hands out such
//! connections.

use agent::{BoxFuture, Job, Result, Wide};
use anyhow::Error;
use futures_util::future::try_join_all;
use tokio_postgres::{Client, NoTls, Row, Statement, Transaction};

use crate::sql::{NOTE, numbered as sql};

pub(crate) struct Connection {
    pub(crate) client: Client,
    statements: Statements,
}

struct Statements {
    select: Statement,
    update: Statement,
    insert: Statement,
    read: Statement,
}

impl Statements {
    async fn write(&self, transaction: &Transaction<'_>, job: Job) -> Result<(), tokio_postgres::Error> {
        transaction.execute(&self.insert, &[&job.key, &(job.task as i64), &NOTE]).await?;
        Ok(())
    }

    async fn balance(&self, transaction: &Transaction<'_>, key: i64) -> Result<i64, tokio_postgres::Error> {
        transaction.query_one(&self.select, &[&key]).await?.try_get(0)
    }

    fn level<'a>(&'a self, outer: &'a mut Transaction<'_>, job: Job, left: u32) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut savepoint = outer.transaction().await?;
            self.write(&savepoint, job).await?;
            if left > 1 {
                self.level(&mut savepoint, job, left - 1).await?;
            }
            Ok(savepoint.commit().await?)
        })
    }
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

impl Connection {
    pub(crate) async fn open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let statements = Statements {
            select: client.prepare(sql::SELECT).await?,
            update: client.prepare(sql::UPDATE).await?,
            insert: client.prepare(sql::INSERT).await?,
            read: client.prepare(sql::READ).await?,
        };
        Ok(Self { client, statements })
    }

    pub(crate) async fn select(&self, job: Job) -> Result<i64> {
        Ok(self.client.query_one(&self.statements.select, &[&job.key]).await?.try_get(0)?)
    }

    pub(crate) async fn insert(&mut self, job: Job) -> Result<()> {
        let transaction = self.client.transaction().await?;
        self.statements.write(&transaction, job).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn mixed(&mut self, job: Job) -> Result<[i64; 2]> {
        let Self { client, statements } = self;
        let transaction = client.transaction().await?;
        let first = statements.balance(&transaction, job.key).await?;
        let second = statements.balance(&transaction, job.key_after(1)).await?;
        transaction.execute(&statements.update, &[&job.key]).await?;
        statements.write(&transaction, job).await?;
        transaction.commit().await?;
        Ok([first, second])
    }

    pub(crate) async fn nested(&mut self, job: Job, depth: u32) -> Result<()> {
        let mut transaction = self.client.transaction().await?;
        self.statements.level(&mut transaction, job, depth).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn siblings(&mut self, job: Job, count: u32) -> Result<()> {
        let mut transaction = self.client.transaction().await?;
        for _ in 0..count {
            let savepoint = transaction.transaction().await?;
            self.statements.write(&savepoint, job).await?;
            savepoint.commit().await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn empty(&mut self, depth: u32) -> Result<()> {
        let mut transaction = self.client.transaction().await?;
        hollow(&mut transaction, depth).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn joined(&mut self, job: Job) -> Result<[i64; 4]> {
        let Self { client, statements } = self;
        let transaction = client.transaction().await?;
        let balances = try_join_all(job.four_keys().map(|key| statements.balance(&transaction, key))).await?;
        transaction.commit().await?;
        balances.try_into().map_err(|_| Error::msg("four were asked for"))
    }

    pub(crate) async fn caught(&mut self, job: Job) -> Result<()> {
        let Self { client, statements } = self;
        let mut transaction = client.transaction().await?;
        statements.write(&transaction, job).await?;
        let mut middle = transaction.transaction().await?;
        statements.write(&middle, job).await?;
        let innermost = middle.transaction().await?;
        statements.write(&innermost, job).await?;
        innermost.rollback().await?;
        middle.commit().await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn read(&self, rows: i64) -> Result<Vec<Wide>> {
        let rows = self.client.query(&self.statements.read, &[&rows]).await?;
        Ok(rows.iter().map(wide).collect::<Result<_, _>>()?)
    }
}

pub(crate) fn wide(row: &Row) -> Result<Wide, tokio_postgres::Error> {
    Ok(Wide {
        id: row.try_get(0)?,
        account: row.try_get(1)?,
        name: row.try_get(2)?,
        note: row.try_get(3)?,
        amount: row.try_get(4)?,
        ratio: row.try_get(5)?,
        code: row.try_get(6)?,
        active: row.try_get(7)?,
    })
}
