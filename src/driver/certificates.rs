//! Reads the certificates of trusted authorities from a file. Used by the `tls.rs` of the drivers.

use std::path::Path;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::error::{Error, ErrorKind};

/// Reads a file with any number of certificates in PEM, or one in DER.
pub(super) fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
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
