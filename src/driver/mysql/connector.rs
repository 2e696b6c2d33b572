//! [`Connector`]: connects by mysql_async, with the second attempt that two of MySQL's `ssl-mode`s allow. It knows no
//! URLs.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use mysql_async::{Conn, Error as Native, Opts, OptsBuilder, prelude::Queryable as _};
#[cfg(feature = "tls")]
use rustls::crypto::{CryptoProvider, ring};

#[cfg(feature = "tls")]
use super::fallback::Fallback;
use super::{classify, login::Login};
use crate::driver::PasswordSource;

/// How to connect.
#[derive(Debug)]
pub(super) struct Connector {
    opts: Opts,
    password: Option<PasswordSource>,
    /// Told by the server when the first connection is made, or refused.
    is_mariadb: Arc<OnceLock<bool>>,
    #[cfg(feature = "tls")]
    fallback: Fallback,
}

/// The pause before the server is asked again whether sessions have ended; it doubles each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LAST_WAIT: Duration = Duration::from_millis(50);

impl Connector {
    /// Waits until the server no longer lists these sessions. The server closes a connection before it forgets the
    /// session, so the client cannot see that by itself: it asks over a connection without a database.
    pub(super) async fn wait_for_end_of(&self, sessions: &[u64]) -> Result<(), Native> {
        if sessions.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        let listed_in = |table| format!("SELECT 1 FROM {table}.processlist WHERE id IN ({}) LIMIT 1", ids.join(", "));
        let opts = OptsBuilder::from_opts(self.first()).db_name(None::<String>).setup(Vec::<String>::new());
        let mut wait = FIRST_WAIT;
        let login = self.login(opts.into());
        let mut helper = loop {
            match login.connect().await {
                // The sessions may have used up all connections of the server.
                Err(error) if classify::is_for_want_of_slots(&error) => {}
                made => break made?,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_WAIT);
        };
        // MySQL cannot make the one list while any session sends bytes that are no text; the other one is empty where the server
        // collects no figures.
        let mut others = ["performance_schema"].into_iter();
        let mut listed = listed_in("information_schema");
        loop {
            match helper.query_first::<u8, _>(&listed).await {
                Ok(None) => break,
                Ok(Some(_)) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LAST_WAIT);
                }
                Err(error) => match others.next() {
                    Some(other) if matches!(error, Native::Server(_)) => listed = listed_in(other),
                    _ => return Err(error),
                },
            }
        }
        helper.disconnect().await
    }
}

#[cfg(not(feature = "tls"))]
impl Connector {
    pub(super) fn straight(opts: Opts) -> Self {
        Self { opts, password: None, is_mariadb: Arc::default() }
    }

    fn first(&self) -> Opts {
        self.opts.clone()
    }

    /// Connects, and returns the options that worked: further connections for the same session use them.
    pub(super) async fn connect(&self) -> Result<(Conn, Login), Native> {
        let login = self.login(self.opts.clone());
        Ok((login.connect().await?, login))
    }
}

impl Connector {
    /// The same, with a password that a function gives.
    pub(super) fn with_password_from(self, source: Option<PasswordSource>) -> Self {
        Self { password: source, ..self }
    }

    fn login(&self, opts: Opts) -> Login {
        Login { opts, password: self.password.clone(), is_mariadb: Arc::clone(&self.is_mariadb) }
    }

    /// Whether the server is MariaDB, once it has told.
    pub(super) fn is_mariadb(&self) -> &OnceLock<bool> {
        &self.is_mariadb
    }

    /// The user name.
    pub(super) fn user(&self) -> &str {
        self.opts.user().unwrap_or_default()
    }
}

#[cfg(feature = "tls")]
impl Connector {
    pub(super) fn straight(opts: Opts) -> Self {
        Self { opts, password: None, is_mariadb: Arc::default(), fallback: Fallback::None }
    }

    /// The options of the first attempt.
    fn first(&self) -> Opts {
        self.fallback.remembered().unwrap_or_else(|| self.opts.clone())
    }

    /// With TLS, or without it where the server has none.
    pub(super) fn or_plain(opts: Opts, plain: Opts) -> Self {
        Self { fallback: Fallback::Plain(plain), ..Self::straight(opts) }
    }

    /// With TLS, to a server whose certificate may have any name.
    pub(super) fn by_any_name(opts: Opts) -> Self {
        Self { fallback: Fallback::Renamed(std::sync::Mutex::default()), ..Self::straight(opts) }
    }

    /// Connects, and returns the options that worked: further connections for the same session use them.
    pub(super) async fn connect(&self) -> Result<(Conn, Login), Native> {
        if self.opts.ssl_opts().is_some() {
            settle_provider();
        }
        let first = self.login(self.first());
        let error = match first.connect().await {
            Ok(conn) => return Ok((conn, first)),
            Err(error) => error,
        };
        let Some(opts) = self.fallback.after(&error, &self.opts) else {
            return Err(error);
        };
        let second = self.login(opts);
        let conn = second.connect().await?;
        self.fallback.remember(&second.opts);
        Ok((conn, second))
    }
}

/// Chooses a crypto provider, which mysql_async requires, if the program has not. Otherwise rustls chooses one at this
/// point, and panics if several are built in.
#[cfg(feature = "tls")]
fn settle_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}
