//! [`SqliteDriver`]: one SQLite database: reads its URL and opens connections.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{connection::SqliteConnection, open::Setup, url::Target};
use crate::{
    driver::{ConnectParts, Connection, Dialect, Driver, SessionToken},
    error::Error,
};

/// How to reach one SQLite database.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    setup: Setup,
}

impl SqliteDriver {
    /// Reads `sqlite::memory:`, `sqlite://relative.db`, `sqlite:///absolute.db`, with `?mode=ro|rw|rwc`.
    pub(crate) fn new(
        url: &str,
        statement_cache: usize,
        busy_timeout: Duration,
        parts: &ConnectParts,
    ) -> Result<Self, Error> {
        let target = match &parts.file {
            Some(path) => Target::of(path)?,
            None => Target::parse(url)?,
        };
        let pragmas = parts.pragmas.as_slice().into();
        Ok(Self { setup: Setup { target, statement_cache, busy_timeout, pragmas } })
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

    fn namespace(&self) -> Option<&str> {
        match &self.setup.target {
            Target::Memory => Some(":memory:"),
            Target::File { path, .. } => path.to_str(),
        }
    }

    fn is_shared(&self) -> bool {
        !matches!(self.setup.target, Target::Memory)
    }
}
