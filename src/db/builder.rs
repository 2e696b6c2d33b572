//! How a database is opened: the options, and the driver by the scheme of the URL.

use std::{fmt, time::Duration};

use super::Database;
use crate::{
    driver::{ConnectParts, Driver},
    error::{Error, ErrorKind},
    pool::{PoolOptions, SessionOptions},
    session::Shared,
    traces::TraceOptions,
    transaction::{control::Settings, limits::RequestedLimits},
};

/// Options for opening a database. Its `Debug` form leaves out who connects, and by which password.
#[derive(Clone)]
#[must_use = "nothing is opened before `build`"]
pub struct DatabaseBuilder {
    url: String,
    /// Whether the URL is the caller's.
    is_by_url: bool,
    pub(super) parts: ConnectParts,
    statement_cache: usize,
    busy_timeout: Duration,
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for a driver that is not built"))]
    hstore: bool,
    turn_timeout: Duration,
    close_timeout: Duration,
    pub(super) pool: PoolOptions,
    pub(super) defaults: Settings,
    pub(super) limits: RequestedLimits,
    pub(super) warn_open: Option<Duration>,
    pub(super) trace: TraceOptions,
}

impl Database {
    /// Opens a database by its URL: `sqlite::memory:`, `sqlite://file.db`, `postgres://user@host/name`. Without a URL it is opened by
    /// [`postgres`](Self::postgres), [`mysql`](Self::mysql) and [`sqlite`](Self::sqlite).
    ///
    /// Connections are made when they are needed; [`connect`](Self::connect) asks for one at once.
    ///
    /// # SQLite
    /// `sqlite://app.db` is a file in the current folder, `sqlite:///var/app.db` one by its whole path, `sqlite::memory:` a new
    /// database in memory. An option tells what may be done to a file:
    ///
    /// | option | reads | writes | makes a file that is not there |
    /// |---|---|---|---|
    /// | `?mode=ro` | yes | no | no |
    /// | `?mode=rw` | yes | yes | no |
    /// | `?mode=rwc` (default) | yes | yes | yes |
    ///
    /// # PostgreSQL behind a pooler
    /// `?pgbouncer=true` says that a pooler (PgBouncer, for instance) gives each transaction whichever server session is free.
    /// Statements are then not prepared, but sent as a whole each time, in one round trip, and what would outlive its
    /// transaction in the session is refused with `Unsupported`. `?pgbouncer=false` says that prepared statements are
    /// kept, as by a pooler with one session for each client. Without the option the server is asked, beside the
    /// first statement.
    ///
    /// # TLS
    /// With the feature `tls`, options of the URL say how much is asked for, by the names that each server's own clients
    /// have for it:
    ///
    /// | PostgreSQL: `sslmode=` | MySQL: `ssl-mode=` | encrypted | certificate | name |
    /// |---|---|---|---|---|
    /// | `disable` | `DISABLED` (default) | never | | |
    /// | `prefer` (default) | `PREFERRED` | if the server can | not checked | not checked |
    /// | `require` | `REQUIRED` | always | on PostgreSQL, if `sslrootcert` is given | not checked |
    /// | `verify-ca` | `VERIFY_CA` | always | checked | not checked |
    /// | `verify-full` | `VERIFY_IDENTITY` | always | checked | checked |
    ///
    /// `sslrootcert=FILE` and `ssl-ca=FILE` name the only trusted certificate authorities; without them those of the
    /// web are trusted. `ssl-ca` alone means `VERIFY_IDENTITY`, and so does
    /// `require_ssl=true`; `verify_identity=false` or `verify_ca=false` with it ask for less. The file is read here.
    ///
    /// Less than `verify-full` does not protect against an attacker in the middle. Cancel requests are encrypted as the
    /// connection is. Without the feature, a URL that insists on TLS is refused.
    ///
    /// # Errors
    /// `Config` if the URL is not valid, `Unsupported` if this build has no driver for it, or no TLS where it insists on
    /// that.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::builder(url).build()
    }

    /// Options for opening a database.
    pub fn builder(url: &str) -> DatabaseBuilder {
        DatabaseBuilder::new(url)
    }
}

