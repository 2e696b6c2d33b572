//! [`MysqlDriver`]: one MySQL or MariaDB database: reads its URL and makes connections.

use std::time::Duration;

use futures_util::future::BoxFuture;
use mysql_async::{Opts, OptsBuilder};

use super::{
    classify, connection::MysqlConnection, connector::Connector, server::Server, session::SETUP,
    statement_cache::StatementCache, tls::Tls,
};
use crate::{
    driver::{ConnectParts, Connection, Dialect, Driver, SessionToken, url},
    error::{Error, ErrorKind},
};

/// The largest packet that any server can be set to take, or to send.
const LARGEST_PACKET: usize = 1 << 30;

/// One MySQL or MariaDB database.
#[derive(Debug)]
pub(crate) struct MysqlDriver {
    connector: Connector,
    servers: [String; 1],
    namespace: Option<String>,
    statement_cache: usize,
}

impl MysqlDriver {
    /// Reads `mysql://user:password@host:port/name`, and the same with `mariadb:`.
    pub(crate) fn new(url: &str, statement_cache: usize, parts: &ConnectParts) -> Result<Self, Error> {
        let url = url.strip_prefix("mariadb:").map_or_else(|| url.to_owned(), |rest| format!("mysql:{rest}"));
        let (url, tls) = Tls::take(&url)?;
        let tls = tls.with(parts)?;
        let given = Opts::from_url(&url).map_err(|source| {
            let error = Error::new(ErrorKind::Config, "the URL of the MySQL database is not valid");
            // It quotes names and values of options, which are parts of a password where that is not escaped.
            if url::is_clear(&url) { error.with_source(source) } else { error }
        })?;
        let given = with_parts(given, parts)?;
        let allowed = given.max_allowed_packet().unwrap_or(LARGEST_PACKET);
        let host = host(&given);
        // A reset does not change the default database: it is named again with the rest.
        let database = given.db_name().map(|name| format!("; USE `{}`", name.replace('`', "``")));
        let setup = [SETUP, database.as_deref().unwrap_or_default()].concat();
        let asks_for_socket = url.contains("prefer_socket=true");
        let opts = OptsBuilder::from_opts(given)
            // A TCP connection must not become one by a unix socket unless the URL asks for it.
            .prefer_socket(asks_for_socket)
            .ip_or_hostname(host)
            .client_found_rows(true)
            // Room for each of ours; without any, a lent client would close none of its own.
            .stmt_cache_size(Some(statement_cache.max(1)))
            // Both only keep the driver from asking: we ask for the server's own limit, and its pool is not used.
            .max_allowed_packet(Some(allowed))
            .wait_timeout(Some(0))
            .conn_ttl(None::<Duration>)
            .setup(vec![setup]);
        let opts: Opts = opts.into();
        let servers = [address(&opts)];
        let namespace = opts.db_name().map(str::to_owned);
        let connector = tls.connector(opts)?.with_password_from(parts.password_source.clone());
        Ok(Self { connector, servers, namespace, statement_cache })
    }
}

/// The options with the parts that were told apart from the URL.
fn with_parts(given: Opts, parts: &ConnectParts) -> Result<Opts, Error> {
    let ConnectParts { host, port, socket, user, password, password_source: _, database, application_name, .. } = parts;
    let mut opts = OptsBuilder::from_opts(given);
    if let Some(host) = host {
        opts = opts.ip_or_hostname(host);
    }
    if let Some(port) = port {
        opts = opts.tcp_port(*port);
    }
    if let Some(path) = socket {
        let path = path.to_str().ok_or_else(|| Error::new(ErrorKind::Config, "the path of the socket is not UTF-8"))?;
        opts = opts.socket(Some(path));
    }
    if user.is_some() {
        opts = opts.user(user.clone());
    }
    if password.is_some() {
        opts = opts.pass(password.clone());
    }
    if database.is_some() {
        opts = opts.db_name(database.clone());
    }
    if let Some(name) = application_name {
        opts = opts.connect_attribute("program_name", name);
    }
    Ok(opts.into())
}

/// Where the server is, as errors name it.
fn address(opts: &Opts) -> String {
    match opts.socket() {
        Some(path) => path.to_owned(),
        None => format!("{}:{}", opts.ip_or_hostname(), opts.tcp_port()),
    }
}

/// The host of a URL: an IPv6 address stands in brackets there, and without them wherever it is looked up or checked.
fn host(given: &Opts) -> String {
    let host = given.ip_or_hostname();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned()
}

impl Driver for MysqlDriver {
    fn connect(&self, _wait: Duration, session: SessionToken) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let refused = |error| classify::connect(&self.servers[0], self.connector.user(), error);
            let (mut conn, login) = self.connector.connect().await.map_err(refused)?;
            let server = Server::ask(&mut conn).await.map_err(refused)?;
            self.connector.is_mariadb().get_or_init(|| server.is_mariadb);
            let statements = StatementCache::new(server, self.statement_cache);
            let connection = MysqlConnection::new(conn, session, login, server, statements);
            let connection: Box<dyn Connection> = Box::new(connection);
            Ok(connection)
        })
    }

    fn servers(&self) -> &[String] {
        &self.servers
    }

    fn ended<'a>(&'a self, sessions: &'a [u64]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.connector.wait_for_end_of(sessions).await {
                tracing::debug!(target: "nestling", %error, "the server could not be asked whether sessions have ended");
            }
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn system_name(&self) -> &'static str {
        if self.connector.is_mariadb().get() == Some(&true) { "mariadb" } else { "mysql" }
    }

    fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fault 2.8
    #[test]
    fn an_address_loses_its_brackets_and_a_name_stays_as_it_is() {
        for (url, wanted) in
            [("[::1]:3306", "::1"), ("[2001:db8::1]", "2001:db8::1"), ("db.example.org", "db.example.org")]
        {
            assert_eq!(host(&Opts::from_url(&format!("mysql://u@{url}/x")).unwrap()), wanted);
        }
    }
}
