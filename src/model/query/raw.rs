//! [`Raw`]: a query in SQL, with rows that are read as models, tuples or structs.

use std::fmt;

use super::{
    model_stream::ModelStream,
    query::{Query, Rows, fetches, unread},
};
use crate::{
    data::{
        params::Params,
        row::{FromRow, Row},
    },
    db::{Database, RowStream},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    sql::statement,
};

/// A query in SQL, of which each row is read as an `R`. Made by [`raw`] and [`Model::raw`](crate::Model::raw).
#[must_use = "a query does nothing before it is run"]
pub struct Raw<R> {
    sql: String,
    params: Params,
    read: fn(&Row) -> Result<R>,
}

/// A query in SQL, of which each row is read as an `R`: a tuple by its order, a model or another struct by the names of the
/// columns.
///
/// Parameters are `$1`, `$2` on all databases.
///
/// # Examples
/// ```
/// # use nestling::{Database, FromRow, params, raw};
/// #[derive(FromRow)]
/// struct Pet { name: String, age: i64 }
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// let pet = raw::<Pet>("select 3 as age, $1 as name", params!["Rex"]).one(&db).await?;
/// assert_eq!((&*pet.name, pet.age), ("Rex", 3));
/// let pairs: Vec<(i64, String)> = raw("select 3, 'Rex'", params![]).all(&db).await?;
/// assert_eq!(pairs, [(3, "Rex".to_owned())]);
/// # Ok(()) }
/// ```
pub fn raw<R: FromRow>(sql: impl Into<String>, params: impl Into<Params>) -> Raw<R> {
    Raw { sql: sql.into(), params: params.into(), read: R::from_row }
}

impl<R> Clone for Raw<R> {
    fn clone(&self) -> Self {
        let Self { sql, params, read } = self;
        Self { sql: sql.clone(), params: params.clone(), read: *read }
    }
}

impl<R> fmt::Debug for Raw<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sql, params, read: _ } = self;
        f.debug_struct("Raw").field("sql", sql).field("params", params).finish_non_exhaustive()
    }
}

impl<R: Send + 'static> Raw<R> {
    async fn rows(&self, db: &Database) -> Result<Vec<Row>> {
        db.query(&self.sql, self.params.clone()).await
    }

    async fn read_all(&self, db: &Database) -> Result<Vec<R>> {
        statement::refuse_control(&self.sql, db.dialect().syntax())?;
        db.read(&self.sql, &self.params, self.read).await
    }

    async fn row_stream(&self, db: &Database) -> Result<(RowStream, String)> {
        Ok((db.stream(&self.sql, self.params.clone()).await?, self.sql.clone()))
    }

    /// The caller's SQL is not changed: it is up to the caller to limit the rows.
    fn single(self) -> Self {
        self
    }

    #[expect(clippy::unused_self, reason = "the calls that fetch rows are the same for every kind of query")]
    fn no_row_message(&self) -> &'static str {
        "the query returned no row"
    }
}

fetches!([R: Send + 'static] Raw<R>, |query, db| {
    let (sql, params) = query.sql(db.dialect())?;
    // On a line of its own, as the text may end in a comment.
    db.query_one(&format!("SELECT COUNT(*) FROM (\n{sql}\n) AS count_rows"), params).await?.get(0)
});

impl<R: Send + 'static> Query for Raw<R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        self.all(db).await
    }

    fn sql(&self, _: Dialect) -> Result<(String, Params)> {
        Ok((self.sql.clone(), self.params.clone()))
    }
}
