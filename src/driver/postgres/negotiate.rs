//! Negotiates TLS before tokio-postgres gets the connection, as the link stands between the two. tokio-postgres then
//! sees a server that agrees to TLS, and a connector that has the TLS stream already.
//!
//! Used by `connector.rs`. It does not know the link's state or the login.

use std::{future::Ready, io};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Join, Sink, join, sink};
use tokio_postgres::{
    Config,
    config::{SslMode, SslNegotiation},
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{
    link::{NativeStream, Transport},
    servers::Servers,
    socket::Socket,
    tls_connector::HAS_TLS,
};

/// The SSLRequest: its length and its code.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The result of the negotiation.
pub(super) enum Negotiated {
    Plain(Socket),
    Tls(Transport),
}

/// Negotiates TLS as the URL asks for.
pub(super) async fn tls(config: &Config, servers: &Servers, name: &str, mut socket: Socket) -> io::Result<Negotiated> {
    let mode = config.get_ssl_mode();
    if mode == SslMode::Disable || !HAS_TLS {
        return Ok(Negotiated::Plain(socket));
    }
    if config.get_ssl_negotiation() == SslNegotiation::Postgres {
        socket.write_all(&REQUEST).await?;
        // One byte only: the next one belongs to the handshake.
        if socket.read_u8().await? != b'S' {
            return match mode {
                SslMode::Require => Err(io::Error::other("server does not support TLS")),
                _ => Ok(Negotiated::Plain(socket)),
            };
        }
    }
    let mut connector = servers.connector().clone();
    let connect = MakeTlsConnect::<Socket>::make_tls_connect(&mut connector, name).map_err(io::Error::other)?;
    let stream = connect.connect(socket).await.map_err(Into::<Box<dyn std::error::Error + Send + Sync>>::into);
    match stream {
        Ok(stream) => Ok(Negotiated::Tls(Box::new(stream))),
        Err(error) => Err(*error.downcast::<io::Error>().unwrap_or_else(|error| Box::new(io::Error::other(error)))),
    }
}

/// The configuration of a login without TLS.
pub(super) fn without_tls(config: &Config) -> Config {
    let mut config = config.clone();
    config.ssl_mode(SslMode::Disable);
    config
}

/// A server that agrees to TLS.
pub(super) fn agreed() -> Join<&'static [u8], Sink> {
    join(b"S", sink())
}

/// A connector that has the TLS stream already.
pub(super) struct Given(pub(super) NativeStream);

impl<S> TlsConnect<S> for Given {
    type Stream = NativeStream;
    type Error = io::Error;
    type Future = Ready<io::Result<NativeStream>>;

    fn connect(self, _: S) -> Self::Future {
        std::future::ready(Ok(self.0))
    }
}
