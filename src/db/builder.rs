//! The options of a database, and how its URL chooses the driver.

use std::{fmt, time::Duration};

use super::Database;
use crate::{
    driver::Driver,
    error::{Error, ErrorKind},
};

/// The options of a database, checked.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) max_connections: u32,
    pub(super) min_connections: u32,
    pub(super) acquire_timeout: Duration,
    pub(super) turn_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) close_timeout: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) autoconnect: Option<bool>,
}

/// Options for opening a database. Its `Debug` form leaves out who connects, and by which password.
#[derive(Clone)]
#[must_use = "nothing is opened before `build`"]
pub struct DatabaseBuilder {
    url: String,
    statement_cache: usize,
    busy_timeout: Duration,
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for a driver that is not built"))]
    hstore: bool,
    options: Options,
}

impl DatabaseBuilder {
    pub(super) fn new(url: &str) -> Self {
        let options = Options {
            max_connections: 16,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(30),
            turn_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(10 * 60)),
            max_lifetime: Some(Duration::from_secs(30 * 60)),
            autoconnect: None,
        };
        let busy_timeout = Duration::from_secs(5);
        Self { url: url.to_owned(), statement_cache: 256, busy_timeout, hstore: true, options }
    }

    /// How many connections there may be at once. Defaults to 16; a database in memory has one.
    pub fn max_connections(mut self, count: u32) -> Self {
        self.options.max_connections = count;
        self
    }

    /// How many idle connections are held ready. Defaults to 0.
    pub fn min_connections(mut self, count: u32) -> Self {
        self.options.min_connections = count;
        self
    }

    /// How long a task waits for a connection before [`ErrorKind::PoolTimeout`]: for one to come free, or for a server that
    /// has none to give for now. Defaults to 30 s.
    pub fn acquire_timeout(mut self, wait: Duration) -> Self {
        self.options.acquire_timeout = wait;
        self
    }

    /// How long a statement or a block waits for its turn in a transaction before [`ErrorKind::TurnTimeout`]: a
    /// statement for a sibling block of its task to end, for instance. Defaults to 60 s.
    pub fn turn_timeout(mut self, wait: Duration) -> Self {
        self.options.turn_timeout = wait;
        self
    }

    /// How long connecting may take, unless the URL tells; of several servers, to each of them. Defaults to 10 s.
    pub fn connect_timeout(mut self, wait: Duration) -> Self {
        self.options.connect_timeout = wait;
        self
    }

    /// How long [`Database::close`] waits for open transactions before it ends them, and for the server to end the sessions.
    /// Defaults to 5 s.
    pub fn close_timeout(mut self, wait: Duration) -> Self {
        self.options.close_timeout = wait;
        self
    }

    /// How long an idle connection is kept; `None` for ever. Defaults to 10 min.
    pub fn idle_timeout(mut self, time: Option<Duration>) -> Self {
        self.options.idle_timeout = time;
        self
    }

    /// How old a connection may grow; `None` without bound. Defaults to 30 min.
    pub fn max_lifetime(mut self, time: Option<Duration>) -> Self {
        self.options.max_lifetime = time;
        self
    }

    /// Whether a query connects a database that is not connected. Defaults to yes before the first
    /// [`Database::close`], and no after it.
    pub fn autoconnect(mut self, yes: bool) -> Self {
        self.options.autoconnect = Some(yes);
        self
    }

    /// How many prepared statements each connection keeps. Defaults to 256.
    ///
    /// Their texts have up to 4 MiB together; a statement of more than 512 KiB is not kept. On MySQL and MariaDB a text
    /// counts once for each set of types that its values have had. With 0 a statement is closed once it has run. On
    /// PostgreSQL nothing is prepared with 0, control steps included: statements are sent as a whole each time.
    pub fn statement_cache_capacity(mut self, statements: usize) -> Self {
        self.statement_cache = statements;
        self
    }

    /// SQLite: how long a statement or a block that writes waits while another connection writes. Defaults to 5 s.
    ///
    /// One writes at a time; others of this process queue, first come, first served. A block that only reads does not
    /// wait if it is opened by [`Database::read_only`].
    pub fn busy_timeout(mut self, wait: Duration) -> Self {
        self.busy_timeout = wait;
        self
    }

    /// PostgreSQL: whether [`HStore`](crate::types::HStore) is read and written. Defaults to yes; it costs nothing, and the
    /// extension need not be there.
    ///
    /// Without it an hstore is a type like any other that this crate does not know: text in its own form
    /// (`"a"=>"1", "b"=>NULL`) can be given to it, and it is read by a cast to text in the SQL.
    pub fn register_hstore(mut self, yes: bool) -> Self {
        self.hstore = yes;
        self
    }

    /// Opens the database, without connecting yet.
    ///
    /// # Errors
    /// `Config` if the URL or an option is not valid, `Unsupported` if this build has no driver for the URL.
    pub fn build(mut self) -> Result<Database, Error> {
        let wrong = |text: &str| Err(Error::new(ErrorKind::Config, text));
        if self.options.max_connections == 0 {
            return wrong("max_connections must be at least 1");
        }
        if self.options.min_connections > self.options.max_connections {
            return wrong("min_connections must not be above max_connections");
        }
        if self.options.idle_timeout == Some(Duration::ZERO) || self.options.max_lifetime == Some(Duration::ZERO) {
            return wrong("idle_timeout and max_lifetime must be above zero, or None");
        }
        let driver = self.driver()?;
        if let Some(told) = driver.connect_timeout() {
            self.options.connect_timeout = told;
        }
        if !driver.is_shared() {
            // The database is gone with its connection: there is one, and it stays.
            let options = &mut self.options;
            (options.max_connections, options.min_connections) = (1, 0);
            (options.idle_timeout, options.max_lifetime) = (None, None);
        }
        Ok(Database::new(driver.into(), self.options))
    }

    /// The URL without what may be secret in it: who connects, and the options. Where it is not clear what is what, or if
    /// it is no URL, hardly anything is left.
    fn shown_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return "…".into();
        };
        let (plain, options) = rest.split_once('?').unwrap_or((rest, ""));
        match plain.strip_prefix("//") {
            Some(plain) if !options.contains('@') => {
                format!("{scheme}://{}", plain.rsplit('@').next().unwrap_or_default())
            }
            None if scheme == "sqlite" => format!("{scheme}:{plain}"),
            _ => format!("{scheme}:…"),
        }
    }

    fn driver(&self) -> Result<Box<dyn Driver>, Error> {
        let scheme = self.url.split(':').next().unwrap_or_default();
        match scheme {
            #[cfg(feature = "sqlite")]
            "sqlite" => Ok(Box::new(crate::driver::sqlite::SqliteDriver::new(
                &self.url,
                self.statement_cache,
                self.busy_timeout,
            )?)),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let (cache, hstore) = (self.statement_cache, self.hstore);
                Ok(Box::new(crate::driver::postgres::PostgresDriver::new(&self.url, cache, hstore)?))
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                Ok(Box::new(crate::driver::mysql::MysqlDriver::new(&self.url, self.statement_cache)?))
            }
            // Those of the back ends that are not built in.
            known if is_scheme(known) => Err(Error::new(
                ErrorKind::Unsupported,
                format!("this build has no driver for \"{scheme}:\"; enable the feature of the crate for it"),
            )),
            // It is not told what it begins with: it may be no URL at all, but options with a password among them.
            _ => {
                let text = "the URL of a database begins with \"sqlite:\", \"postgres:\" or \"mysql:\", as in \
                            postgres://user:password@host/name";
                Err(Error::new(ErrorKind::Config, text))
            }
        }
    }
}

/// Whether this is one of the schemes that are known: anything else may be part of a password.
fn is_scheme(text: &str) -> bool {
    ["sqlite", "postgres", "postgresql", "mysql", "mariadb"].contains(&text)
}

impl fmt::Debug for DatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, statement_cache, busy_timeout, hstore, options } = self;
        f.debug_struct("DatabaseBuilder")
            .field("url", &self.shown_url())
            .field("statement_cache", statement_cache)
            .field("busy_timeout", busy_timeout)
            .field("register_hstore", hstore)
            .field("options", options)
            .finish()
    }
}
