//! What the drivers' TLS has in common: who may vouch for a server, and whose cryptography is used. Used by the `tls.rs` of
//! each of them; it knows no protocol.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::error::{Error, ErrorKind};

/// The cryptography that the program has chosen for all its TLS, or ring's.
#[cfg(feature = "postgres")]
pub(super) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()))
}

/// Makes sure that the program has chosen a cryptography, which mysql_async takes as given. rustls would choose for itself,
/// and panic where the program has more than one built in.
#[cfg(feature = "mysql")]
pub(super) fn settle_provider() {
    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

/// Those who may vouch for a server: the certificates in a file, or else those that browsers trust.
#[cfg(feature = "postgres")]
pub(super) fn roots(file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| unreadable(file).with_source(error))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

/// The certificates in a file: any number in PEM, or one in DER.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = std::fs::read(file).map_err(|error| unreadable(file).with_source(error))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(file).with_source(error))?;
    if found.is_empty() && bytes.starts_with(b"\x30") {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Config, format!("there is no certificate in {}", file.display())));
    }
    Ok(found)
}

fn unreadable(file: &Path) -> Error {
    Error::new(ErrorKind::Config, format!("the certificates in {} cannot be read", file.display()))
}
