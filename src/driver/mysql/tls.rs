//! TLS to MySQL and MariaDB: `ssl-mode` and `ssl-ca` of a URL, with the meaning that MySQL's own clients give them, and
//! the options of mysql_async for them. Without the feature `tls`, a URL that requires TLS is refused.

use mysql_async::Opts;
#[cfg(feature = "tls")]
use mysql_async::{OptsBuilder, SslOpts};

use super::connector::Connector;
#[cfg(feature = "tls")]
use crate::driver::certificates;
use crate::{
    driver::{ConnectParts, TlsMode, TlsRoots, url},
    error::{Error, ErrorKind},
};

/// `ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// What a URL asks for.
#[derive(Debug)]
pub(super) struct Tls {
    /// `None` where mysql_async's own options have their say.
    mode: Option<Mode>,
    ca: Option<TlsRoots>,
}

impl Tls {
    /// Takes what is about TLS out of a URL, save the options that mysql_async reads itself: `require_ssl` and its kin.
    pub(super) fn take(url: &str) -> Result<(String, Self), Error> {
        let (url, [mode, ca]) = url::take(url, ["ssl-mode", "ssl-ca"])?;
        let mode = match mode.map(|mode| mode.to_ascii_uppercase()).as_deref() {
            None => None,
            Some("DISABLED") => Some(Mode::Disabled),
            Some("PREFERRED") => Some(Mode::Preferred),
            Some("REQUIRED") => Some(Mode::Required),
            Some("VERIFY_CA") => Some(Mode::VerifyCa),
            Some("VERIFY_IDENTITY") => Some(Mode::VerifyIdentity),
            Some(_) => {
                let text = "ssl-mode is one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY";
                return Err(Error::new(ErrorKind::Config, text));
            }
        };
        Ok((url, Self { mode, ca: ca.map(|file| TlsRoots::File(file.into())) }))
    }

    /// The same, with what was told apart from the URL.
    pub(super) fn with(mut self, parts: &ConnectParts) -> Result<Self, Error> {
        match parts.tls {
            None => {}
            Some(TlsMode::Disable) => self.mode = Some(Mode::Disabled),
            Some(TlsMode::Prefer) => self.mode = Some(Mode::Preferred),
            Some(TlsMode::Require) => self.mode = Some(Mode::Required),
            Some(TlsMode::VerifyCa) => self.mode = Some(Mode::VerifyCa),
            Some(TlsMode::VerifyFull) => self.mode = Some(Mode::VerifyIdentity),
        }
        if parts.roots.is_some() {
            self.ca.clone_from(&parts.roots);
        }
        Ok(self)
    }

    /// The mode, reconciled with the options that mysql_async has read from the rest of the URL.
    fn mode(&self, given: &Opts) -> Result<Mode, Error> {
        match (self.mode, given.ssl_opts()) {
            (Some(_), Some(_)) => {
                Err(Error::new(ErrorKind::Config, "ssl-mode and require_ssl cannot be given together"))
            }
            (Some(mode), None) => Ok(mode),
            (None, Some(ssl)) if ssl.accept_invalid_certs() => Ok(Mode::Required),
            (None, Some(ssl)) if ssl.skip_domain_validation() => Ok(Mode::VerifyCa),
            (None, Some(_)) => Ok(Mode::VerifyIdentity),
            // A CA in the URL is there to be checked.
            (None, None) if self.ca.is_some() => Ok(Mode::VerifyIdentity),
            (None, None) => Ok(Mode::Disabled),
        }
    }

    /// How to connect with these options.
    #[cfg(feature = "tls")]
    pub(super) fn connector(&self, opts: Opts) -> Result<Connector, Error> {
        let mode = self.mode(&opts)?;
        if opts.socket().is_some() && mode != Mode::Disabled {
            if mode == Mode::Preferred {
                return Ok(Connector::straight(opts));
            }
            let text = "there is no TLS over a unix socket: leave out ssl-mode, or socket";
            return Err(Error::new(ErrorKind::Config, text));
        }
        let ssl = self.ssl(mode, &opts)?;
        // TLS is asked for, and a socket has none.
        let secure = || OptsBuilder::from_opts(opts.clone()).prefer_socket(false).ssl_opts(ssl.clone()).into();
        Ok(match mode {
            Mode::Disabled => Connector::straight(opts),
            Mode::Preferred => Connector::or_plain(secure(), opts),
            Mode::VerifyCa => Connector::by_any_name(secure()),
            Mode::Required | Mode::VerifyIdentity => Connector::straight(secure()),
        })
    }

