//! [`SyncRows`]: rows one by one, as an iterator.

use std::fmt;

use super::SyncDatabase;
use crate::{db::RowStream, error::Error, row::Row};

/// The rows of a query, one by one, with memory that does not grow with their number. From
/// [`SyncDatabase::stream`].
///
/// Dropped half-way, the rest of the rows is thrown away.
#[must_use = "the rows are fetched as they are asked for"]
pub struct SyncRows {
    // In this order: the rows go before the thread that brings them.
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
        // Asked anew for each row: what has a row at hand may be outside of `allow_sync` by now.
        let next = self.sync.wait(async |_| Ok(rows.next().await));
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
