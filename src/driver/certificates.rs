//! Reads the certificates of trusted authorities: from a file, from bytes, or from the operating system. Used by the `tls.rs` of
//! the drivers.

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::TlsRoots;
use crate::error::{Error, ErrorKind};

type Certificates = Vec<CertificateDer<'static>>;

/// Reads any number of certificates in PEM, or one in DER. Those of the web are none: they are built in.
pub(super) fn read(roots: &TlsRoots) -> Result<Certificates, Error> {
    match roots {
        TlsRoots::Web => Ok(Vec::new()),
        TlsRoots::System => of_the_system(),
        TlsRoots::Pem(bytes) => parsed(bytes.clone(), "the bytes given as certificates"),
        TlsRoots::File(file) => {
            let place = file.display().to_string();
            let bytes = std::fs::read(file).map_err(|error| unreadable(&place).with_source(error))?;
            parsed(bytes, &place)
        }
    }
}

fn parsed(bytes: Vec<u8>, place: &str) -> Result<Certificates, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(place).with_source(error))?;
    if found.is_empty() && bytes.starts_with(b"\x30") {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Config, format!("there is no certificate in {place}")));
    }
    Ok(found)
}

fn unreadable(place: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the certificates in {place} cannot be read"))
}

/// What the operating system trusts, without what rustls cannot use: systems have very old certificates among them.
#[cfg(feature = "tls-native-roots")]
fn of_the_system() -> Result<Certificates, Error> {
    let loaded = rustls_native_certs::load_native_certs();
    let is_usable =
        |certificate: &CertificateDer<'_>| rustls::RootCertStore::empty().add(certificate.clone().into_owned()).is_ok();
    let usable: Certificates = loaded.certs.into_iter().filter(is_usable).collect();
    if !usable.is_empty() {
        return Ok(usable);
    }
    let error = Error::new(ErrorKind::Config, "the operating system has no certificates of authorities");
    Err(loaded.errors.into_iter().next().map_or(error.clone(), |source| error.with_source(source)))
}

#[cfg(not(feature = "tls-native-roots"))]
fn of_the_system() -> Result<Certificates, Error> {
    let text = "the certificates of the operating system need the feature \"tls-native-roots\" of the crate";
    Err(Error::new(ErrorKind::Unsupported, text))
}
