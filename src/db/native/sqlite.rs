//! The connection of rusqlite, lent.

use super::{with_left, wrong_driver};
use crate::{db::Database, driver::sqlite::SqliteConnection, error::Error};

impl Database {
    /// Lends the connection of rusqlite, inside the block that the task has open: for its backup, functions or blobs.
    ///
    /// The closure runs on a thread of the connection's own, and may block it. The connection is closed when its user
    /// has done with it, so that no setting of the closure reaches the next user. A database in memory has but this one:
    /// what the library itself needs is set anew on it, all else stays. On a pinned connection outside any block, what is
    /// left open is rolled back, and the call fails with `RolledBack`.
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
    /// // `?` makes an `Error` of the client's, with its class.
    /// let pages: i64 = db
    ///     .with_sqlite(|sqlite| Ok::<_, Error>(sqlite.query_row("pragma page_count", [], |row| row.get(0))?))
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
        let is_pinned_alone = self.is_pinned_alone();
        self.lend(|lease| async move {
            match lease.connection().native().downcast_ref::<SqliteConnection>() {
                Some(connection) => {
                    let result = connection.lend(&(), body).await?;
                    let left = if is_pinned_alone { connection.end_left_open().await } else { Ok(()) };
                    with_left(result, left)
                }
                None => Ok(Err(wrong_driver("SQLite").into())),
            }
        })
        .await
    }
}
