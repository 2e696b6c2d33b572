//! Time limits as settings of a server, which ride with BEGIN or SAVEPOINT. How each server counts them is in
//! `docs/drivers.md`. It sends nothing.

use std::time::Duration;

use super::{
    dialect::Dialect,
    times::{IDLE_TIME, STATEMENT_TIME, millis},
};
use crate::transaction::control::Settings;

/// How much later than the client the server ends a transaction that is idle.
const LAST_RESORT: Duration = Duration::from_secs(1);

impl Dialect {
    /// The settings of a block with the limits of its statements and locks, unless the caller has set them by name.
    pub(crate) fn with_limits(
        self,
        settings: Settings,
        statement: Option<Duration>,
        lock: Option<Duration>,
        idle: Option<Duration>,
    ) -> Settings {
        // The client ends the transaction first, and keeps the connection: the server ends both.
        let idle = idle.map(|time| millis(time.saturating_mul(2).saturating_add(LAST_RESORT)).to_string());
        let statement = statement.map(|time| millis(time).to_string());
        let settings_of_server = match self {
            Self::Postgres => [
                ("statement_timeout", statement),
                ("lock_timeout", lock.map(|time| millis(time).to_string())),
                ("idle_in_transaction_session_timeout", idle),
            ],
            Self::Mysql => {
                // Whole seconds, and at least one.
                let seconds = lock.map(|time| millis(time).div_ceil(1_000).to_string());
                [(STATEMENT_TIME, statement), ("innodb_lock_wait_timeout", seconds), (IDLE_TIME, idle)]
            }
            // The driver is told with each flight.
            Self::Sqlite => return settings,
        };
        settings_of_server.into_iter().fold(settings, |settings, (key, value)| match value {
            Some(value) if settings.local(key).is_none() => settings.with_local(key, value),
            _ => settings,
        })
    }
}
