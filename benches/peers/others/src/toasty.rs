//! toasty on PostgreSQL: models, `create!`, nested `transaction`. Its builder has no arithmetic on columns, so that the one
//! update is SQL.

use agent::{BoxFuture, Job, Peer, Refused, Result, Setup, Wide, anyhow};
use toasty::{Db, Executor, Transaction};

use crate::NOTE;

#[derive(Debug, toasty::Model)]
#[table = "account"]
struct Account {
    #[key]
    id: i64,
    balance: i64,
}

#[derive(Debug, toasty::Model)]
#[table = "entry"]
struct Entry {
    #[key]
    #[auto]
    id: i64,
    account: i64,
    amount: i64,
    note: String,
}

#[derive(Debug, toasty::Model)]
#[table = "wide"]
struct WideRow {
    #[key]
    id: i64,
    account: i64,
    name: String,
    note: Option<String>,
    amount: i64,
    ratio: f64,
    code: i32,
    active: bool,
}

pub(crate) struct Toasty(Db);

async fn write(on: &mut dyn Executor, job: Job) -> Result<()> {
    toasty::create!(Entry { account: job.key, amount: job.task as i64, note: NOTE }).exec(on).await?;
    Ok(())
}

async fn balance(on: &mut dyn Executor, key: i64) -> Result<i64> {
    Ok(Account::get_by_id(on, key).await?.balance)
}

fn level<'a>(outer: &'a mut Transaction<'_>, job: Job, left: u32) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut savepoint = outer.transaction().await?;
        write(&mut savepoint, job).await?;
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

async fn innermost(outer: &mut Transaction<'_>, job: Job) -> Result<()> {
    let mut savepoint = outer.transaction().await?;
    write(&mut savepoint, job).await?;
    savepoint.rollback().await?;
    Err(anyhow::Error::new(Refused))
}

impl Peer for Toasty {
    async fn open(setup: &Setup) -> Result<Self> {
        let mut builder = Db::builder();
        builder.models(toasty::models!(Account, Entry, WideRow)).max_pool_size(setup.connections);
        Ok(Self(builder.connect(&setup.url.replace("postgres://", "postgresql://")).await?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        balance(&mut self.0.clone(), job.key).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        write(&mut transaction, job).await?;
        Ok(transaction.commit().await?)
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        let first = balance(&mut transaction, job.key).await?;
        let second = balance(&mut transaction, job.key_after(1)).await?;
        let grow = toasty::sql::statement("update account set balance = balance + 1 where id = $1").bind(job.key);
        grow.exec(&mut transaction).await?;
        write(&mut transaction, job).await?;
        transaction.commit().await?;
        Ok([first, second])
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        level(&mut transaction, job, depth).await?;
        Ok(transaction.commit().await?)
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        for _ in 0..count {
            level(&mut transaction, job, 1).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        hollow(&mut transaction, depth).await?;
        Ok(transaction.commit().await?)
    }

    /// One after the other: a query borrows the transaction for itself.
    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        let mut balances = [0; 4];
        for (found, key) in balances.iter_mut().zip(job.four_keys()) {
            *found = balance(&mut transaction, key).await?;
        }
        transaction.commit().await?;
        Ok(balances)
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let mut db = self.0.clone();
        let mut transaction = db.transaction().await?;
        write(&mut transaction, job).await?;
        let mut middle = transaction.transaction().await?;
        write(&mut middle, job).await?;
        match innermost(&mut middle, job).await {
            Err(error) if error.is::<Refused>() => {}
            other => other?,
        }
        middle.commit().await?;
        Ok(transaction.commit().await?)
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        let limit = usize::try_from(rows).map_err(|error| anyhow!("{rows} rows: {error}"))?;
        let query = WideRow::all().order_by(WideRow::fields().id().asc()).limit(limit);
        Ok(query.exec(&mut self.0.clone()).await?.into_iter().map(Wide::from).collect())
    }
}

impl From<WideRow> for Wide {
    fn from(row: WideRow) -> Self {
        let WideRow { id, account, name, note, amount, ratio, code, active } = row;
        Self { id, account, name, note, amount, ratio, code, active }
    }
}
