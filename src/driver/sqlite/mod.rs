//! SQLite, embedded, by rusqlite: connect, run, control, classify errors, convert values. A statement runs on the spot
//! where the runtime allows it, and on a thread of the connection's own elsewhere. It knows no pool, no frames, no models.

mod classify;
mod connection;
mod decimals;
mod flight;
mod job;
mod known;
mod lent;
mod once;
mod open;
mod place;
mod placeholders;
mod rows;
mod stop;
mod url;
mod values;
mod waits;
mod write_lock;
mod writing;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub(crate) use self::connection::SqliteConnection;
use self::{open::Setup, url::Target};
use super::{Connection, Dialect, Driver, SessionToken};
use crate::error::Error;

/// How to reach one SQLite database.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    setup: Setup,
}

impl SqliteDriver {
    /// Reads `sqlite::memory:`, `sqlite://relative.db`, `sqlite:///absolute.db`, with `?mode=ro|rw|rwc`.
    pub(crate) fn new(url: &str, statement_cache: usize, busy_timeout: Duration) -> Result<Self, Error> {
        Ok(Self { setup: Setup { target: Target::parse(url)?, statement_cache, busy_timeout } })
    }
}

impl Driver for SqliteDriver {
    fn connect(&self, _wait: Duration, _session: SessionToken) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let connection: Box<dyn Connection> = Box::new(SqliteConnection::new(self.setup.open().await?));
            Ok(connection)
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn is_shared(&self) -> bool {
        !matches!(self.setup.target, Target::Memory)
    }
}
