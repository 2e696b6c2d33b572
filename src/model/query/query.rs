//! [`Query`]: a typed statement that can be run; [`Rows`]: one that returns rows; and the methods that fetch them.

use super::model_stream::ModelStream;
use crate::{
    data::params::Params,
    db::Database,
    driver::Dialect,
    error::{Error, Result},
};

/// A typed statement that a [`Database`] or a `Manager` runs.
///
/// It can run on any database whose dialect has all that it needs.
pub trait Query: Send + Sized {
    /// The result: rows of a select, keys of an insert, the number of rows of an update or a delete.
    type Output: Send;

    /// Runs the statement.
    ///
    /// # Errors
    /// As [`Database::execute`]; `Unsupported` if the database cannot do it; `Decode` if a row cannot be read.
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    fn run_on(self, db: &Database) -> impl Future<Output = Result<Self::Output>> + Send;

    /// The text for a dialect, and the parameters.
    ///
    /// # Errors
    /// `Unsupported` if the dialect lacks something that the statement needs.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)>;
}

/// A typed query that returns rows: a select, a union, or raw SQL.
///
/// [`Manager::count`](crate::Manager::count), [`scalar`](crate::Manager::scalar) and
/// [`iterate`](crate::Manager::iterate) take any.
pub trait Rows: Query {
    /// What each row is read as.
    type Row: Send;

    /// The number of rows, with the limit, the offset and all other clauses of the query.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    fn count_on(self, db: &Database) -> impl Future<Output = Result<u64>> + Send;

    /// The first row, or `None`.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    fn first_on(self, db: &Database) -> impl Future<Output = Result<Option<Self::Row>>> + Send;

    /// The rows one by one, with constant memory.
    ///
    /// # Errors
    /// As [`Query::run_on`]; errors that come later come out of the stream.
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    fn stream_on(self, db: &Database) -> impl Future<Output = Result<ModelStream<Self::Row>>> + Send;
}

/// The error of a row that cannot be read, with what it was read as and the statement.
#[cold]
pub(super) fn unread<R>(error: Error, query: &impl Query, dialect: Dialect) -> Error {
    match query.sql(dialect) {
        Ok((sql, _)) => error.in_row_of::<R>(&sql),
        // It was written before, so this does not happen.
        Err(_) => error,
    }
}

/// The methods that fetch rows, and `Rows`. The type has a field `read`, and the methods `rows`, `read_all`,
/// `row_stream`, `single` and `no_row_message`.
macro_rules! fetches {
    ([$($generics:tt)*] $type:ty, |$query:ident, $db:ident| $count:expr) => {
        impl<$($generics)*> $type {
            /// All rows.
            ///
            /// # Errors
            /// As [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn all(self, db: &Database) -> Result<Vec<R>> {
                self.read_all(db).await
            }

            /// The rows one by one, with constant memory.
            ///
            /// # Errors
            /// As [`Query::run_on`]; errors that come later come out of the stream.
            ///
            /// # Cancel safety
            /// As [`Database::execute`]. The stream itself can be dropped at any point.
            pub async fn stream(self, db: &Database) -> Result<ModelStream<R>> {
                let (rows, sql) = self.row_stream(db).await?;
                Ok(ModelStream::new(rows, self.read, sql))
            }

            /// The first row, or `None`.
            ///
            /// # Errors
            /// As [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn first(self, db: &Database) -> Result<Option<R>> {
                let this = self.single();
                match this.rows(db).await?.first() {
                    Some(row) => (this.read)(row).map(Some).map_err(|error| unread::<R>(error, &this, db.dialect())),
                    None => Ok(None),
                }
            }

            /// The first row, which must be there.
            ///
            /// # Errors
            /// `NoRow`, with the SQL, if there is none; else as [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn one(self, db: &Database) -> Result<R> {
                let this = self.single();
                let rows = this.rows(db).await?;
                match rows.first() {
                    Some(row) => (this.read)(row).map_err(|error| unread::<R>(error, &this, db.dialect())),
                    None => Err(Error::new(ErrorKind::NoRow, this.no_row_message()).with_statement(&this.sql(db.dialect())?.0)),
                }
            }

            /// The value of the first row: `None` if there is no row, `Some(None)` if it is NULL.
            ///
            /// For a query of one column; a query of several returns their tuple.
            ///
            /// # Errors
            /// As [`Query::run_on`].
            ///
            /// # Cancel safety
            /// As [`Database::execute`].
            pub async fn scalar(self, db: &Database) -> Result<Option<R>> {
                self.first(db).await
            }
        }

        impl<$($generics)*> Rows for $type {
            type Row = R;

            async fn count_on(self, $db: &Database) -> Result<u64> {
                let $query = self;
                $count
            }

            fn first_on(self, db: &Database) -> impl Future<Output = Result<Option<R>>> + Send {
                self.first(db)
            }

            fn stream_on(self, db: &Database) -> impl Future<Output = Result<ModelStream<R>>> + Send {
                self.stream(db)
            }
        }
    };
}
pub(super) use fetches;
