//! PostgreSQL, by tokio-postgres: connect, run, control, classify errors, convert values. It knows no pool, no frames, no
//! models.

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
mod limits;
mod outstanding;
mod schema;
mod stop;
mod tls;
#[cfg(feature = "tls")]
mod verifier;
mod witness;

use std::{fmt, net::IpAddr, time::Duration};

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio_postgres::{
    Client, Config,
    config::{SslMode, SslNegotiation},
};

use self::cancel::Servers;
pub(crate) use self::{connection::PostgresConnection, flight::Wire};
use self::{connector::Connector, tls::Tls};
use super::{Connection, Dialect, Driver, url};
use crate::error::{Error, ErrorKind};

/// How to reach one PostgreSQL database.
pub(crate) struct PostgresDriver {
    config: Config,
    /// Connects without TLS where TLS cannot be had, if the URL allows that.
    plain: Option<Config>,
    connector: Connector,
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
            let error = Error::new(ErrorKind::Config, "the URL of the PostgreSQL database is not valid");
            // It quotes names of options, which are parts of a password where that is not escaped.
            if url::is_clear(&url) { error.with_source(source) } else { error }
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
            config
        });
        let servers = Servers::of(&config, connector.clone());
        Ok(Self { config, plain, connector, servers, statement_cache, hstore, connect_timeout })
    }

    /// A client, and the task that speaks with the server for it.
    async fn client(&self) -> Result<(Client, AbortHandle), tokio_postgres::Error> {
        match (self.connect_by(&self.config).await, &self.plain) {
            // What TLS failed with tells more than what comes of the attempt without it.
            (Err(error), Some(plain)) if Tls::was_in_the_way(&error) => self.connect_by(plain).await.map_err(|_| error),
            (result, _) => result,
        }
    }

    async fn connect_by(&self, config: &Config) -> Result<(Client, AbortHandle), tokio_postgres::Error> {
        let (client, connection) = config.connect(self.connector.clone()).await?;
        // The client hears of its end.
        let task = tokio::spawn(async move { connection.await.map(drop) });
        Ok((client, task.abort_handle()))
    }
}

impl Driver for PostgresDriver {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let (client, task) = self.client().await.map_err(classify::connect)?;
            let wire = Wire::new(client, task, self.servers.clone());
            let connection = PostgresConnection::new(wire, self.statement_cache, self.hstore);
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
        let Self { config, plain: _, connector: _, servers: _, statement_cache, hstore, connect_timeout } = self;
        f.debug_struct("PostgresDriver")
            .field("config", config)
            .field("statement_cache", statement_cache)
            .field("hstore", hstore)
            .field("connect_timeout", connect_timeout)
            .finish_non_exhaustive()
    }
}
