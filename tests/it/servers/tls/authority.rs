//! A certificate authority of the test's own, and the certificates that it gives to servers.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

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
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, format!("authority {} of the tests", number()));
        Self::of(params, KeyPair::generate().expect("a key"))
    }

    fn of(params: CertificateParams, key: KeyPair) -> Self {
        let number = number();
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate of its own");
        let file = std::env::temp_dir().join(format!("nestling_authority_{}_{number}.pem", std::process::id()));
        fs::write(&file, issuer.pem()).expect("a file for the certificate");
        Self { issuer, file }
    }

    /// A server that vouches for itself, as `openssl req -x509` makes one: an authority that serves by its own certificate.
    pub(crate) fn serving_by_itself(
        common_name: &str,
        alternative: Option<&str>,
        days: (i32, i32),
    ) -> (Self, Identity) {
        let mut params =
            CertificateParams::new(alternative.map(str::to_owned).into_iter().collect::<Vec<_>>()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(days.0, 1, 1), rcgen::date_time_ymd(days.1, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let pem = key.serialize_pem();
        let own = Self::of(params, key);
        let identity = Identity { certificate: own.issuer.pem(), key: pem };
        (own, identity)
    }

    /// The file that its certificate is in.
    pub(crate) fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// Certifies that a server has this name.
    pub(crate) fn certify(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new([name.to_owned()]).expect("a valid name"))
    }

    /// Certifies that a server has this common name, and no alternative one.
    pub(crate) fn certify_common_name(&self, name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// A server that vouches for itself and says that it is no authority.
    pub(crate) fn of_itself_alone(name: &str) -> (Self, Identity) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a valid name");
        params.is_ca = IsCa::ExplicitNoCa;
        let key = KeyPair::generate().expect("a key");
        let pem = key.serialize_pem();
        let own = Self::of(params, key);
        let identity = Identity { certificate: own.issuer.pem(), key: pem };
        (own, identity)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
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
