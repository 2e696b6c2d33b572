//! [`Fallback`]: the second attempt to connect that two of MySQL's `ssl-mode`s allow, chosen by the error of the first.

use std::{
    error::Error as StdError,
    io,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use mysql_async::{DriverError as Misuse, Error as Native, IoError, Opts, OptsBuilder};
use rustls::CertificateError;

/// What may follow on an attempt that has failed.
#[derive(Debug)]
pub(super) enum Fallback {
    None,
    /// Without TLS, if the server has none.
    Plain(Opts),
    /// By a name that the certificate holds, if its name is all that was wrong with it. mysql_async has a switch for
    /// this, but looks for a text in the error that rustls no longer gives it. Options that worked are kept.
    Renamed(Mutex<Option<Opts>>),
}

impl Fallback {
    pub(super) fn remembered(&self) -> Option<Opts> {
        match self {
            Self::Renamed(remembered) => remembered.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::None | Self::Plain(_) => None,
        }
    }

    pub(super) fn remember(&self, opts: &Opts) {
        if let Self::Renamed(remembered) = self {
            *remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(opts.clone());
        }
    }

    pub(super) fn after(&self, error: &Native, opts: &Opts) -> Option<Opts> {
        match (self, error) {
            (Self::Plain(plain), Native::Driver(Misuse::NoClientSslFlagFromServer)) => Some(plain.clone()),
            (Self::Renamed(_), Native::Io(IoError::Io(error))) => {
                let ssl = opts.ssl_opts()?.clone().with_danger_tls_hostname_override(Some(held(error)?));
                Some(OptsBuilder::from_opts(opts.clone()).ssl_opts(ssl).into())
            }
            _ => None,
        }
    }
}

/// A name that the server's certificate holds, from the error that it does not hold the one that was asked for. rustls
/// comes to the name when it has found all the rest in order.
fn held(error: &io::Error) -> Option<String> {
    let inner: &(dyn StdError + 'static) = error.get_ref()?;
    let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) =
        inner.downcast_ref()?
    else {
        return None;
    };
    presented.iter().find_map(|name| readable(name))
}

/// `DnsName("*.example.org")` or `IpAddress(192.0.2.1)`: what rustls prints of names.
fn readable(name: &str) -> Option<String> {
    if let Some(address) = name.strip_prefix("IpAddress(").and_then(|rest| rest.strip_suffix(')')) {
        return address.parse().ok().map(|address: IpAddr| address.to_string());
    }
    let host = name.strip_prefix("DnsName(\"")?.strip_suffix("\")")?;
    // Any name that a pattern allows will do.
    let host = host.strip_prefix('*').map_or_else(|| host.to_owned(), |rest| format!("any{rest}"));
    rustls::pki_types::DnsName::try_from(host.as_str()).is_ok().then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_what_rustls_prints_of_them() {
        let read = |name| readable(name);
        assert_eq!(read("DnsName(\"db.example.org\")").as_deref(), Some("db.example.org"));
        assert_eq!(read("DnsName(\"*.example.org\")").as_deref(), Some("any.example.org"));
        assert_eq!(read("IpAddress(192.0.2.1)").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("IpAddress(::1)").as_deref(), Some("::1"));
        for odd in ["DirectoryName", "DnsName(\"a b\")", "DnsName(\"\")", "IpAddress(x)", ""] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
