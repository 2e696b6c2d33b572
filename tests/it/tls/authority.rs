//! A certificate authority of the test's own, and the certificates that it gives to servers.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// An authority; its certificate is in a file for as long as it lives.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

/// A server's certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, format!("authority {number} of the tests"));
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate of its own");
        let file = std::env::temp_dir().join(format!("nestling_authority_{}_{number}.pem", std::process::id()));
        fs::write(&file, issuer.pem()).expect("a file for the certificate");
        Self { issuer, file }
    }

    /// The file that its certificate is in.
    pub(crate) fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// Certifies that a server has this name.
    pub(crate) fn certify(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a valid name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What is left over in a temporary folder harms nobody.
        let _ = fs::remove_file(&self.file);
    }
}
