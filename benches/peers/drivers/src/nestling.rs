//! nestling, on all three back ends, as it comes.

use agent::{BoxFuture, Job, Peer, Refused, Result, Setup, Wide, anyhow};
use futures_util::future::try_join_all;
use nestling::{Database, Error, Model, params};

use crate::sql::{NOTE, numbered as sql};

pub struct Nestling {
    db: Database,
}

impl Nestling {
    async fn balance(&self, key: i64) -> Result<i64, Error> {
        self.db.query_one(sql::SELECT, params![key]).await?.get(0)
    }

    async fn write(&self, job: Job) -> Result<(), Error> {
        self.db.execute(sql::INSERT, params![job.key, job.task as i64, NOTE]).await?;
        Ok(())
    }

    fn level(&self, job: Job, left: u32) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.db.atomic(move || async move {
            self.write(job).await?;
            if left > 1 { self.level(job, left - 1).await } else { Ok(()) }
        }))
    }

    fn hollow(&self, left: u32) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.db.atomic(move || async move { if left > 0 { self.hollow(left - 1).await } else { Ok(()) } }))
    }
}

impl Peer for Nestling {
    async fn open(setup: &Setup) -> Result<Self> {
        let db = Database::builder(&setup.url).max_connections(setup.connections as u32).build()?;
        Ok(Self { db })
    }

    async fn select(&self, job: Job) -> Result<i64> {
        Ok(self.balance(job.key).await?)
    }

    async fn insert(&self, job: Job) -> Result<()> {
        Ok(self.db.atomic(|| self.write(job)).await?)
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let block = || async {
            let first = self.balance(job.key).await?;
            let second = self.balance(job.key_after(1)).await?;
            self.db.execute(sql::UPDATE, params![job.key]).await?;
            self.write(job).await?;
            Ok::<_, Error>([first, second])
        };
        Ok(self.db.atomic(block).await?)
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        Ok(self.db.atomic(|| self.level(job, depth)).await?)
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let block = || async {
            for _ in 0..count {
                self.db.atomic(|| self.write(job)).await?;
            }
            Ok::<_, Error>(())
        };
        Ok(self.db.atomic(block).await?)
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        Ok(self.hollow(depth).await?)
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let block = || try_join_all(job.four_keys().map(|key| self.balance(key)));
        self.db.atomic(block).await?.try_into().map_err(|_| anyhow!("four were asked for"))
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let innermost = || async {
            self.write(job).await?;
            Err(anyhow::Error::new(Refused))
        };
        let middle = || async {
            self.write(job).await?;
            caught(self.db.atomic(innermost).await)
        };
        let block = || async {
            self.write(job).await?;
            self.db.atomic(middle).await
        };
        self.db.atomic(block).await
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        let rows = Row::select().order_by(Row::ID.asc()).limit(rows.unsigned_abs()).all(&self.db).await?;
        Ok(rows.into_iter().map(Wide::from).collect())
    }
}

/// Lets the refusal pass, and nothing else.
fn caught(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is::<Refused>() => Ok(()),
        Ok(()) => Err(anyhow!("the innermost block was to fail")),
        other => other,
    }
}

/// The table as a model. What the conductor compares is made of it, which moves the text and copies nothing.
#[derive(Model)]
#[model(table = "wide")]
struct Row {
    id: i64,
    account: i64,
    name: String,
    note: Option<String>,
    amount: i64,
    ratio: f64,
    code: i32,
    active: bool,
}

impl From<Row> for Wide {
    fn from(row: Row) -> Self {
        let Row { id, account, name, note, amount, ratio, code, active } = row;
        Self { id, account, name, note, amount, ratio, code, active }
    }
}
