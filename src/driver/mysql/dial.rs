//! Connecting by mysql_async, with the second attempt that two of MySQL's `ssl-mode`s take. It knows no URLs.

use mysql_async::{Conn, Error as Native, Opts};
#[cfg(feature = "tls")]
use rustls::crypto::{CryptoProvider, ring};

#[cfg(feature = "tls")]
use super::second::Second;

/// How to connect.
#[derive(Debug)]
pub(super) struct Dial {
    opts: Opts,
    #[cfg(feature = "tls")]
    second: Second,
}

#[cfg(not(feature = "tls"))]
impl Dial {
    pub(super) fn straight(opts: Opts) -> Self {
        Self { opts }
    }

    /// Connects, and tells by which options: others for the same session take them too.
    pub(super) async fn connect(&self) -> Result<(Conn, Opts), Native> {
        Ok((Conn::new(self.opts.clone()).await?, self.opts.clone()))
    }
}

#[cfg(feature = "tls")]
impl Dial {
    pub(super) fn straight(opts: Opts) -> Self {
        Self { opts, second: Second::None }
    }

    /// With TLS, or at a server that has none without.
    pub(super) fn or_plain(opts: Opts, plain: Opts) -> Self {
        Self { opts, second: Second::Plain(plain) }
    }

    /// With TLS to a server of any name that its certificate holds.
    pub(super) fn by_any_name(opts: Opts) -> Self {
        Self { opts, second: Second::Renamed(std::sync::Mutex::default()) }
    }

    /// Connects, and tells by which options: others for the same session take them too.
    pub(super) async fn connect(&self) -> Result<(Conn, Opts), Native> {
        if self.opts.ssl_opts().is_some() {
            settle_provider();
        }
        let first = self.second.learnt().unwrap_or_else(|| self.opts.clone());
        let error = match Conn::new(first.clone()).await {
            Ok(conn) => return Ok((conn, first)),
            Err(error) => error,
        };
        let Some(opts) = self.second.after(&error, &self.opts) else {
            return Err(error);
        };
        let conn = Conn::new(opts.clone()).await?;
        self.second.learn(&opts);
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
