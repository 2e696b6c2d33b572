//! TLS to PostgreSQL: `sslmode` and `sslrootcert` of a URL, with libpq's meaning. `tls_connector.rs` makes the
//! connections.

use tokio_postgres::config::SslMode;

use crate::{
    driver::{ConnectParts, TlsMode, TlsRoots, url},
    error::{Error, ErrorKind},
};

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The TLS options of a URL.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without TLS nobody is vouched for"))]
    pub(super) root: Option<TlsRoots>,
}

impl Tls {
    /// Takes the TLS options out of a URL: tokio-postgres knows neither all modes nor the file.
    pub(super) fn take(url: &str) -> Result<(String, Self), Error> {
        let (url, [mode, root]) = url::take(url, ["sslmode", "sslrootcert"])?;
        let mode = match mode.as_deref() {
            Some("disable") => Mode::Disable,
            None | Some("prefer") => Mode::Prefer,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(_) => {
                let text = "sslmode is one of disable, prefer, require, verify-ca and verify-full";
                return Err(Error::new(ErrorKind::Config, text));
            }
        };
        if root.is_some() && mode == Mode::Prefer {
            tracing::warn!(target: "nestling", "sslmode=prefer checks no certificate: sslrootcert is of no use with it");
        }
        Ok((url, Self { mode, root: root.map(|file| TlsRoots::File(file.into())) }))
    }

    /// The same, with what was told apart from the URL.
    pub(super) fn with(mut self, parts: &ConnectParts) -> Self {
        if parts.roots.is_some() {
            self.root.clone_from(&parts.roots);
        }
        self.mode = match parts.tls {
            None if parts.roots.is_some() && self.mode == Mode::Prefer => Mode::VerifyFull,
            None => self.mode,
            Some(TlsMode::Disable) => Mode::Disable,
            Some(TlsMode::Prefer) => Mode::Prefer,
            Some(TlsMode::Require) => Mode::Require,
            Some(TlsMode::VerifyCa) => Mode::VerifyCa,
            Some(TlsMode::VerifyFull) => Mode::VerifyFull,
        };
        self
    }

    /// The mode for tokio-postgres. The connector checks the certificate.
    pub(super) fn mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_much_is_checked() {
        let taken = |query: &str| Tls::take(&format!("postgres://h/db?{query}")).map(|(url, tls)| (url, tls.mode));
        let bare = || "postgres://h/db".to_owned();
        assert_eq!(taken("").unwrap(), (bare(), Mode::Prefer));
        assert_eq!(taken("sslmode=disable").unwrap(), (bare(), Mode::Disable));
        assert_eq!(taken("sslmode=require").unwrap(), (bare(), Mode::Require));
        assert_eq!(taken("sslmode=verify-ca&sslrootcert=/x").unwrap(), (bare(), Mode::VerifyCa));
        assert_eq!(taken("sslmode=verify%2Dfull").unwrap(), (bare(), Mode::VerifyFull));
        for bad in ["sslmode=", "sslmode=allow", "sslmode=VERIFY-FULL", "sslmode=require&sslmode=disable"] {
            assert_eq!(taken(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
