//! rusqlite as it is, on the thread that asks, which it blocks: what SQLite itself costs. No choice for a server, but the
//! bound for all others. A task has a connection of its own; where there are more tasks than connections, some share one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use agent::{Job, Peer, Refused, Result, Setup, Wide, anyhow};
use rusqlite::{Connection, Savepoint, TransactionBehavior, params};

use crate::sql::{NOTE, marked as sql};

pub struct OneThread(Vec<Mutex<Connection>>);

fn write(connection: &Connection, job: Job) -> rusqlite::Result<()> {
    connection.prepare_cached(sql::INSERT)?.execute(params![job.key, job.task as i64, NOTE])?;
    Ok(())
}

fn balance(connection: &Connection, key: i64) -> rusqlite::Result<i64> {
    connection.prepare_cached(sql::SELECT)?.query_row([key], |row| row.get(0))
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

impl OneThread {
    fn connection(&self, job: Job) -> Result<MutexGuard<'_, Connection>> {
        let own = self.0.get(job.task % self.0.len().max(1)).ok_or_else(|| anyhow!("there is no connection"))?;
        Ok(own.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Peer for OneThread {
    async fn open(setup: &Setup) -> Result<Self> {
        let path = setup.url.strip_prefix("sqlite://").ok_or_else(|| anyhow!("{} is no file", setup.url))?;
        let open = |_| {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(Mutex::new(connection))
        };
        Ok(Self((0..setup.connections.min(setup.tasks)).map(open).collect::<Result<_>>()?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        Ok(balance(&*self.connection(job)?, job.key)?)
    }

    async fn insert(&self, job: Job) -> Result<()> {
        let mut connection = self.connection(job)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write(&transaction, job)?;
        Ok(transaction.commit()?)
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let mut connection = self.connection(job)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let balances = [balance(&transaction, job.key)?, balance(&transaction, job.key_after(1))?];
        transaction.prepare_cached(sql::UPDATE)?.execute([job.key])?;
        write(&transaction, job)?;
        transaction.commit()?;
        Ok(balances)
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        let mut connection = self.connection(job)?;
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        level(transaction.savepoint()?, job, depth)?;
        Ok(transaction.commit()?)
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let mut connection = self.connection(job)?;
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for _ in 0..count {
            level(transaction.savepoint()?, job, 1)?;
        }
        Ok(transaction.commit()?)
    }

    async fn empty(&self, job: Job, depth: u32) -> Result<()> {
        let mut connection = self.connection(job)?;
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        hollow(transaction.savepoint()?, depth)?;
        Ok(transaction.commit()?)
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let mut connection = self.connection(job)?;
        let transaction = connection.transaction()?;
        let mut balances = [0; 4];
        for (found, key) in balances.iter_mut().zip(job.four_keys()) {
            *found = balance(&transaction, key)?;
        }
        transaction.commit()?;
        Ok(balances)
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let mut connection = self.connection(job)?;
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write(&transaction, job)?;
        let mut middle = transaction.savepoint()?;
        write(&middle, job)?;
        let innermost = |savepoint: Savepoint<'_>| {
            write(&savepoint, job)?;
            Err(anyhow::Error::new(Refused))
        };
        match innermost(middle.savepoint()?) {
            Err(error) if error.is::<Refused>() => {}
            other => other?,
        }
        middle.commit()?;
        Ok(transaction.commit()?)
    }

    async fn read(&self, job: Job, rows: i64) -> Result<Vec<Wide>> {
        let connection = self.connection(job)?;
        let mut read = connection.prepare_cached(sql::READ)?;
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
        Ok(read.query_map([rows], wide)?.collect::<Result<_, _>>()?)
    }
}
