//! What a lent connection of rusqlite has left open outside any block. Used where it is lent; it knows no pins.

use super::{classify, connection::SqliteConnection};
use crate::{driver::left_open, transaction::impact::DriverError};

impl SqliteConnection {
    /// Rolls back what the native client has left open outside any block.
    ///
    /// # Errors
    /// `RolledBack` if there was anything.
    pub(crate) async fn end_left_open(&self) -> Result<(), DriverError> {
        let ended = self.lend(&(), |db| {
            let is_open = !db.is_autocommit();
            let ended = if is_open { db.execute_batch("ROLLBACK") } else { Ok(()) };
            ended.map(|()| is_open).map_err(|error| DriverError::harmless(classify::statement(error, "ROLLBACK")))
        });
        if ended.await?? { Err(left_open()) } else { Ok(()) }
    }
}
