//! [`Lent`]: the connection of mysql_async, lent to the caller; and the rollback of what the caller has left open.

use mysql_async::Conn;

use super::{command::Command, connection::MysqlConnection, in_flight::WireGuard};
use crate::{sql::statement::SessionEffect, transaction::impact::DriverError};

impl MysqlConnection {
    /// Rolls back a transaction that the native client has left open outside any block.
    ///
    /// # Errors
    /// `RolledBack` if there was one.
    pub(crate) async fn end_left_open(&self) -> Result<(), DriverError> {
        // The last answer may have been an error, which has no status flags.
        self.run_command(self.lock().await?, Command::Ping).await.map(drop)
    }

    /// Lends the native connection for as long as the returned value lives.
    pub(crate) async fn lend(&self) -> Result<Lent, DriverError> {
        let wire = self.lock().await?;
        self.status.mark().note(SessionEffect::Reset);
        Ok(Lent(wire))
    }

    /// Whether a lent connection has not been given back.
    pub(crate) fn is_lent(&self) -> bool {
        self.wire.try_lock().is_err()
    }
}

/// The native connection, lent.
pub(crate) struct Lent(WireGuard);

impl Lent {
    pub(crate) fn native(&self) -> &Conn {
        self.0.native()
    }

    pub(crate) fn native_mut(&mut self) -> &mut Conn {
        self.0.native_mut()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The flags of the last answer tell what was done; a command that was dropped has broken the connection.
        self.0.after_loan();
    }
}