    #[cfg(feature = "tls")]
    fn ssl(&self, mode: Mode, opts: &Opts) -> Result<SslOpts, Error> {
        let given = opts.ssl_opts().cloned().unwrap_or_default();
        let ssl = given
            .with_danger_accept_invalid_certs(matches!(mode, Mode::Preferred | Mode::Required))
            .with_danger_skip_domain_validation(mode == Mode::VerifyCa);
        match &self.ca {
            Some(TlsRoots::Web) => Ok(ssl),
            Some(roots) if matches!(mode, Mode::VerifyCa | Mode::VerifyIdentity) => {
                let roots = certificates::read(roots)?;
                let roots = roots.iter().map(|certificate| certificate.to_vec().into()).collect();
                Ok(ssl.with_root_certs(roots).with_disable_built_in_roots(true))
            }
            Some(_) if mode != Mode::Disabled => {
                tracing::warn!(target: "nestling", "this ssl-mode checks no certificate: ssl-ca is of no use with it");
                Ok(ssl)
            }
            _ => Ok(ssl),
        }
    }

    /// How to connect with these options, without TLS.
    #[cfg(not(feature = "tls"))]
    pub(super) fn connector(&self, opts: Opts) -> Result<Connector, Error> {
        match self.mode(&opts)? {
            Mode::Disabled | Mode::Preferred => Ok(Connector::straight(opts)),
            Mode::Required | Mode::VerifyCa | Mode::VerifyIdentity => {
                let text = "the URL asks for TLS, which this build does not have; enable the feature \"tls\"";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(query: &str) -> Result<(Tls, Opts), Error> {
        let (url, tls) = Tls::take(&format!("mysql://[::1]/db?{query}"))?;
        let opts = Opts::from_url(&url).map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
        Ok((tls, opts))
    }

    #[test]
    fn a_url_says_how_much_is_checked() {
        let mode = |query| taken(query).and_then(|(tls, opts)| tls.mode(&opts)).map_err(|error| error.kind());
        assert_eq!(mode(""), Ok(Mode::Disabled));
        assert_eq!(mode("ssl-mode=DISABLED"), Ok(Mode::Disabled));
        assert_eq!(mode("ssl-mode=preferred"), Ok(Mode::Preferred));
        assert_eq!(mode("ssl-mode=REQUIRED"), Ok(Mode::Required));
        assert_eq!(mode("ssl-ca=/x&ssl-mode=VERIFY_CA"), Ok(Mode::VerifyCa));
        assert_eq!(mode("ssl-mode=VERIFY_IDENTITY"), Ok(Mode::VerifyIdentity));
        assert_eq!(mode("ssl-ca=/x"), Ok(Mode::VerifyIdentity));
        assert_eq!(mode("require_ssl=false"), Ok(Mode::Disabled));
        assert_eq!(mode("require_ssl=true"), Ok(Mode::VerifyIdentity));
        assert_eq!(mode("require_ssl=true&verify_identity=false"), Ok(Mode::VerifyCa));
        assert_eq!(mode("require_ssl=true&verify_ca=false"), Ok(Mode::Required));
        for bad in ["ssl-mode=", "ssl-mode=yes", "ssl-mode=REQUIRED&require_ssl=true", "ssl-ca=a&ssl-ca=b"] {
            assert_eq!(mode(bad), Err(ErrorKind::Config), "{bad}");
        }
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn what_asks_for_tls_is_refused() {
        let connector =
            |query| taken(query).and_then(|(tls, opts)| tls.connector(opts)).map(drop).map_err(|error| error.kind());
        for plain in ["", "ssl-mode=PREFERRED", "ssl-mode=DISABLED&ssl-ca=/nowhere"] {
            assert_eq!(connector(plain), Ok(()), "{plain}");
        }
        for asking in ["ssl-mode=REQUIRED", "ssl-mode=VERIFY_CA", "ssl-ca=/x", "require_ssl=true&verify_ca=false"] {
            assert_eq!(connector(asking), Err(ErrorKind::Unsupported), "{asking}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn what_cannot_be_is_told_at_once() {
        let connector =
            |query| taken(query).and_then(|(tls, opts)| tls.connector(opts)).map(drop).map_err(|error| error.kind());
        for fine in ["ssl-mode=REQUIRED&ssl-ca=/nowhere", "ssl-mode=PREFERRED&socket=/x", "require_ssl=true"] {
            assert_eq!(connector(fine), Ok(()), "{fine}");
        }
        for wrong in ["ssl-mode=VERIFY_CA&ssl-ca=/nowhere", "ssl-ca=/nowhere", "ssl-mode=REQUIRED&socket=/x"] {
            assert_eq!(connector(wrong), Err(ErrorKind::Config), "{wrong}");
        }
    }
}
