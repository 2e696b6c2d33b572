//! Statements in blocking form.

use super::{SyncDatabase, SyncRows};
use crate::{
    data::{params::Params, row::Row},
    error::Error,
};

impl SyncDatabase {
    /// Runs a statement, as [`Database::execute`](crate::Database::execute) does, and returns how many rows it affected.
    ///
    /// # Errors
    /// As [`Database::execute`](crate::Database::execute), and as [`SyncDatabase`] says.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?.sync();
    /// # db.batch("create table pet (name text, age integer)")?;
    /// assert_eq!(db.execute("insert into pet values ($1, $2)", params!["Rex", 3])?, 1);
    /// # Ok(()) }
    /// ```
    pub fn execute(&self, sql: &str, params: impl Into<Params>) -> Result<u64, Error> {
        self.blocking(async |db| db.execute(sql, params).await)
    }

    /// Runs a query, and returns all its rows.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn query(&self, sql: &str, params: impl Into<Params>) -> Result<Vec<Row>, Error> {
        self.blocking(async |db| db.query(sql, params).await)
    }

    /// Runs a query that returns exactly one row.
    ///
    /// # Errors
    /// `NoRow`, `ManyRows`; else as [`execute`](Self::execute).
    pub fn query_one(&self, sql: &str, params: impl Into<Params>) -> Result<Row, Error> {
        self.blocking(async |db| db.query_one(sql, params).await)
    }

    /// Runs a query that returns one row or none.
    ///
    /// # Errors
    /// `ManyRows`; else as [`execute`](Self::execute).
    pub fn query_opt(&self, sql: &str, params: impl Into<Params>) -> Result<Option<Row>, Error> {
        self.blocking(async |db| db.query_opt(sql, params).await)
    }

    /// Runs a query whose rows are taken one by one, with memory that does not grow with their number.
    ///
    /// Inside a block the rows have the block's turn until they end or are dropped, as those of
    /// [`Database::stream`](crate::Database::stream) have: another statement of the block in between would deadlock,
    /// and ends in `TurnTimeout`.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?.sync();
    /// # let sql = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000) select x from n";
    /// let mut sum = 0;
    /// for row in db.stream(sql, params![])? {
    ///     sum += row?.get::<i64>(0)?;
    /// }
    /// assert_eq!(sum, 500_500);
    /// # Ok(()) }
    /// ```
    pub fn stream(&self, sql: &str, params: impl Into<Params>) -> Result<SyncRows, Error> {
        let rows = self.blocking(async |db| db.stream(sql, params).await)?;
        Ok(SyncRows::new(self.clone(), rows))
    }

    /// Runs a text of several statements without parameters.
    ///
    /// # Errors
    /// As [`Database::batch`](crate::Database::batch), and as [`SyncDatabase`] says.
    pub fn batch(&self, sql: &str) -> Result<(), Error> {
        self.blocking(async |db| db.batch(sql).await)
    }
}
