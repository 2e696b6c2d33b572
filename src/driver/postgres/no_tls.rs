//! The TLS connector of a build without the feature `tls`: it makes no TLS connections.

use std::io;

use tokio_postgres::{
    NoTls,
    tls::{MakeTlsConnect, NoTlsStream},
};

use super::tls::{Mode, Tls};
use crate::error::{Error, ErrorKind};

/// Makes no TLS connections.
#[derive(Debug, Clone)]
pub(super) struct TlsConnector;

impl<S> MakeTlsConnect<S> for TlsConnector
where
    NoTls: MakeTlsConnect<S, Stream = NoTlsStream, TlsConnect = NoTls>,
{
    type Stream = NoTlsStream;
    type TlsConnect = NoTls;
    type Error = <NoTls as MakeTlsConnect<S>>::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<NoTls, Self::Error> {
        MakeTlsConnect::<S>::make_tls_connect(&mut NoTls, domain)
    }
}

/// Whether this build has TLS.
pub(super) const HAS_TLS: bool = false;

impl Tls {
    /// What makes no TLS connections; that they are asked for is an error.
    pub(super) fn connector(&self) -> Result<TlsConnector, Error> {
        let Self { mode, root: _ } = self;
        match mode {
            Mode::Disable | Mode::Prefer => Ok(TlsConnector),
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => {
                let text = "the URL asks for TLS, which this build does not have; enable the feature \"tls\"";
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    /// There is nothing to fall back from.
    #[expect(clippy::unused_self, reason = "it stands in for one that looks at the mode")]
    pub(super) fn falls_back(&self) -> bool {
        false
    }

    pub(super) fn was_in_the_way(_error: &io::Error) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_tls_is_refused() {
        let connector = |mode| Tls { mode, root: None }.connector().map(drop).map_err(|error| error.kind());
        assert_eq!([Mode::Disable, Mode::Prefer].map(connector), [Ok(()); 2]);
        let asking = [Mode::Require, Mode::VerifyCa, Mode::VerifyFull];
        assert_eq!(asking.map(connector), [Err(ErrorKind::Unsupported); 3]);
    }
}
