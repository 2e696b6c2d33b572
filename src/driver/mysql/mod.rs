//! MySQL and MariaDB, by mysql_async: connect, run, control, classify errors, convert values. It knows no pool, no
//! frames, no models.
//!
//! A connection runs one command at a time. Owed steps go out in one multi-statement message, then the prepared
//! statement; a statement without parameters whose rows nobody wants rides in the same message. After every success the
//! server tells in its status flags whether a transaction is open.

mod classify;
mod command;
mod connection;
mod detached;
mod dial;
mod errand;
mod handles;
mod implicit;
mod kill;
mod known;
mod marker;
mod placeholders;
mod prepared;
#[cfg(feature = "tls")]
mod second;
mod shape;
mod tls;
mod upkeep;
mod values;
mod wire;

use std::time::Duration;

use futures_util::future::BoxFuture;
use mysql_async::{Opts, OptsBuilder};

pub(crate) use self::connection::{Lent, MysqlConnection};
use self::{dial::Dial, tls::Tls};
use super::{Connection, Dialect, Driver};
use crate::error::{Error, ErrorKind};

/// What every session is set to: all of Unicode, also after a reset, which goes back to the server's default; strict, so
/// that no value is cut in silence; in UTC, so that a TIMESTAMP is one moment for everybody; and committing what stands
/// alone.
const SETUP: &str = "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, \
                     sql_mode = CONCAT_WS(',', @@sql_mode, 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES')";

/// How to reach one MySQL or MariaDB database.
#[derive(Debug)]
pub(crate) struct MysqlDriver {
    dial: Dial,
    statement_cache: usize,
}

impl MysqlDriver {
    /// Reads `mysql://user:password@host:port/name`, and the same with `mariadb:`.
    pub(crate) fn new(url: &str, statement_cache: usize) -> Result<Self, Error> {
        let url = url.strip_prefix("mariadb:").map_or_else(|| url.to_owned(), |rest| format!("mysql:{rest}"));
        let (url, tls) = Tls::take(&url)?;
        let given = Opts::from_url(&url).map_err(|source| {
            // The source may hold parts of the URL; it tells a parameter's name and value, never the password.
            Error::new(ErrorKind::Config, "the URL of the MySQL database is not valid").with_source(source)
        })?;
        // A reset does not change the default database: it is named again with the rest.
        let database = given.db_name().map(|name| format!("; USE `{}`", name.replace('`', "``")));
        let setup = [SETUP, database.as_deref().unwrap_or_default()].concat();
        let asks_for_socket = url.contains("prefer_socket=true");
        let opts = OptsBuilder::from_opts(given)
            // A connection by TCP is not to turn into one by a socket unless it is asked for.
            .prefer_socket(asks_for_socket)
            .client_found_rows(true)
            .stmt_cache_size(Some(statement_cache))
            .conn_ttl(None::<Duration>)
            .setup(vec![setup]);
        Ok(Self { dial: tls.dial(opts.into())?, statement_cache })
    }
}

impl Driver for MysqlDriver {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let (conn, opts) = self.dial.connect().await.map_err(classify::connect)?;
            let connection: Box<dyn Connection> = Box::new(MysqlConnection::new(conn, opts, self.statement_cache));
            Ok(connection)
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }
}
