//! diesel-async with its deadpool. By default a connection is tested by a query whenever it is borrowed.

use agent::{BoxFuture, Job, Peer, Refused, Result, Setup, Wide, anyhow};
use anyhow::Error;
use diesel::prelude::*;
use diesel_async::{
    AsyncConnection, AsyncPgConnection, RunQueryDsl,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
};
use futures_util::future::try_join_all;

use crate::sql::NOTE;

diesel::table! {
    account (id) {
        id -> BigInt,
        balance -> BigInt,
    }
}

diesel::table! {
    entry (id) {
        id -> BigInt,
        account -> BigInt,
        amount -> BigInt,
        note -> Text,
    }
}

diesel::table! {
    wide (id) {
        id -> BigInt,
        account -> BigInt,
        name -> Text,
        note -> Nullable<Text>,
        amount -> BigInt,
        ratio -> Double,
        code -> Integer,
        active -> Bool,
    }
}

#[derive(Queryable)]
struct WideRow {
    id: i64,
    account: i64,
    name: String,
    note: Option<String>,
    amount: i64,
    ratio: f64,
    code: i32,
    active: bool,
}

pub struct DieselAsync(Pool<AsyncPgConnection>);

type Connection = AsyncPgConnection;

async fn write(connection: &mut Connection, job: Job) -> Result<()> {
    let row = (entry::account.eq(job.key), entry::amount.eq(job.task as i64), entry::note.eq(NOTE));
    diesel::insert_into(entry::table).values(row).execute(connection).await?;
    Ok(())
}

async fn balance(connection: &mut Connection, key: i64) -> Result<i64> {
    Ok(account::table.find(key).select(account::balance).first(connection).await?)
}

fn level(connection: &mut Connection, job: Job, left: u32) -> BoxFuture<'_, Result<()>> {
    Box::pin(connection.transaction::<_, Error, _>(async move |connection| {
        write(connection, job).await?;
        if left > 1 { level(connection, job, left - 1).await } else { Ok(()) }
    }))
}

fn hollow(connection: &mut Connection, left: u32) -> BoxFuture<'_, Result<()>> {
    Box::pin(connection.transaction::<_, Error, _>(
        async move |connection| {
            if left > 0 { hollow(connection, left - 1).await } else { Ok(()) }
        },
    ))
}

impl Peer for DieselAsync {
    async fn open(setup: &Setup) -> Result<Self> {
        let mut config = ManagerConfig::default();
        if !setup.defaults {
            config.recycling_method = RecyclingMethod::Fast;
        }
        let manager = AsyncDieselConnectionManager::<Connection>::new_with_config(&setup.url, config);
        Ok(Self(Pool::builder(manager).max_size(setup.connections).build()?))
    }

    async fn select(&self, job: Job) -> Result<i64> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        balance(connection, job.key).await
    }

    async fn insert(&self, job: Job) -> Result<()> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        connection.transaction::<_, Error, _>(async move |connection| write(connection, job).await).await
    }

    async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        let block = async move |connection: &mut Connection| {
            let first = balance(connection, job.key).await?;
            let second = balance(connection, job.key_after(1)).await?;
            let grow = diesel::update(account::table.find(job.key)).set(account::balance.eq(account::balance + 1));
            grow.execute(connection).await?;
            write(connection, job).await?;
            Ok([first, second])
        };
        connection.transaction::<_, Error, _>(block).await
    }

    async fn nested(&self, job: Job, depth: u32) -> Result<()> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        let block = async move |connection: &mut Connection| level(connection, job, depth).await;
        connection.transaction::<_, Error, _>(block).await
    }

    async fn siblings(&self, job: Job, count: u32) -> Result<()> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        let block = async move |connection: &mut Connection| {
            for _ in 0..count {
                level(connection, job, 1).await?;
            }
            Ok(())
        };
        connection.transaction::<_, Error, _>(block).await
    }

    async fn empty(&self, _: Job, depth: u32) -> Result<()> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        hollow(connection, depth).await
    }

    async fn joined(&self, job: Job) -> Result<[i64; 4]> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        let block = async move |connection: &mut Connection| {
            // A shared reference is how its documentation has queries pipelined.
            let shared = &*connection;
            let select = |key| async move {
                account::table.find(key).select(account::balance).first::<i64>(&mut &*shared).await
            };
            Ok(try_join_all(job.four_keys().map(select)).await?)
        };
        let balances = connection.transaction::<_, Error, _>(block).await?;
        balances.try_into().map_err(|_| anyhow!("four were asked for"))
    }

    async fn caught(&self, job: Job) -> Result<()> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        let innermost = async move |connection: &mut Connection| {
            write(connection, job).await?;
            Err(Error::new(Refused))
        };
        let middle = async move |connection: &mut Connection| {
            write(connection, job).await?;
            match connection.transaction::<(), Error, _>(innermost).await {
                Err(error) if error.is::<Refused>() => Ok(()),
                other => other,
            }
        };
        let block = async move |connection: &mut Connection| {
            write(connection, job).await?;
            connection.transaction::<_, Error, _>(middle).await
        };
        connection.transaction::<_, Error, _>(block).await
    }

    async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
        let mut object = self.0.get().await?;
        let connection: &mut Connection = &mut object;
        let rows: Vec<WideRow> = wide::table.order(wide::id).limit(rows).load(connection).await?;
        Ok(rows.into_iter().map(Wide::from).collect())
    }
}

impl From<WideRow> for Wide {
    fn from(row: WideRow) -> Self {
        let WideRow { id, account, name, note, amount, ratio, code, active } = row;
        Self { id, account, name, note, amount, ratio, code, active }
    }
}
