//! sqlx with its own pools, on all three back ends. By default a connection is tested by a round trip whenever it is
//! borrowed. What a task inside a transaction asks for goes through `&mut`: one statement after the other.

use std::str::FromStr;

use agent::{BoxFuture, Job, Peer, Refused, Result, Setup, Wide};
use sqlx::{
    Connection, MySqlConnection, MySqlPool, PgConnection, PgPool, SqliteConnection, SqlitePool,
    mysql::MySqlPoolOptions,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use crate::NOTE;

#[derive(sqlx::FromRow)]
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

impl From<WideRow> for Wide {
    fn from(row: WideRow) -> Self {
        let WideRow { id, account, name, note, amount, ratio, code, active } = row;
        Self { id, account, name, note, amount, ratio, code, active }
    }
}

/// A peer on one of the back ends, whose connections are types of their own. `$begin` opens a transaction that writes.
macro_rules! peer {
    ($peer:ident, $pool:ty, $connection:ty, $select:literal, $update:literal, $insert:literal, $limit:literal, $open:expr, $begin:expr) => {
        pub(crate) struct $peer($pool);

        impl $peer {
            async fn write(connection: &mut $connection, job: Job) -> Result<()> {
                let insert = sqlx::query($insert).bind(job.key).bind(job.task as i64).bind(NOTE);
                insert.execute(connection).await?;
                Ok(())
            }

            async fn balance(connection: &mut $connection, key: i64) -> Result<i64> {
                Ok(sqlx::query_scalar($select).bind(key).fetch_one(connection).await?)
            }

            fn level(connection: &mut $connection, job: Job, left: u32) -> BoxFuture<'_, Result<()>> {
                Box::pin(async move {
                    let mut savepoint = connection.begin().await?;
                    Self::write(&mut savepoint, job).await?;
                    if left > 1 {
                        Self::level(&mut savepoint, job, left - 1).await?;
                    }
                    Ok(savepoint.commit().await?)
                })
            }

            fn hollow(connection: &mut $connection, left: u32) -> BoxFuture<'_, Result<()>> {
                Box::pin(async move {
                    let mut savepoint = connection.begin().await?;
                    if left > 1 {
                        Self::hollow(&mut savepoint, left - 1).await?;
                    }
                    Ok(savepoint.commit().await?)
                })
            }

            async fn innermost(connection: &mut $connection, job: Job) -> Result<()> {
                let mut savepoint = connection.begin().await?;
                Self::write(&mut savepoint, job).await?;
                savepoint.rollback().await?;
                Err(anyhow::Error::new(Refused))
            }
        }

        impl Peer for $peer {
            async fn open(setup: &Setup) -> Result<Self> {
                let open: fn(&Setup) -> Result<$pool> = $open;
                Ok(Self(open(setup)?))
            }

            async fn select(&self, job: Job) -> Result<i64> {
                Ok(sqlx::query_scalar($select).bind(job.key).fetch_one(&self.0).await?)
            }

            async fn insert(&self, job: Job) -> Result<()> {
                let mut transaction = $begin(&self.0).await?;
                Self::write(&mut transaction, job).await?;
                Ok(transaction.commit().await?)
            }

            async fn mixed(&self, job: Job) -> Result<[i64; 2]> {
                let mut transaction = $begin(&self.0).await?;
                let first = Self::balance(&mut transaction, job.key).await?;
                let second = Self::balance(&mut transaction, job.key_after(1)).await?;
                sqlx::query($update).bind(job.key).execute(&mut *transaction).await?;
                Self::write(&mut transaction, job).await?;
                transaction.commit().await?;
                Ok([first, second])
            }

            async fn nested(&self, job: Job, depth: u32) -> Result<()> {
                let mut transaction = $begin(&self.0).await?;
                Self::level(&mut transaction, job, depth).await?;
                Ok(transaction.commit().await?)
            }

            async fn siblings(&self, job: Job, count: u32) -> Result<()> {
                let mut transaction = $begin(&self.0).await?;
                for _ in 0..count {
                    Self::level(&mut transaction, job, 1).await?;
                }
                Ok(transaction.commit().await?)
            }

            async fn empty(&self, _: Job, depth: u32) -> Result<()> {
                let mut transaction = $begin(&self.0).await?;
                Self::hollow(&mut transaction, depth).await?;
                Ok(transaction.commit().await?)
            }

            async fn joined(&self, job: Job) -> Result<[i64; 4]> {
                let mut transaction = self.0.begin().await?;
                let mut balances = [0; 4];
                for (found, key) in balances.iter_mut().zip(job.four_keys()) {
                    *found = Self::balance(&mut transaction, key).await?;
                }
                transaction.commit().await?;
                Ok(balances)
            }

            async fn caught(&self, job: Job) -> Result<()> {
                let mut transaction = $begin(&self.0).await?;
                Self::write(&mut transaction, job).await?;
                let mut middle = transaction.begin().await?;
                Self::write(&mut middle, job).await?;
                match Self::innermost(&mut middle, job).await {
                    Err(error) if error.is::<Refused>() => {}
                    other => other?,
                }
                middle.commit().await?;
                Ok(transaction.commit().await?)
            }

            async fn read(&self, _: Job, rows: i64) -> Result<Vec<Wide>> {
                let sql = concat!(
                    "select id, account, name, note, amount, ratio, code, active from wide order by id limit ",
                    $limit
                );
                let rows: Vec<WideRow> = sqlx::query_as(sql).bind(rows).fetch_all(&self.0).await?;
                Ok(rows.into_iter().map(Wide::from).collect())
            }
        }
    };
}

peer!(
    Postgres,
    PgPool,
    PgConnection,
    "select balance from account where id = $1",
    "update account set balance = balance + 1 where id = $1",
    "insert into entry (account, amount, note) values ($1, $2, $3)",
    "$1",
    |setup| {
        let options = PgPoolOptions::new().max_connections(setup.connections as u32);
        Ok(options.test_before_acquire(setup.defaults).connect_lazy(&setup.url)?)
    },
    |pool: &PgPool| {
        let pool = pool.clone();
        async move { pool.begin().await }
    }
);

peer!(
    MySql,
    MySqlPool,
    MySqlConnection,
    "select balance from account where id = ?",
    "update account set balance = balance + 1 where id = ?",
    "insert into entry (account, amount, note) values (?, ?, ?)",
    "?",
    |setup| {
        let options = MySqlPoolOptions::new().max_connections(setup.connections as u32);
        Ok(options.test_before_acquire(setup.defaults).connect_lazy(&setup.url)?)
    },
    |pool: &MySqlPool| {
        let pool = pool.clone();
        async move { pool.begin().await }
    }
);

// Write transactions begin as nestling's and rusqlite's do: one that is deferred fails at once if it reads first and
// another one has written meanwhile.
peer!(
    Sqlite,
    SqlitePool,
    SqliteConnection,
    "select balance from account where id = ?",
    "update account set balance = balance + 1 where id = ?",
    "insert into entry (account, amount, note) values (?, ?, ?)",
    "?",
    |setup| {
        let connect = SqliteConnectOptions::from_str(&setup.url)?.journal_mode(SqliteJournalMode::Wal);
        let options = SqlitePoolOptions::new().max_connections(setup.connections as u32);
        Ok(options.test_before_acquire(setup.defaults).connect_lazy_with(connect))
    },
    |pool: &SqlitePool| {
        let pool = pool.clone();
        async move { pool.begin_with("BEGIN IMMEDIATE").await }
    }
);
