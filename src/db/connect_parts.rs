//! How a database is opened without a URL: its parts, one call each.

use std::{error::Error as StdError, path::PathBuf};

use super::{Database, DatabaseBuilder};
use crate::driver::{PasswordSource, TlsMode, TlsRoots};

impl Database {
    /// Options for opening a PostgreSQL database by its parts, without a URL: nothing has to be escaped.
    ///
    /// Without a [`host`](DatabaseBuilder::host) it is `localhost`.
    ///
    /// # Examples
    /// ```no_run
    /// # use nestling::{Database, connect::{TlsMode, TlsRoots}};
    /// # async fn token() -> std::io::Result<String> { Ok(String::new()) }
    /// # fn main() -> nestling::Result<()> {
    /// let db = Database::postgres()
    ///     .host("db.example.org")
    ///     .user("app")
    ///     .password_from(|| token())                    // at each new connection
    ///     .database("orders")
    ///     .application_name("reports")
    ///     .tls(TlsMode::VerifyFull)
    ///     .tls_roots(TlsRoots::File("authority.pem".into()))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn postgres() -> DatabaseBuilder {
        DatabaseBuilder::by_parts("postgres://")
    }

    /// Options for opening a MySQL or MariaDB database by its parts, as [`postgres`](Self::postgres) does.
    pub fn mysql() -> DatabaseBuilder {
        DatabaseBuilder::by_parts("mysql://localhost")
    }

    /// Options for opening a SQLite database in this file, which is made if it is not there, or `":memory:"`.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, params};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// let db = Database::sqlite(":memory:").pragma("cache_size", "-64000").build()?;
    /// let size: i64 = db.query_one("pragma cache_size", params![]).await?.get(0)?;
    /// assert_eq!(size, -64_000);
    /// # Ok(()) }
    /// ```
    pub fn sqlite(file: impl Into<PathBuf>) -> DatabaseBuilder {
        let mut builder = DatabaseBuilder::by_parts("sqlite:");
        builder.parts.file = Some(file.into());
        builder
    }
}

impl DatabaseBuilder {
    /// The server's name or address. A URL has its own.
    pub fn host(mut self, host: &str) -> Self {
        self.parts.host = Some(host.to_owned());
        self
    }

    /// The server's port. Defaults to 5432 for PostgreSQL and to 3306 for MySQL. A URL has its own.
    pub fn port(mut self, port: u16) -> Self {
        self.parts.port = Some(port);
        self
    }

    /// The unix socket of the server: on PostgreSQL the folder that it is in, `/run/postgresql` for instance, on MySQL the
    /// socket itself. A URL has its own.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.parts.socket = Some(path.into());
        self
    }

    /// The user. It takes the place of that of a URL.
    pub fn user(mut self, user: &str) -> Self {
        self.parts.user = Some(user.to_owned());
        self
    }

    /// The password. It takes the place of that of a URL.
    pub fn password(mut self, password: &str) -> Self {
        self.parts.password = Some(password.to_owned());
        self
    }

    /// A function that gives the password, asked at each new connection: for tokens that expire. It takes the place of the
    /// password of a URL.
    ///
    /// It has [`connect_timeout`](Self::connect_timeout) to answer. If it fails, the connection fails with
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect), whose source is its error. It must not use this database.
    pub fn password_from<F, Fut, E>(mut self, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.parts.password_source = Some(PasswordSource::new(ask));
        self
    }

    /// The database at the server. It takes the place of that of a URL.
    pub fn database(mut self, name: &str) -> Self {
        self.parts.database = Some(name.to_owned());
        self
    }

    /// The name under which the server lists the sessions: `application_name` on PostgreSQL, where it is `nestling` unless it
    /// is given; the attribute `program_name` on MySQL and MariaDB. It takes the place of that of a URL.
    pub fn application_name(mut self, name: &str) -> Self {
        self.parts.application_name = Some(name.to_owned());
        self
    }

    /// How much of TLS is asked for. Defaults to `Prefer` for PostgreSQL and to `Disable` for MySQL; with
    /// [`tls_roots`](Self::tls_roots), to `VerifyFull`. It takes the place of that of a URL.
    ///
    /// Without the feature `tls`, what insists on TLS is refused.
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.parts.tls = Some(mode);
        self
    }

    /// The only authorities that are trusted. Defaults to those of the web. It takes the place of the file of a URL.
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.parts.roots = Some(roots);
        self
    }

    /// SQLite: a pragma that each new connection runs, ahead of [`after_connect`](Self::after_connect): `journal_mode`,
    /// `synchronous`, `cache_size`. They run in the order of the calls, behind those of this crate: `foreign_keys = on` and
    /// `journal_mode = wal`.
    ///
    /// A pragma that SQLite does not know has no effect there.
    pub fn pragma(mut self, name: &str, value: &str) -> Self {
        self.parts.pragmas.push((name.to_owned(), value.to_owned()));
        self
    }
}
