//! [`PostgresDriver`]: one PostgreSQL database: reads its URL and makes connections.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio_postgres::{
    Config,
    config::{SslMode, SslNegotiation},
};

use super::{
    connection::PostgresConnection,
    connector::Connector,
    listen,
    naming::{NameSupport, Naming},
    tls::Tls,
};
use crate::{
    driver::{ConnectParts, Connection, Dialect, Driver, Notifications, SessionToken, url},
    error::{Error, ErrorKind},
};

/// How to reach one PostgreSQL database.
pub(crate) struct PostgresDriver {
    connector: Connector,
    servers: Vec<String>,
    namespace: Option<String>,
    statement_cache: usize,
    /// Whether statements have names, for all connections.
    naming: Arc<Naming>,
    hstore: bool,
    connect_timeout: Option<Duration>,
}

impl PostgresDriver {
    /// Reads a URL, as libpq takes it. `hstore` tells whether values of that type are read and written.
    pub(crate) fn new(url: &str, statement_cache: usize, hstore: bool, parts: &ConnectParts) -> Result<Self, Error> {
        let (url, support) = take_pooler(url, statement_cache)?;
        let (url, tls) = Tls::take(&url)?;
        let tls = tls.with(parts);
        let mut config: Config = url.parse().map_err(|source| {
            let error = Error::new(ErrorKind::Config, "the URL of the PostgreSQL database is not valid");
            // It quotes names of options, which are parts of a password where that is not escaped.
            if url::is_clear(&url) { error.with_source(source) } else { error }
        })?;
        set_parts(&mut config, parts)?;
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
        let namespace = config.get_dbname().or(config.get_user()).map(str::to_owned);
        let connector = Connector::new(config, &tls, parts.password_source.clone())?;
        let servers = connector.servers().map(ToString::to_string).collect();
        let naming = Arc::new(Naming::new(support));
        Ok(Self { connector, servers, namespace, statement_cache, naming, hstore, connect_timeout })
    }
}

/// Sets the parts that were told apart from the URL.
fn set_parts(config: &mut Config, parts: &ConnectParts) -> Result<(), Error> {
    let ConnectParts { host, port, socket, user, password, password_source: _, database, application_name, .. } = parts;
    if let Some(host) = host {
        config.host(host);
    }
    if let Some(port) = port {
        config.port(*port);
    }
    if let Some(folder) = socket {
        #[cfg(unix)]
        config.host_path(folder);
        #[cfg(not(unix))]
        return Err(Error::new(ErrorKind::Unsupported, format!("there is no unix socket {}", folder.display())));
    }
    if let Some(user) = user {
        config.user(user);
    }
    if let Some(password) = password {
        config.password(password);
    }
    if let Some(name) = database {
        config.dbname(name);
    }
    if let Some(name) = application_name {
        config.application_name(name);
    }
    Ok(())
}

/// Takes the option out of a URL that tells of a pooler, and what is known before the first connection.
fn take_pooler(url: &str, statement_cache: usize) -> Result<(String, NameSupport), Error> {
    let (url, [pooler]) = url::take(url, ["pgbouncer"])?;
    let support = match pooler.as_deref() {
        Some("true") => NameSupport::ByTransaction,
        None | Some("false") if statement_cache == 0 => NameSupport::Unnamed,
        Some("false") => NameSupport::Named,
        None => NameSupport::Unknown,
        Some(_) => return Err(Error::new(ErrorKind::Config, "pgbouncer is one of true and false")),
    };
    Ok((url, support))
}

impl Driver for PostgresDriver {
    fn connect(&self, wait: Duration, session: SessionToken) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let connected = self.connector.connect(wait, &session).await?;
            let connection =
                PostgresConnection::new(connected, self.statement_cache, Arc::clone(&self.naming), self.hstore);
            let connection: Box<dyn Connection> = Box::new(connection);
            Ok(connection)
        })
    }

    fn listen<'a>(
        &'a self,
        wait: Duration,
        session: SessionToken,
        channels: &'a [String],
    ) -> BoxFuture<'a, Result<Notifications, Error>> {
        Box::pin(async move {
            if self.keeps_sessions() {
                return listen::listen(&self.connector, wait, session, channels).await;
            }
            let text = "behind a pooler that gives each transaction another session, nobody can listen: open the database past \
                        the pooler for it";
            Err(Error::new(ErrorKind::Unsupported, text))
        })
    }

    fn servers(&self) -> &[String] {
        &self.servers
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn keeps_sessions(&self) -> bool {
        !self.naming.is_by_transaction()
    }

    fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }
}

impl fmt::Debug for PostgresDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connector: _, servers, namespace, statement_cache, naming, hstore, connect_timeout } = self;
        f.debug_struct("PostgresDriver")
            .field("servers", servers)
            .field("namespace", namespace)
            .field("statement_cache", statement_cache)
            .field("naming", naming)
            .field("hstore", hstore)
            .field("connect_timeout", connect_timeout)
            .finish_non_exhaustive()
    }
}
