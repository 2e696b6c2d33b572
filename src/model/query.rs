//! [`Query`]: anything typed that can be run.

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
