//! [`Rows`]: a typed query whose rows can be counted, and taken one by one.

use super::{model_stream::ModelStream, query::Query, raw::Raw, select::Select, traits::Model, union::Union};
use crate::{db::Database, error::Result};

/// A typed query that gives rows: a select, a union, or SQL of the caller's.
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

/// `Rows` for a type of query, by its own calls.
macro_rules! rows {
    ([$($generics:tt)*] $type:ty, |$query:ident, $db:ident| $count:expr) => {
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

rows!([M: Model, R: Send + 'static] Select<M, R>, |query, db| query.count(db).await);
rows!([R: Send + 'static] Union<R>, |query, db| query.count(db).await);
rows!([R: Send + 'static] Raw<R>, |query, db| {
    let (sql, params) = query.sql(db.dialect())?;
    // On a line of its own, as the text may end in a comment.
    db.query_one(&format!("SELECT COUNT(*) FROM (\n{sql}\n) AS counted"), params).await?.get(0)
});
