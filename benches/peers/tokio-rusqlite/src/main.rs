//! The agent of tokio-rusqlite: a connection has a thread of its own, and what a closure does there costs one hop. Each
//! operation is one closure, as its documentation has it; code that has to await between its statements cannot do so, and
//! hops for each of them.
//!
//! It has no pool. A task has a connection of its own; where there are more tasks than connections, some share one.

use agent::{Job, Peer, Refused, Result, Setup, Wide, anyhow, serve};
use tokio_rusqlite::{
    Connection, params,
    rusqlite::{self, Savepoint, TransactionBehavior},
};

const NOTE: &str = "written by a benchmark";
const SELECT: &str = "select balance from account where id = ?";
const UPDATE: &str = "update account set balance = balance + 1 where id = ?";
const INSERT: &str = "insert into entry (account, amount, note) values (?, ?, ?)";
const READ: &str = "select id, account, name, note, amount, ratio, code, active from wide order by id limit ?";

struct TokioRusqlite(Vec<Connection>);

fn main() -> Result<()> {
    serve::<TokioRusqlite>()
}

fn write(connection: &rusqlite::Connection, job: Job) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT)?.execute(params![job.key, job.task as i64, NOTE])?;
    Ok(())
}

fn balance(connection: &rusqlite::Connection, key: i64) -> rusqlite::Result<i64> {
    connection.prepare_cached(SELECT)?.query_row([key], |row| row.get(0))
}

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

impl TokioRusqlite {
    /// Runs one closure on the thread of the job's connection.
    async fn call<T: Send + 'static>(
        &self,
        job: Job,
        work: impl FnOnce(&mut rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let own = self.0.get(job.task % self.0.len().max(1)).ok_or_else(|| anyhow!("there is no connection"))?;
        match own.call(move |connection| work(connection)).await {
            Err(tokio_rusqlite::Error::Error(error)) => Err(error),
            other => other.map_err(|error| anyhow!("{error}")),
        }
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

impl Peer for TokioRusqlite {
    async fn open(setup: &Setup) -> Result<Self> {
        let path = setup.url.strip_prefix("sqlite://").ok_or_else(|| anyhow!("{} is no file", setup.url))?;
        let mut open = Vec::new();
        for _ in 0..setup.connections.min(setup.tasks) {
            let connection = Connection::open(path).await?;
            let set = |connection: &mut rusqlite::Connection| {
                connection.pragma_update(None, "journal_mode", "wal")?;
                connection.pragma_update(None, "foreign_keys", true)
            };
            connection.call(set).await.map_err(|error| anyhow!("{error}"))?;
            open.push(connection);
        }
        Ok(Self(open))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        self.call(job, move |connection| Ok(balance(connection, job.key)?)).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        self.writing(job, move |transaction| Ok(write(transaction, job)?)).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let work = move |transaction: &mut rusqlite::Transaction<'_>| {
            let balances = [balance(transaction, job.key)?, balance(transaction, job.key_after(1))?];
            transaction.prepare_cached(UPDATE)?.execute([job.key])?;
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
        let work = move |connection: &mut rusqlite::Connection| {
            let wide = |row: &rusqlite::Row<'_>| {
                Ok(Wide {
                    id: row.get(0)?,
                    account: row.get(1)?,
                    name: row.get(2)?,
                    note: row.get(3)?,
                    amount: row.get(4)?,
                    ratio: row.get(5)?,
                    code: row.get(6)?,
                    active: row.get(7)?,
                })
            };
            Ok(connection.prepare_cached(READ)?.query_map([rows], wide)?.collect::<Result<_, _>>()?)
        };
        self.call(job, work).await
    }
}
