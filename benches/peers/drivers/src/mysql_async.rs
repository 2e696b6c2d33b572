//! The workloads on a connection of mysql_async, for whoever hands one out. Its transactions have no savepoints: those are
//! sent as text. Its own cache keeps statements prepared.

use agent::{BoxFuture, Job, Result, Wide, anyhow};
use mysql_async::{Conn, Transaction, TxOpts, prelude::Queryable};

use crate::sql::{NOTE, marked as sql};

async fn write(transaction: &mut Transaction<'_>, job: Job) -> Result<()> {
    Ok(transaction.exec_drop(sql::INSERT, (job.key, job.task as i64, NOTE)).await?)
}

async fn balance(transaction: &mut Transaction<'_>, key: i64) -> Result<i64> {
    transaction.exec_first(sql::SELECT, (key,)).await?.ok_or_else(|| anyhow!("there is no account {key}"))
}

fn level<'a>(transaction: &'a mut Transaction<'_>, job: Job, number: u32, depth: u32) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        transaction.query_drop(format!("SAVEPOINT s{number}")).await?;
        write(transaction, job).await?;
        if number < depth {
            level(transaction, job, number + 1, depth).await?;
        }
        Ok(transaction.query_drop(format!("RELEASE SAVEPOINT s{number}")).await?)
    })
}

pub(crate) async fn select(connection: &mut Conn, job: Job) -> Result<i64> {
    connection.exec_first(sql::SELECT, (job.key,)).await?.ok_or_else(|| anyhow!("there is no account {}", job.key))
}

pub(crate) async fn insert(connection: &mut Conn, job: Job) -> Result<()> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    write(&mut transaction, job).await?;
    Ok(transaction.commit().await?)
}

pub(crate) async fn mixed(connection: &mut Conn, job: Job) -> Result<[i64; 2]> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let first = balance(&mut transaction, job.key).await?;
    let second = balance(&mut transaction, job.key_after(1)).await?;
    transaction.exec_drop(sql::UPDATE, (job.key,)).await?;
    write(&mut transaction, job).await?;
    transaction.commit().await?;
    Ok([first, second])
}

pub(crate) async fn nested(connection: &mut Conn, job: Job, depth: u32) -> Result<()> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    level(&mut transaction, job, 1, depth).await?;
    Ok(transaction.commit().await?)
}

pub(crate) async fn siblings(connection: &mut Conn, job: Job, count: u32) -> Result<()> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    for _ in 0..count {
        level(&mut transaction, job, 1, 1).await?;
    }
    Ok(transaction.commit().await?)
}

pub(crate) async fn empty(connection: &mut Conn, depth: u32) -> Result<()> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    for number in 1..=depth {
        transaction.query_drop(format!("SAVEPOINT s{number}")).await?;
    }
    for number in (1..=depth).rev() {
        transaction.query_drop(format!("RELEASE SAVEPOINT s{number}")).await?;
    }
    Ok(transaction.commit().await?)
}

/// One after the other: a connection takes one statement at a time.
pub(crate) async fn joined(connection: &mut Conn, job: Job) -> Result<[i64; 4]> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    let mut balances = [0; 4];
    for (found, key) in balances.iter_mut().zip(job.four_keys()) {
        *found = balance(&mut transaction, key).await?;
    }
    transaction.commit().await?;
    Ok(balances)
}

pub(crate) async fn caught(connection: &mut Conn, job: Job) -> Result<()> {
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    write(&mut transaction, job).await?;
    transaction.query_drop("SAVEPOINT s1").await?;
    write(&mut transaction, job).await?;
    transaction.query_drop("SAVEPOINT s2").await?;
    write(&mut transaction, job).await?;
    transaction.query_drop("ROLLBACK TO SAVEPOINT s2").await?;
    transaction.query_drop("RELEASE SAVEPOINT s1").await?;
    Ok(transaction.commit().await?)
}

type Columns = (i64, i64, String, Option<String>, i64, f64, i32, bool);

pub(crate) async fn read(connection: &mut Conn, rows: i64) -> Result<Vec<Wide>> {
    let wide = |(id, account, name, note, amount, ratio, code, active): Columns| Wide {
        id,
        account,
        name,
        note,
        amount,
        ratio,
        code,
        active,
    };
    Ok(connection.exec_map(sql::READ, (rows,), wide).await?)
}
