//! The client of tokio-postgres, lent.

use std::{fmt, ops::Deref, sync::Arc};

use tokio_postgres::Client;

use super::{with_left, wrong_driver};
use crate::{
    db::Database,
    driver::postgres::{PostgresConnection, Wire},
    error::Error,
    session::Lease,
};

/// The client of tokio-postgres, lent by [`Database::with_postgres`].
///
/// It is good until the closure that it was given to has ended. A handle that is kept for longer makes the connection
/// be thrown away.
pub struct PostgresClient {
    wire: Arc<Wire>,
    _lent: Arc<()>,
}

impl Deref for PostgresClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.wire.client()
    }
}

impl fmt::Debug for PostgresClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresClient").finish_non_exhaustive()
    }
}

/// The client while it is lent. Dropped with the closure half-way, it looks for handles that were kept all the same.
struct Lent<'l> {
    handles: Arc<()>,
    lease: &'l Lease,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if Arc::strong_count(&self.handles) > 1 {
            tracing::warn!(target: "nestling", "a native client was kept beyond its closure; its connection will go");
            self.lease.condemn();
        }
    }
}

impl Database {
    /// Lends the client of tokio-postgres, inside the block that the task has open: for COPY, for instance.
    ///
    /// It has the block's turn for as long as it runs. Do not end the transaction with it: that is found out, and the
    /// block fails. Outside a block the connection is reset before its next use; on a pinned connection, what is
    /// left open is rolled back, and the call fails with `RolledBack`. It costs two round trips more
    /// than what is done with it.
    ///
    /// # Errors
    /// The closure's own; `Unsupported` if this is not a PostgreSQL database; `Aborted` if a statement of the client
    /// failed, or it ended the transaction; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// Dropped half-way, the block can only be rolled back.
    ///
    /// # Examples
    /// ```no_run
    /// # use nestling::{Database, Error};
    /// # async fn listen(db: &Database) -> Result<(), Error> {
    /// db.atomic(|| async {
    ///     // `?` makes an `Error` of the client's, with its class.
    ///     db.with_postgres(|client| async move { Ok(client.batch_execute("lock table ledger").await?) }).await
    /// })
    /// .await
    /// # }
    /// ```
    pub async fn with_postgres<F, Fut, T, E>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(PostgresClient) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let is_pinned_alone = self.is_pinned_alone();
        self.lend(|lease| async move {
            let Some(connection) = lease.connection().native().downcast_ref::<PostgresConnection>() else {
                return Ok(Err(wrong_driver("PostgreSQL").into()));
            };
            let wire = connection.wire();
            let loan = wire.lend();
            let in_hand = lease.lend();
            let lent = Lent { handles: Arc::default(), lease: &lease };
            let result = body(PostgresClient { wire: Arc::clone(wire), _lent: Arc::clone(&lent.handles) }).await;
            drop(lent);
            drop(in_hand);
            connection.schema_changed();
            loan.over();
            let left = if is_pinned_alone { connection.end_left_open().await } else { Ok(()) };
            with_left(result, left)
        })
        .await
    }
}
