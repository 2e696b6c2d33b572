//! Migrations of the crate refinery, run by one process at a time: `Database::migrate`.

use std::{num::ParseIntError, time::SystemTime};

use chrono::DateTime;
use refinery_core::{
    AsyncMigrate, Migration, Report, Runner, SchemaVersion,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};

use super::{Database, Retry};
use crate::{
    data::{params::Params, row::Row, value::Value},
    driver::Dialect,
    error::{Error, ErrorKind},
};

/// The advisory lock of migrations on PostgreSQL: "nestling" in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"nestling");

/// Waits for a year, as MariaDB has no wait without end. The name is that of the database in 64 characters; MySQL 9.7 has no MD5.
const NAMED_LOCK: &str = "select get_lock(concat('nestling_', left(sha2(database(), 256), 40)), 31536000)";

/// A database as refinery sees it.
struct Migrated<'d>(&'d Database);

impl AsyncTransaction for Migrated<'_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize, Error> {
        let db = self.0;
        let run = || async {
            let mut count = 0;
            for query in queries {
                db.batch(query).await?;
                count += 1;
            }
            Ok(count)
        };
        // MySQL commits with every change of the schema, in a block or not.
        if db.dialect() == Dialect::Mysql { run().await } else { db.atomic(run).await }
    }
}

impl AsyncQuery<Vec<Migration>> for Migrated<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Error> {
        let rows = self.0.query(query, Params::default()).await?;
        let read = |row: &Row| {
            let (version, name, on, checksum): (SchemaVersion, String, String, String) = row.to()?;
            let wrong = || {
                Error::new(ErrorKind::Decode, format!("the row of migration {version} is not as refinery writes it"))
            };
            let on: SystemTime = DateTime::parse_from_rfc3339(&on).map_err(|error| wrong().with_source(error))?.into();
            let checksum = checksum.parse().map_err(|error: ParseIntError| wrong().with_source(error))?;
            Ok(Migration::applied(version, name, on.into(), checksum))
        };
        rows.iter().map(read).collect()
    }
}

impl AsyncMigrate for Migrated<'_> {}

impl Database {
    /// Runs the migrations of [refinery](https://docs.rs/refinery) that the database has not seen yet, in their order. Of several
    /// processes that start together one does, and the others wait until it has ended.
    ///
    /// On PostgreSQL each migration is a transaction, and the lock an advisory one of the session. On SQLite all of them are one
    /// transaction, which has the write lock. On MySQL and MariaDB the lock is `GET_LOCK` with the name of the database; there
    /// each change of the schema commits.
    ///
    /// # Errors
    /// `Other`, with refinery's error as the source; the predicates look through it, and `refinery::Error::report()` tells what was
    /// applied before, which on SQLite is undone. `NotDurable` inside a transaction. `Unsupported` behind a pooler that gives each transaction
    /// another session. Else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// Dropped half-way, it leaves the migrations ahead of the current one, on SQLite none. On MySQL and MariaDB the current one may
    /// be there in part.
    ///
    /// # Examples
    /// ```
    /// use nestling::{Database, native::refinery_core::{Migration, Runner}};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let db = Database::open("sqlite::memory:")?;
    /// // A program has `refinery::embed_migrations!("migrations")`, and `migrations::runner()`.
    /// let first = Migration::unapplied("V1__pets", "create table pet (name text)")?;
    /// let report = db.migrate(&Runner::new(&[first])).await?;
    /// assert_eq!(report.applied_migrations().len(), 1);
    /// # Ok(()) }
    /// ```
    pub async fn migrate(&self, runner: &Runner) -> Result<Report, Error> {
        if self.in_transaction() {
            return Err(Error::new(ErrorKind::NotDurable, "migrations have transactions of their own"));
        }
        let run = || async { runner.run_async(&mut Migrated(self)).await.map_err(Error::other) };
        match self.dialect() {
            Dialect::Sqlite => {
                // Another process may take longer than `busy_timeout`.
                let block = self.build_transaction().eager().retry(Retry::serialization().attempts(u32::MAX));
                block.atomic(run).await
            }
            dialect => {
                // The lock is the session's, and ends with the return of the connection.
                self.connection(|| async {
                    self.wait_for_migrations(dialect).await?;
                    run().await
                })
                .await
            }
        }
    }

    async fn wait_for_migrations(&self, dialect: Dialect) -> Result<(), Error> {
        if dialect == Dialect::Postgres {
            // The times are for statements that do something. The lock outlives the transaction.
            let times = self.build_transaction().set_local("statement_timeout", "0").set_local("lock_timeout", "0");
            return times
                .atomic(|| async { self.query("select pg_advisory_lock($1)", [Value::from(LOCK)]).await.map(drop) })
                .await;
        }
        let got: Option<i64> = self.query_one(NAMED_LOCK, Params::default()).await?.get(0)?;
        match got {
            Some(1) => Ok(()),
            _ => Err(Error::new(ErrorKind::LockTimeout, "the lock of migrations was not given")),
        }
    }
}
