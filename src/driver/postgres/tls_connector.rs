//! [`TlsConnector`]: makes TLS connections to PostgreSQL, by rustls.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
};
pub(super) use tokio_postgres_rustls::MakeRustlsConnect as TlsConnector;

use super::{
    tls::{Mode, Tls},
    verifier::{Roots, Verifier},
};
use crate::{
    driver::{TlsRoots, certificates},
    error::{Error, ErrorKind},
};

/// Whether this build has TLS.
pub(super) const HAS_TLS: bool = true;

impl Tls {
    /// The connector for these options.
    pub(super) fn connector(&self) -> Result<TlsConnector, Error> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?;
        let roots = || roots(self.root.as_ref());
        let (roots, checks_name) = match self.mode {
            Mode::VerifyFull => (Some(roots()?), true),
            Mode::VerifyCa => (Some(roots()?), false),
            // libpq checks the certificate if it has a root.
            Mode::Require if self.root.is_some() => (Some(roots()?), false),
            Mode::Require | Mode::Prefer | Mode::Disable => (None, false),
        };
        let verifier = Arc::new(Verifier { roots, checks_name, provider });
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = builder.with_no_client_auth();
        // A server that expects TLS from the first byte (`sslnegotiation=direct`) requires it.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(TlsConnector::new(config))
    }

    /// Whether a connection without TLS is made where one with TLS could not be.
    pub(super) fn falls_back(&self) -> bool {
        self.mode == Mode::Prefer
    }

    /// Whether a connection failed because of the handshake.
    pub(super) fn was_in_the_way(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>())
    }
}

/// The crypto provider that the program has chosen, or ring.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()))
}

/// The trusted authorities: those that were named, or those of browsers.
fn roots(given: Option<&TlsRoots>) -> Result<Roots, Error> {
    let Some(given) = given.filter(|given| **given != TlsRoots::Web) else {
        let store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        return Ok(Roots { store, named: Vec::new() });
    };
    let mut store = RootCertStore::empty();
    let named = certificates::read(given)?;
    for certificate in &named {
        store.add(certificate.clone()).map_err(|error| {
            let text = format!("a certificate of {given:?} is not valid");
            Error::new(ErrorKind::Config, text).with_source(error)
        })?;
    }
    // What the system trusts are authorities; what the user names may be the server's own.
    let named = if *given == TlsRoots::System { Vec::new() } else { named };
    Ok(Roots { store, named })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_told_at_once() {
        let connector = |mode| Tls { mode, root: Some(TlsRoots::File("/nowhere".into())) }.connector().map(drop);
        for mode in [Mode::Require, Mode::VerifyCa, Mode::VerifyFull] {
            assert_eq!(connector(mode).unwrap_err().kind(), ErrorKind::Config, "{mode:?}");
        }
        assert!(connector(Mode::Prefer).is_ok(), "nothing is checked");
    }
}
