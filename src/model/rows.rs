//! [`Rows`]: a typed query whose rows can be counted, and taken one by one.

use super::{model_stream::ModelStream, query::Query, select::Select, traits::Model};
use crate::{db::Database, error::Result};

/// A typed query that gives rows: a select or a union.
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

impl<M: Model, R: Send> Rows for Select<M, R> {
    type Row = R;

    fn count_on(self, db: &Database) -> impl Future<Output = Result<u64>> + Send {
        self.count(db)
    }

    fn first_on(self, db: &Database) -> impl Future<Output = Result<Option<R>>> + Send {
        self.first(db)
    }

    fn stream_on(self, db: &Database) -> impl Future<Output = Result<ModelStream<R>>> + Send {
        self.stream(db)
    }
}
