//! Connecting by mysql_async, with the second attempt that two of MySQL's `ssl-mode`s take. It knows no URLs.

use std::time::Duration;

use mysql_async::{Conn, Error as Native, Opts, OptsBuilder, prelude::Queryable as _};
#[cfg(feature = "tls")]
use rustls::crypto::{CryptoProvider, ring};

use super::classify;
#[cfg(feature = "tls")]
use super::fallback::Fallback;

/// How to connect.
#[derive(Debug)]
pub(super) struct Connector {
    opts: Opts,
    #[cfg(feature = "tls")]
    fallback: Fallback,
}

/// How long the server is given before it is asked again whether sessions have ended; twice as long each time, up to a limit.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LAST_WAIT: Duration = Duration::from_millis(50);

impl Connector {
    /// Waits until the server no longer lists these sessions. It closes a connection before it forgets the session, so that
    /// the client cannot see that by itself: it is asked, over a connection that has no database.
    pub(super) async fn wait_for_end_of(&self, sessions: &[u64]) -> Result<(), Native> {
        if sessions.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        let listed = format!("SELECT 1 FROM information_schema.processlist WHERE id IN ({}) LIMIT 1", ids.join(", "));
        let opts = OptsBuilder::from_opts(self.first()).db_name(None::<String>).setup(Vec::<String>::new());
        let mut wait = FIRST_WAIT;
        let mut helper = loop {
            match Conn::new(opts.clone()).await {
                // The sessions may have had all the connections that the server gives.
                Err(error) if classify::is_for_want_of_slots(&error) => {}
                made => break made?,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_WAIT);
        };
        while helper.query_first::<u8, _>(&listed).await?.is_some() {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_WAIT);
        }
        helper.disconnect().await
    }
}

#[cfg(not(feature = "tls"))]
impl Connector {
    pub(super) fn straight(opts: Opts) -> Self {
        Self { opts }
    }

    fn first(&self) -> Opts {
        self.opts.clone()
    }

    /// Connects, and tells by which options: others for the same session take them too.
    pub(super) async fn connect(&self) -> Result<(Conn, Opts), Native> {
        Ok((Conn::new(self.opts.clone()).await?, self.opts.clone()))
    }
}

impl Connector {
    /// Who logs in.
    pub(super) fn user(&self) -> &str {
        self.opts.user().unwrap_or_default()
    }
}

#[cfg(feature = "tls")]
impl Connector {
    pub(super) fn straight(opts: Opts) -> Self {
        Self { opts, fallback: Fallback::None }
    }

    /// The options of the first attempt.
    fn first(&self) -> Opts {
        self.fallback.remembered().unwrap_or_else(|| self.opts.clone())
    }

    /// With TLS, or at a server that has none without.
    pub(super) fn or_plain(opts: Opts, plain: Opts) -> Self {
        Self { opts, fallback: Fallback::Plain(plain) }
    }

    /// With TLS to a server of any name that its certificate holds.
    pub(super) fn by_any_name(opts: Opts) -> Self {
        Self { opts, fallback: Fallback::Renamed(std::sync::Mutex::default()) }
    }

    /// Connects, and tells by which options: others for the same session take them too.
    pub(super) async fn connect(&self) -> Result<(Conn, Opts), Native> {
        if self.opts.ssl_opts().is_some() {
            settle_provider();
        }
        let first = self.first();
        let error = match Conn::new(first.clone()).await {
            Ok(conn) => return Ok((conn, first)),
            Err(error) => error,
        };
        let Some(opts) = self.fallback.after(&error, &self.opts) else {
            return Err(error);
        };
        let conn = Conn::new(opts.clone()).await?;
        self.fallback.remember(&opts);
        Ok((conn, opts))
    }
}

/// Makes sure that the program has chosen a cryptography, which mysql_async takes for granted. Left alone, rustls chooses
/// for the program at this point, and panics where more than one is built in.
#[cfg(feature = "tls")]
fn settle_provider() {
    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}
