//! [`Query`]: a typed statement that can be run; [`Rows`]: one that gives rows; and the calls that fetch them, written once.

use super::model_stream::ModelStream;
use crate::{data::params::Params, db::Database, driver::Dialect, error::Result};

/// A query that a [`Database`] or a `Manager` runs, and what comes of it.
///
/// Implemented by the queries of models. One may run on any database that can render it.
pub trait Query: Send + Sized {
    /// What comes of it: rows of a select, keys of an insert, the number of rows of an update or a delete.
    type Output: Send;

    /// Runs it.
    ///
    /// # Errors
    /// As [`Database::execute`]; `Unsupported` if the database cannot do it; `Decode` if a row cannot be read.
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    fn run_on(self, db: &Database) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Its text for a dialect, and its parameters.
    ///
    /// # Errors
    /// `Unsupported` if the dialect cannot say it.
    fn sql(&self, dialect: Dialect) -> Result<(String, Params)>;
}

/// A typed query that returns rows: a select, a union, or raw SQL.
///
/// [`Manager::count`](crate::Manager::count), [`scalar`](crate::Manager::scalar) and
/// [`iterate`](crate::Manager::iterate) take any.
pub trait Rows: Query {
    /// What each row is read as.
    type Row: Send;

    /// How many rows there are, with the limit, the offset and all else of the query.
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

    /// The rows one by one, with flat memory.
    ///
    /// # Errors
    /// As [`Query::run_on`]; errors that come later come out of the stream.
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    fn stream_on(self, db: &Database) -> impl Future<Output = Result<ModelStream<Self::Row>>> + Send;
}

/// The calls that fetch rows. The type has a field `read`, and `rows`, `read_all`, `row_stream`, `single` and `none` of its own.
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

            /// The rows one by one, with flat memory.
            ///
            /// # Errors
            /// As [`Query::run_on`]; errors that come later come out of the stream.
            ///
            /// # Cancel safety
            /// As [`Database::execute`]. The stream itself can be dropped at any point.
            pub async fn stream(self, db: &Database) -> Result<ModelStream<R>> {
                Ok(ModelStream::new(self.row_stream(db).await?, self.read))
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
                this.rows(db).await?.first().map(this.read).transpose()
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
                    Some(row) => (this.read)(row),
                    None => Err(Error::new(ErrorKind::NoRow, this.no_row_message()).with_statement(&this.sql(db.dialect())?.0)),
                }
            }

            /// The value of the first row: `None` if there is no row, `Some(None)` if it is NULL.
            ///
            /// So the query is one of a single column; of several, their tuple comes.
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
