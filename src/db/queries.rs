//! The calls that run statements: `execute`, `query` and its kin, and `batch`.

use super::{Database, RowStream};
use crate::{
    data::{params::Params, row::Row},
    driver::{Answer, Query, Want},
    error::{Error, ErrorKind},
    sql::statement,
};

impl Database {
    /// Runs a statement, and tells how many rows it affected.
    ///
    /// Inside a block of this database that the task has open it takes part in that; else it is committed on its own,
    /// on a connection that is borrowed for it.
    ///
    /// Parameters are numbered: `$1`, `$2` on all databases. A parameter is encoded for the type that the server expects,
    /// wherever nothing is lost.
    ///
    /// # Errors
    /// `Server` with the server's code and constraint; `Parameter` for a value that does not fit, before anything is
    /// sent; `ControlStatement` for BEGIN and the like; `Aborted`, `RollbackOnly`, `FrameClosed` and `TurnTimeout` in
    /// blocks; `PoolTimeout`, `Connect`, `ConnectionLost` and `Closed` of the connection.
    ///
    /// # Cancel safety
    /// Dropped before the statement is sent, it has no effect. Dropped later, the server is asked to stop it: outside a
    /// block it may have taken effect; inside one the block can only be rolled back.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table pet (name text, age integer)").await?;
    /// assert_eq!(db.execute("insert into pet values ($1, $2)", params!["Rex", 3]).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn execute(&self, sql: &str, params: impl Into<Params>) -> Result<u64, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect().syntax())?;
        let query = Query::new(sql, params.as_slice());
        Ok(self.dispatch(&query, Want::Count).await?.affected)
    }

    /// Runs a query, and returns all its rows.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); `Unsupported` if the statement has run and returned the rows of several results, as a
    /// `CALL` of MySQL and MariaDB may.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// for row in db.query("select $1 as name, 3 as age", params!["Rex"]).await? {
    ///     let (name, age): (String, i64) = row.to()?;
    ///     assert_eq!((name, age), (row.get("name")?, row.get(1)?));
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn query(&self, sql: &str, params: impl Into<Params>) -> Result<Vec<Row>, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect().syntax())?;
        let query = Query::new(sql, params.as_slice());
        Ok(self.dispatch(&query, Want::Rows).await?.rows)
    }

    /// Runs a query that returns exactly one row.
    ///
    /// # Errors
    /// `NoRow`, `ManyRows`; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let three: i64 = db.query_one("select 1 + $1", params![2]).await?.get(0)?;
    /// assert_eq!(three, 3);
    /// # Ok(()) }
    /// ```
    pub async fn query_one(&self, sql: &str, params: impl Into<Params>) -> Result<Row, Error> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| Error::new(ErrorKind::NoRow, "the query returned no row").with_statement(sql))
    }

    /// Runs a query that returns one row or none.
    ///
    /// # Errors
    /// `ManyRows`; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// assert!(db.query_opt("select 1 where 1 = $1", params![2]).await?.is_none());
    /// # Ok(()) }
    /// ```
    pub async fn query_opt(&self, sql: &str, params: impl Into<Params>) -> Result<Option<Row>, Error> {
        let mut rows = self.query(sql, params).await?;
        if rows.len() > 1 {
            let text = format!("the query returned {} rows where at most one was expected", rows.len());
            return Err(Error::new(ErrorKind::ManyRows, text).with_statement(sql));
        }
        Ok(rows.pop())
    }

    /// Runs a query, and returns its rows one by one, with flat memory.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); errors that come later come out of the stream.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute). The stream itself can be dropped at any point.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # let sql = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000) select x from n";
    /// let mut rows = db.stream(sql, params![]).await?;
    /// let mut sum = 0;
    /// while let Some(row) = rows.next().await {
    ///     sum += row?.get::<i64>(0)?;
    /// }
    /// assert_eq!(sum, 500_500);
    /// # Ok(()) }
    /// ```
    pub async fn stream(&self, sql: &str, params: impl Into<Params>) -> Result<RowStream, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect().syntax())?;
        self.dispatch_stream(&Query::new(sql, params.as_slice())).await
    }

    /// Runs a text of several statements without parameters: a schema, for instance.
    ///
    /// Outside a block PostgreSQL takes them as one transaction; the others commit each on its own.
    ///
    /// # Errors
    /// As [`execute`](Self::execute). The statements ahead of the one that failed have run, and on PostgreSQL outside a block
    /// they are rolled back with it.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::Database;
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// db.batch("create table a (x integer); create table b (y text)").await?;
    /// # Ok(()) }
    /// ```
    pub async fn batch(&self, sql: &str) -> Result<(), Error> {
        statement::check_batch(sql, self.dialect().syntax())?;
        self.dispatch(&Query::new(sql, &[]), Want::Batch).await.map(|_| ())
    }

    /// Runs a text that was built here: it needs no look whether it is a control statement.
    pub(crate) async fn send(&self, sql: &str, params: &Params) -> Result<Answer, Error> {
        self.dispatch(&Query::new(sql, params.as_slice()), Want::Rows).await
    }

    /// As [`send`](Self::send), for a stream of rows.
    pub(crate) async fn send_stream(&self, sql: &str, params: &Params) -> Result<RowStream, Error> {
        self.dispatch_stream(&Query::new(sql, params.as_slice())).await
    }
}
