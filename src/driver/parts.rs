//! [`ConnectParts`]: what a connection is made with, apart from a URL. It knows no back end.
//!
//! Made by the builder of a database, and read by the drivers.

use std::{error::Error as StdError, fmt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::error::{Error, ErrorKind};

/// How much of TLS is asked for; see [`Database::open`](crate::Database::open) for what each back end calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// No encryption.
    Disable,
    /// Encrypted if the server can; nothing is checked.
    Prefer,
    /// Always encrypted. The certificate is not checked; on PostgreSQL it is, if [`TlsRoots`] are given.
    Require,
    /// The certificate is checked, its name is not.
    VerifyCa,
    /// The certificate and its name are checked.
    VerifyFull,
}

/// The authorities whose certificates a server may have.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsRoots {
    /// Those of the web, as Mozilla lists them (webpki-roots), built into the program.
    Web,
    /// Those that the operating system trusts. It needs the feature `tls-native-roots`.
    System,
    /// The certificates in this file, in PEM, or one in DER.
    File(PathBuf),
    /// These certificates, in PEM, or one in DER.
    Pem(Vec<u8>),
}

/// Without the bytes.
impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web => f.write_str("Web"),
            Self::System => f.write_str("System"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Pem(bytes) => write!(f, "Pem({} bytes)", bytes.len()),
        }
    }
}

type Ask = dyn Fn() -> BoxFuture<'static, Result<String, Box<dyn StdError + Send + Sync>>> + Send + Sync;

/// A function that gives the password, asked at each new connection.
#[derive(Clone)]
pub(crate) struct PasswordSource(Arc<Ask>);

impl PasswordSource {
    pub(crate) fn new<Fut, E>(ask: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Arc::new(move || {
            let password = ask();
            Box::pin(async move { password.await.map_err(Into::into) })
        }))
    }

    /// The password for a connection that is made now.
    ///
    /// # Errors
    /// `Connect`, with the function's error as its source, or if it has not answered within `wait`.
    #[cfg_attr(not(any(feature = "postgres", feature = "mysql")), allow(dead_code, reason = "SQLite has no passwords"))]
    pub(crate) async fn ask(&self, wait: Duration) -> Result<String, Error> {
        let failed = |text: String| Error::new(ErrorKind::Connect, text);
        match tokio::time::timeout(wait, (self.0)()).await {
            Ok(Ok(password)) => Ok(password),
            Ok(Err(error)) => {
                Err(failed("the function that gives the password failed".into()).with_boxed_source(error))
            }
            Err(_) => Err(failed(format!("the function that gives the password took longer than {wait:?}"))),
        }
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordSource")
    }
}

/// What a connection is made with, as far as it is told apart from a URL.
#[derive(Clone, Default)]
pub(crate) struct ConnectParts {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// PostgreSQL: the folder of the socket; MySQL: the socket itself.
    pub(crate) socket: Option<PathBuf>,
    /// SQLite: the file.
    pub(crate) file: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_source: Option<PasswordSource>,
    pub(crate) database: Option<String>,
    pub(crate) application_name: Option<String>,
    pub(crate) tls: Option<TlsMode>,
    pub(crate) roots: Option<TlsRoots>,
    /// SQLite: names and values.
    pub(crate) pragmas: Vec<(String, String)>,
}

impl ConnectParts {
    /// The name of a part that only a server has.
    pub(crate) fn of_a_server(&self) -> Option<&'static str> {
        let Self { user, password, password_source, database, application_name, tls, roots, .. } = self;
        let all = [
            (self.of_an_address().is_some(), "host, port or socket"),
            (user.is_some(), "user"),
            (password.is_some() || password_source.is_some(), "password"),
            (database.is_some(), "database"),
            (application_name.is_some(), "application_name"),
            (tls.is_some() || roots.is_some(), "tls"),
        ];
        all.into_iter().find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// The name of a part that tells where the server is.
    pub(crate) fn of_an_address(&self) -> Option<&'static str> {
        let Self { host, port, socket, .. } = self;
        let all = [(host.is_some(), "host"), (port.is_some(), "port"), (socket.is_some(), "socket")];
        all.into_iter().find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// # Errors
    /// `Config` if parts do not go together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |text: &str| Err(Error::new(ErrorKind::Config, text));
        if self.socket.is_some() && self.host.is_some() {
            return wrong("host and socket cannot be given together");
        }
        if self.password.is_some() && self.password_source.is_some() {
            return wrong("password and password_from cannot be given together");
        }
        let is_name = |name: &str| {
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.starts_with(|c: char| !c.is_ascii_digit())
        };
        match self.pragmas.iter().find(|(name, _)| !is_name(name)) {
            Some((name, _)) => wrong(&format!("\"{name}\" is no name of a pragma")),
            None if self.pragmas.iter().any(|(name, _)| name.eq_ignore_ascii_case("busy_timeout")) => {
                wrong("the pragma busy_timeout would block threads: it is `busy_timeout` of the builder")
            }
            None => Ok(()),
        }
    }
}

/// Without who connects and by which password, and without values of pragmas, one of which may be a key.
impl fmt::Debug for ConnectParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            socket,
            file,
            user: _,
            password: _,
            password_source,
            database,
            application_name,
            tls,
            roots,
            pragmas,
        } = self;
        f.debug_struct("ConnectParts")
            .field("host", host)
            .field("port", port)
            .field("socket", socket)
            .field("file", file)
            .field("password_from", password_source)
            .field("database", database)
            .field("application_name", application_name)
            .field("tls", tls)
            .field("roots", roots)
            .field("pragmas", &pragmas.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}
