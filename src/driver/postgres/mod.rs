//! PostgreSQL, by tokio-postgres: connect, run, control, classify errors, convert values. It knows no pool but the way
//! `bb8-postgres` connects, no frames, no models.

mod array;
mod cache;
mod cancel;
mod classify;
mod connection;
mod decode;
mod encode;
mod flight;

use std::time::Duration;

use bb8_postgres::{PostgresConnectionManager, bb8::ManageConnection};
use futures_util::future::BoxFuture;
use tokio_postgres::{Config, NoTls};

use self::cancel::Servers;
pub(crate) use self::{connection::PostgresConnection, flight::Wire};
use super::{Connection, Dialect, Driver};
use crate::error::{Error, ErrorKind};

/// How to reach one PostgreSQL database.
#[derive(Debug)]
pub(crate) struct PostgresDriver {
    manager: PostgresConnectionManager<NoTls>,
    servers: Servers,
    statement_cache: usize,
    connect_timeout: Option<Duration>,
}

impl PostgresDriver {
    /// Reads a URL or a key-value string, as libpq takes them.
    pub(crate) fn new(url: &str, statement_cache: usize) -> Result<Self, Error> {
        let mut config: Config = url.parse().map_err(|source| {
            Error::new(ErrorKind::Config, "the URL of the PostgreSQL database is not valid").with_source(source)
        })?;
        let connect_timeout = config.get_connect_timeout().copied();
        if config.get_application_name().is_none() {
            config.application_name("nestling");
        }
        let servers = Servers::of(&config);
        let manager = PostgresConnectionManager::new(config, NoTls);
        Ok(Self { manager, servers, statement_cache, connect_timeout })
    }
}

impl Driver for PostgresDriver {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let client = self.manager.connect().await.map_err(classify::connect)?;
            let connection = PostgresConnection::new(client, self.servers.clone(), self.statement_cache);
            let connection: Box<dyn Connection> = Box::new(connection);
            Ok(connection)
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }
}
