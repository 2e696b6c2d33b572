//! The connection of rusqlite, lent.

use super::wrong_driver;
use crate::{db::Database, driver::sqlite::SqliteConnection, error::Error, fault::NoDebt};

impl Database {
    /// Lends the connection of rusqlite, inside the block that the task has open: for its backup, functions or blobs.
    ///
    /// The closure runs on a thread of the connection's own, and may block it. The connection is closed when its user
    /// has done with it, so that nothing that was set on it meets anybody else. A database in memory has but this one:
    /// what the library itself needs is set anew on it, all else stays.
    ///
    /// # Errors
    /// The closure's own; `Unsupported` if this is not a SQLite database; `Aborted` if the closure ended the transaction;
    /// else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// Dropped half-way, the closure runs to its end, or to its next statement; the block can only be rolled back.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let pages: i64 = db
    ///     .with_sqlite(|sqlite| {
    ///         let pages = sqlite.query_row("pragma page_count", [], |row| row.get(0));
    ///         Ok::<i64, Error>(pages.unwrap_or(0))
    ///     })
    ///     .await?;
    /// assert_eq!(pages, 0);
    /// # Ok(()) }
    /// ```
    pub async fn with_sqlite<F, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(&mut rusqlite::Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.lend(|lease| async move {
            match lease.connection().native().downcast_ref::<SqliteConnection>() {
                Some(connection) => connection.lend(&NoDebt, body).await,
                None => Ok(Err(wrong_driver("SQLite").into())),
            }
        })
        .await
    }
}