impl DatabaseBuilder {
    /// Options whose URL says nothing but the scheme.
    pub(super) fn by_parts(base: &str) -> Self {
        Self { is_by_url: false, ..Self::new(base) }
    }

    fn new(url: &str) -> Self {
        let pool = PoolOptions {
            max_connections: 16,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(10 * 60)),
            max_lifetime: Some(Duration::from_secs(30 * 60)),
            autoconnect: None,
            session: SessionOptions::default(),
            name: None,
        };
        Self {
            url: url.to_owned(),
            is_by_url: true,
            parts: ConnectParts::default(),
            statement_cache: 256,
            busy_timeout: Duration::from_secs(5),
            hstore: true,
            turn_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            pool,
            defaults: Settings::default(),
            limits: RequestedLimits::default(),
            warn_open: None,
            trace: TraceOptions::default(),
        }
    }

    /// How many connections there may be at once. Defaults to 16; a database in memory has one.
    pub fn max_connections(mut self, count: u32) -> Self {
        self.pool.max_connections = count;
        self
    }

    /// How many idle connections are held ready. Defaults to 0.
    pub fn min_connections(mut self, count: u32) -> Self {
        self.pool.min_connections = count;
        self
    }

    /// How long a task waits for a connection before [`ErrorKind::PoolTimeout`]: for one to come free, or for a server that
    /// has none to give for now. Defaults to 30 s.
    pub fn acquire_timeout(mut self, wait: Duration) -> Self {
        self.pool.acquire_timeout = wait;
        self
    }

    /// How long a statement or a block waits for its turn in a transaction before [`ErrorKind::TurnTimeout`]: a
    /// statement for a sibling block of its task to end, for instance. Defaults to 60 s.
    pub fn turn_timeout(mut self, wait: Duration) -> Self {
        self.turn_timeout = wait;
        self
    }

    /// How long connecting may take, unless the URL tells; of several servers, to each of them. Defaults to 10 s.
    pub fn connect_timeout(mut self, wait: Duration) -> Self {
        self.pool.connect_timeout = wait;
        self
    }

    /// How long [`Database::close`] waits for open transactions before it ends them, and for the server to end the sessions.
    /// Defaults to 5 s.
    pub fn close_timeout(mut self, wait: Duration) -> Self {
        self.close_timeout = wait;
        self
    }

    /// How long an idle connection is kept; `None` keeps it without limit. Defaults to 10 min.
    pub fn idle_timeout(mut self, time: Option<Duration>) -> Self {
        self.pool.idle_timeout = time;
        self
    }

    /// How old a connection may grow; `None` without bound. Defaults to 30 min.
    pub fn max_lifetime(mut self, time: Option<Duration>) -> Self {
        self.pool.max_lifetime = time;
        self
    }

    /// Whether a query connects a database that is not connected. Defaults to yes before the first
    /// [`Database::close`], and no after it.
    pub fn autoconnect(mut self, yes: bool) -> Self {
        self.pool.autoconnect = Some(yes);
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
    /// `Config` if the URL or an option is not valid, `Unsupported` if this build has no driver for the URL, or the database
    /// cannot have an option.
    pub fn build(mut self) -> Result<Database, Error> {
        let wrong = |text: &str| Err(Error::new(ErrorKind::Config, text));
        if self.pool.max_connections == 0 {
            return wrong("max_connections must be at least 1");
        }
        if self.pool.min_connections > self.pool.max_connections {
            return wrong("min_connections must not be above max_connections");
        }
        if self.pool.idle_timeout == Some(Duration::ZERO) || self.pool.max_lifetime == Some(Duration::ZERO) {
            return wrong("idle_timeout and max_lifetime must be above zero, or None");
        }
        let driver = self.driver()?;
        if let Some(told) = driver.connect_timeout() {
            self.pool.connect_timeout = told;
        }
        if self.pool.session.reset_on_return && !driver.keeps_sessions() {
            let text = "behind a pooler that gives each transaction another session, no session can be reset: it is the \
                        pooler that resets its sessions";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if !driver.is_shared() {
            // The database is gone with its connection: there is one, and it stays.
            let options = &mut self.pool;
            (options.max_connections, options.min_connections) = (1, 0);
            (options.idle_timeout, options.max_lifetime) = (None, None);
        }
        let (limits, turn_timeout, close_timeout) = (self.limits(), self.turn_timeout, self.close_timeout);
        let shared = Shared::new(driver.into(), self.pool, turn_timeout, close_timeout, self.defaults, None);
        Ok(Database::new(shared.with_limits(limits).seen(self.warn_open).traced(self.trace)))
    }

    /// The URL without its user and options, which may be secret. Of a text that is no clear URL hardly anything is left.
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

    /// The parts that were told apart from the URL, as the driver takes them.
    fn connect_parts(&self, scheme: &str) -> Result<ConnectParts, Error> {
        self.parts.check()?;
        let unfit = |what: &str, of: &str| Err(Error::new(ErrorKind::Unsupported, format!("{what} is {of}")));
        let mut parts = self.parts.clone();
        match (scheme, parts.of_a_server(), parts.of_an_address()) {
            ("sqlite", Some(what), _) => unfit(what, "no option of a SQLite database"),
            ("sqlite", ..) => Ok(parts),
            _ if !parts.pragmas.is_empty() => unfit("pragma", "an option of SQLite databases alone"),
            (_, _, Some(what)) if self.is_by_url => Err(Error::new(
                ErrorKind::Config,
                format!("the URL tells where the server is: {what} cannot be given beside it"),
            )),
            (_, _, address) => {
                if !self.is_by_url && parts.socket.is_none() && (address.is_none() || parts.host.is_none()) {
                    parts.host = Some("localhost".into());
                }
                Ok(parts)
            }
        }
    }

    fn driver(&self) -> Result<Box<dyn Driver>, Error> {
        let scheme = self.url.split(':').next().unwrap_or_default();
        match scheme {
            #[cfg(feature = "sqlite-system")]
            "sqlite" => Ok(Box::new(crate::driver::sqlite::SqliteDriver::new(
                &self.url,
                self.statement_cache,
                self.busy_timeout,
                &self.connect_parts(scheme)?,
            )?)),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let (cache, hstore, parts) = (self.statement_cache, self.hstore, self.connect_parts(scheme)?);
                Ok(Box::new(crate::driver::postgres::PostgresDriver::new(&self.url, cache, hstore, &parts)?))
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                let parts = self.connect_parts(scheme)?;
                Ok(Box::new(crate::driver::mysql::MysqlDriver::new(&self.url, self.statement_cache, &parts)?))
            }
            // A back end that is not built in.
            known if is_scheme(known) => {
                let feature = match known {
                    "sqlite" => "sqlite",
                    "mysql" | "mariadb" => "mysql",
                    _ => "postgres",
                };
                let text =
                    format!("this build has no driver for \"{scheme}:\"; enable the feature \"{feature}\" of nestling");
                Err(Error::new(ErrorKind::Unsupported, text))
            }
            // The text is not repeated: it may be no URL at all, but options with a password among them.
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
        let Self {
            url: _,
            is_by_url,
            parts,
            statement_cache,
            busy_timeout,
            hstore,
            turn_timeout,
            close_timeout,
            pool,
            defaults,
            limits,
            warn_open,
            trace,
        } = self;
        f.debug_struct("DatabaseBuilder")
            .field("url", &self.shown_url())
            .field("is_by_url", is_by_url)
            .field("parts", parts)
            .field("statement_cache", statement_cache)
            .field("busy_timeout", busy_timeout)
            .field("register_hstore", hstore)
            .field("turn_timeout", turn_timeout)
            .field("close_timeout", close_timeout)
            .field("pool", pool)
            .field("defaults", defaults)
            .field("limits", limits)
            .field("warn_open_longer_than", warn_open)
            .field("trace", trace)
            .finish()
    }
}
