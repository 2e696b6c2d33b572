//! TLS to PostgreSQL: what `sslmode` and `sslrootcert` of a URL mean, as libpq has it, and the connector that does it.
//! Without the feature `tls`, what asks for it is refused.

use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::{error::Error as _, io, sync::Arc};

#[cfg(feature = "tls")]
use rustls::ClientConfig;
#[cfg(not(feature = "tls"))]
pub(super) use tokio_postgres::NoTls as Connector;
use tokio_postgres::config::SslMode;
#[cfg(feature = "tls")]
use tokio_postgres::error::SqlState;
#[cfg(feature = "tls")]
pub(super) use tokio_postgres_rustls::MakeRustlsConnect as Connector;

#[cfg(feature = "tls")]
use super::verifier::Weaker;
#[cfg(feature = "tls")]
use crate::driver::tls;
use crate::{
    driver::url,
    error::{Error, ErrorKind},
};

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// What a URL asks for.
#[derive(Debug)]
pub(super) struct Tls {
    mode: Mode,
    root: Option<PathBuf>,
}

impl Tls {
    /// Takes what is about TLS out of a URL: tokio-postgres knows neither all the modes nor the file.
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
        Ok((url, Self { mode, root: root.map(PathBuf::from) }))
    }

    /// What tokio-postgres has to know: the certificate is the connector's affair.
    pub(super) fn mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }
}

#[cfg(feature = "tls")]
impl Tls {
    /// Makes the TLS connections that are asked for.
    pub(super) fn connector(&self) -> Result<Connector, Error> {
        let provider = tls::provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?;
        let roots = || tls::roots(self.root.as_deref());
        let weaker = |roots| Arc::new(Weaker { roots, provider });
        let builder = match self.mode {
            Mode::VerifyFull => builder.with_root_certificates(roots()?),
            Mode::VerifyCa => builder.dangerous().with_custom_certificate_verifier(weaker(Some(roots()?))),
            // libpq looks at the certificate if it is told who may have signed it.
            Mode::Require if self.root.is_some() => {
                builder.dangerous().with_custom_certificate_verifier(weaker(Some(roots()?)))
            }
            Mode::Require | Mode::Prefer | Mode::Disable => {
                builder.dangerous().with_custom_certificate_verifier(weaker(None))
            }
        };
        let mut config = builder.with_no_client_auth();
        // A server that is spoken to in TLS from the first byte on (`sslnegotiation=direct`) insists on it.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Connector::new(config))
    }

    /// Whether a connection without TLS is made where one with TLS could not be.
    pub(super) fn falls_back(&self) -> bool {
        self.mode == Mode::Prefer
    }

    /// Whether a connection failed because of its TLS: by the handshake, or by a server that lets this user in only
    /// without.
    pub(super) fn was_in_the_way(error: &tokio_postgres::Error) -> bool {
        let is_refusal = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
        let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>()?.get_ref());
        is_refusal || cause.is_some_and(|cause| cause.is::<rustls::Error>())
    }
}

#[cfg(not(feature = "tls"))]
impl Tls {
    /// Makes no TLS connections, and refuses what asks for them.
    pub(super) fn connector(&self) -> Result<Connector, Error> {
        let Self { mode, root: _ } = self;
        match mode {
            Mode::Disable | Mode::Prefer => Ok(Connector),
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => {
                let text = "the URL asks for TLS, which this build does not have; enable the feature \"tls\"";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    /// There is nothing to fall back from.
    pub(super) fn falls_back(&self) -> bool {
        false
    }

    pub(super) fn was_in_the_way(_error: &tokio_postgres::Error) -> bool {
        false
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

    #[test]
    #[cfg(not(feature = "tls"))]
    fn what_asks_for_tls_is_refused() {
        let connector = |mode| Tls { mode, root: None }.connector().map(drop).map_err(|error| error.kind());
        assert_eq!([Mode::Disable, Mode::Prefer].map(connector), [Ok(()); 2]);
        let asking = [Mode::Require, Mode::VerifyCa, Mode::VerifyFull];
        assert_eq!(asking.map(connector), [Err(ErrorKind::Unsupported); 3]);
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_file_that_is_not_there_is_told_at_once() {
        let connector = |mode| Tls { mode, root: Some("/nowhere".into()) }.connector().map(drop);
        for mode in [Mode::Require, Mode::VerifyCa, Mode::VerifyFull] {
            assert_eq!(connector(mode).unwrap_err().kind(), ErrorKind::Config, "{mode:?}");
        }
        assert!(connector(Mode::Prefer).is_ok(), "nothing is checked");
    }
}
