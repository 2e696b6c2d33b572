//! [`Manager`]: all that is done with models, as calls on one object that knows the database.
//!
//! The calls that write are in files of their own. It sends everything through [`Database`], and so takes part in the
//! transaction that the task has open.

mod delete;
mod recursive;
mod source;

pub use self::{
    delete::{DeleteRow, RecursiveDelete},
    source::IntoSelect,
};
use super::{
    prefetch::{Children, Prefetch},
    query::Query,
    select::Select,
    traits::Model,
};
use crate::{
    db::Database,
    error::{Error, Result},
};

/// A database, and all that is done with models on it.
#[derive(Debug, Clone)]
pub struct Manager {
    db: Database,
}

impl Manager {
    /// A manager of this database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// One row.
    pub async fn get<M: Model>(&self, source: impl IntoSelect<M>) -> Result<M> {
        source.into_select().one(&self.db).await
    }

    /// One row, or `None`.
    pub async fn get_or_none<M: Model>(&self, source: impl IntoSelect<M>) -> Result<Option<M>> {
        source.into_select().first(&self.db).await
    }

    /// Runs any query.
    pub async fn execute<Q: Query>(&self, query: Q) -> Result<Q::Output> {
        query.run_on(&self.db).await
    }

    /// Fetches rows along with those that refer to them.
    pub fn prefetch<P: Model, C: Children<P>>(&self, parents: Select<P>, children: C) -> Prefetch<'_, P, C> {
        Prefetch::new(&self.db, parents, children)
    }

    /// As [`Database::connect`].
    pub async fn connect(&self) -> Result<()> {
        self.db.connect().await
    }

    /// As [`Database::close`].
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// As [`Database::atomic`].
    pub async fn atomic<F, Fut, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.db.atomic(body).await
    }
}
