//! The connection of mysql_async, lent.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use mysql_async::Conn;

use super::{with_left, wrong_driver};
use crate::{
    db::Database,
    driver::mysql::{Lent, MysqlConnection},
    error::{Error, ErrorKind},
    transaction::impact::{DriverError, Impact},
};

/// The connection of mysql_async, lent by [`Database::with_mysql`]. It is given back when this is dropped.
///
/// A handle that is kept beyond its closure makes the call fail, and the connection be thrown away.
pub struct MysqlClient(Lent);

impl Deref for MysqlClient {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.0.native()
    }
}

impl DerefMut for MysqlClient {
    fn deref_mut(&mut self) -> &mut Conn {
        self.0.native_mut()
    }
}

impl fmt::Debug for MysqlClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlClient").finish_non_exhaustive()
    }
}

impl Database {
    /// Lends the connection of mysql_async, inside the block that the task has open: for LOAD DATA LOCAL INFILE, for
    /// instance, which is off unless a handler for it is set there.
    ///
    /// It has the block's turn for as long as it runs. Do not end the transaction with it: that is found out, and the
    /// block fails. Outside a block the session is reset before its next use; on a pinned connection, what is left
    /// open is rolled back, and the call fails with `RolledBack`.
    ///
    /// # Errors
    /// The closure's own; `Unsupported` if this is not a MySQL database; `Aborted` if the closure ended the transaction;
    /// else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// Dropped half-way through a command, the connection is thrown away, and with it the transaction.
    ///
    /// # Examples
    /// ```no_run
    /// # use nestling::{Database, Error};
    /// use nestling::native::mysql_async::prelude::Queryable;
    ///
    /// # async fn ping(db: &Database) -> Result<(), Error> {
    /// db.with_mysql(|mut client| async move { Ok(client.ping().await?) }).await
    /// # }
    /// ```
    pub async fn with_mysql<F, Fut, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(MysqlClient) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let is_pinned_alone = self.is_pinned_alone();
        self.lend(|lease| async move {
            let Some(connection) = lease.connection().native().downcast_ref::<MysqlConnection>() else {
                return Ok(Err(wrong_driver("MySQL").into()));
            };
            let lent = connection.lend().await?;
            let in_hand = lease.lend();
            let result = body(MysqlClient(lent)).await;
            drop(in_hand);
            if connection.is_lent() {
                lease.condemn();
                let text = "the native client was kept beyond its closure";
                return Err(DriverError::new(Impact::Connection, Error::new(ErrorKind::ConnectionLost, text)));
            }
            let left = if is_pinned_alone { connection.end_left_open().await } else { Ok(()) };
            with_left(result, left)
        })
        .await
    }
}
