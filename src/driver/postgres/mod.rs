//! PostgreSQL, by tokio-postgres: connect, run, control, classify errors, convert values. It knows no pool but the way
//! `bb8-postgres` connects, no frames, no models.

mod answered;
mod array;
mod cache;
mod cancel;
mod classify;
mod connection;
#[cfg(feature = "tls")]
mod connector;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod connector;
mod decode;
mod encode;
mod flight;
mod hstore;
mod in_flight;
mod tls;
#[cfg(feature = "tls")]
mod verifier;

use std::{fmt, net::IpAddr, time::Duration};

use bb8_postgres::{PostgresConnectionManager, bb8::ManageConnection};
use futures_util::future::BoxFuture;
use tokio_postgres::{
    Client, Config,
    config::{SslMode, SslNegotiation},
};

use self::cancel::Servers;
pub(crate) use self::{connection::PostgresConnection, flight::Wire};
use self::{connector::Connector, tls::Tls};
use super::{Connection, Dialect, Driver};
use crate::error::{Error, ErrorKind};

/// How to reach one PostgreSQL database.
pub(crate) struct PostgresDriver {
    manager: PostgresConnectionManager<Connector>,
    /// Connects without TLS where TLS cannot be had, if the URL allows that.
    plain: Option<PostgresConnectionManager<Connector>>,
    servers: Servers,
    statement_cache: usize,
    hstore: bool,
    connect_timeout: Option<Duration>,
}

impl PostgresDriver {
    /// Reads a URL, as libpq takes it. `hstore` tells whether values of that type are read and written.
    pub(crate) fn new(url: &str, statement_cache: usize, hstore: bool) -> Result<Self, Error> {
        let (url, tls) = Tls::take(url)?;
        let mut config: Config = url.parse().map_err(|source| {
            Error::new(ErrorKind::Config, "the URL of the PostgreSQL database is not valid").with_source(source)
        })?;
        config.ssl_mode(tls.mode());
        if config.get_ssl_negotiation() == SslNegotiation::Direct && tls.mode() != SslMode::Require {
            let text = "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full";
            return Err(Error::new(ErrorKind::Config, text));
        }
        if config.get_hosts().is_empty() {
            // TLS asks for a name, even if it is not checked.
            let names: Vec<_> = config.get_hostaddrs().iter().map(IpAddr::to_string).collect();
            for name in names {
                config.host(name);
            }
        }
        let connect_timeout = config.get_connect_timeout().copied();
        if config.get_application_name().is_none() {
            config.application_name("nestling");
        }
        let connector = tls.connector()?;
        let plain = tls.falls_back().then(|| {
            let mut config = config.clone();
            config.ssl_mode(SslMode::Disable);
            PostgresConnectionManager::new(config, connector.clone())
        });
        let servers = Servers::of(&config, connector.clone());
        let manager = PostgresConnectionManager::new(config, connector);
        Ok(Self { manager, plain, servers, statement_cache, hstore, connect_timeout })
    }

    async fn client(&self) -> Result<Client, tokio_postgres::Error> {
        match (self.manager.connect().await, &self.plain) {
            // What TLS failed with tells more than what comes of the attempt without it.
            (Err(error), Some(plain)) if Tls::was_in_the_way(&error) => plain.connect().await.map_err(|_| error),
            (result, _) => result,
        }
    }
}

impl Driver for PostgresDriver {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let client = self.client().await.map_err(classify::connect)?;
            let connection = PostgresConnection::new(client, self.servers.clone(), self.statement_cache, self.hstore);
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

impl fmt::Debug for PostgresDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manager, plain: _, servers: _, statement_cache, hstore, connect_timeout } = self;
        f.debug_struct("PostgresDriver")
            .field("manager", manager)
            .field("statement_cache", statement_cache)
            .field("hstore", hstore)
            .field("connect_timeout", connect_timeout)
            .finish_non_exhaustive()
    }
}
