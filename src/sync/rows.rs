//! [`SyncRows`] and [`SyncModels`]: rows one by one, as iterators.

use std::fmt;

use super::SyncDatabase;
use crate::{data::row::Row, db::RowStream, error::Error, model::query::ModelStream};

/// The rows of a query, one by one, with memory that does not grow with their number. From
/// [`SyncDatabase::stream`].
///
/// Dropped half-way, the rest of the rows is thrown away.
#[must_use = "the rows are fetched as they are asked for"]
pub struct SyncRows {
    // In this order: the rows are dropped before the thread that drives them.
    rows: Option<RowStream>,
    sync: SyncDatabase,
}

impl SyncRows {
    pub(super) fn new(sync: SyncDatabase, rows: RowStream) -> Self {
        Self { rows: Some(rows), sync }
    }
}

impl Iterator for SyncRows {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        // Checked for each row: the iterator may have left `allow_sync`.
        let next = self.sync.blocking(async |_| Ok(rows.next().await));
        let next = next.unwrap_or_else(|refused| Some(Err(refused)));
        if !matches!(next, Some(Ok(_))) {
            self.rows = None;
        }
        next
    }
}

impl fmt::Debug for SyncRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncRows").field("ended", &self.rows.is_none()).finish_non_exhaustive()
    }
}

/// The rows of a typed query, one by one, each read as an `R`. From
/// [`SyncManager::iterate`](crate::sync::SyncManager::iterate).
///
/// A row that cannot be read is an error in its place. Dropped half-way, the rest of the rows is thrown away.
#[must_use = "the rows are fetched as they are asked for"]
pub struct SyncModels<R> {
    // In this order, as in `SyncRows`.
    rows: Option<ModelStream<R>>,
    sync: SyncDatabase,
}

impl<R> SyncModels<R> {
    pub(super) fn new(sync: SyncDatabase, rows: ModelStream<R>) -> Self {
        Self { rows: Some(rows), sync }
    }
}

impl<R> Iterator for SyncModels<R> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        match self.sync.blocking(async |_| Ok(rows.next().await)) {
            Ok(Some(row)) => Some(row),
            Ok(None) => {
                self.rows = None;
                None
            }
            Err(refused) => {
                self.rows = None;
                Some(Err(refused))
            }
        }
    }
}

impl<R> fmt::Debug for SyncModels<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncModels").field("ended", &self.rows.is_none()).finish_non_exhaustive()
    }
}
