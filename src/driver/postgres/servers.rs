//! [`Servers`]: the servers of a URL, and cancel requests to them. A cancel request is sent over a connection of its
//! own and names a session, not a statement: one that comes late cancels whatever the session runs by then. So it
//! counts as sent only when the server has signalled the session.
//!
//! Used by [`Wire`](super::Wire), which knows what is outstanding. It knows no statements.

#[cfg(unix)]
use std::path::PathBuf;
use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::join_all;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_postgres::{CancelToken, Config, config::Host, tls::MakeTlsConnect};

use super::tls_connector::TlsConnector;
use crate::driver::detached::detach;

const DEFAULT_PORT: u16 = 5432;

/// The servers of a URL, and the connector for TLS to them.
#[derive(Clone)]
pub(super) struct Servers {
    addresses: Arc<[Address]>,
    connector: TlsConnector,
}

/// The endpoint of one server, and the name that its certificate should have.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
}

#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    Tcp(String, u16),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Servers {
    pub(super) fn of(config: &Config, connector: TlsConnector) -> Self {
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let all = (0..hosts.len().max(addresses.len())).filter_map(|at| {
            let host = hosts.get(at);
            // A numeric address replaces the host of the same position, as it does when connecting.
            let endpoint = match (addresses.get(at), host) {
                (Some(address), _) => Endpoint::Tcp(address.to_string(), port(at)),
                (None, Some(Host::Tcp(name))) => Endpoint::Tcp(name.clone(), port(at)),
                #[cfg(unix)]
                (None, Some(Host::Unix(folder))) => Endpoint::Unix(folder.join(format!(".s.PGSQL.{}", port(at)))),
                (None, None) => return None,
            };
            let name = match host {
                Some(Host::Tcp(name)) => name.clone(),
                _ => addresses.get(at).map(ToString::to_string).unwrap_or_default(),
            };
            Some(Address { name, endpoint })
        });
        Self { addresses: all.collect(), connector }
    }

    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub(super) fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    /// The one server of a session; `peer` where a name has several addresses.
    pub(super) fn only(&self, address: &Address, peer: Option<SocketAddr>) -> Self {
        let mut address = address.clone();
        if let Some(peer) = peer {
            address.endpoint = Endpoint::Tcp(peer.ip().to_string(), peer.port());
        }
        Self { addresses: Arc::new([address]), connector: self.connector.clone() }
    }

    /// Sends a cancel request, and waits until the server has signalled the session.
    pub(super) async fn cancel(&self, token: &CancelToken) {
        let requests = self.addresses.iter().map(|address| async {
            if let Err(error) = address.cancel(token, self.connector.clone()).await {
                tracing::debug!(target: "nestling", %error, "a cancel request did not reach the server");
            }
        });
        join_all(requests).await;
    }

    /// As [`cancel`](Self::cancel), without waiting and without a runtime, for a session whose connection was dropped.
    pub(super) fn cancel_detached(&self, token: CancelToken) {
        let servers = self.clone();
        detach(move || {
            let (servers, token) = (servers.clone(), token.clone());
            async move {
                servers.cancel(&token).await;
                // It had none if it came ahead of the statement, and nobody is there to see that. The session is
                // nobody's any more, so a further request hits what it is for, or nothing.
                false
            }
        });
    }
}

/// `host:port`, as errors name it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            // The name in the URL tells more than its address.
            Endpoint::Tcp(_, port) if !self.name.is_empty() && !self.name.contains(':') => {
                write!(f, "{}:{port}", self.name)
            }
            Endpoint::Tcp(host, port) => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Address {
    async fn cancel(&self, token: &CancelToken, connector: TlsConnector) -> io::Result<()> {
        match &self.endpoint {
            Endpoint::Tcp(host, port) => {
                // The request consumes the stream; a second handle of the socket tells when the server has closed it.
                let stream = TcpStream::connect((host.as_str(), *port)).await?.into_std()?;
                let rest = TcpStream::from_std(stream.try_clone()?)?;
                request(token, connector, &self.name, TcpStream::from_std(stream)?, rest).await
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await?.into_std()?;
                let rest = UnixStream::from_std(stream.try_clone()?)?;
                request(token, connector, &self.name, UnixStream::from_std(stream)?, rest).await
            }
        }
    }
}

async fn request<S>(
    token: &CancelToken,
    mut connector: TlsConnector,
    name: &str,
    stream: S,
    mut rest: impl AsyncRead + Unpin,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    TlsConnector: MakeTlsConnect<KeptOpen<S>>,
    <TlsConnector as MakeTlsConnect<KeptOpen<S>>>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let tls = MakeTlsConnect::<KeptOpen<S>>::make_tls_connect(&mut connector, name).map_err(io::Error::other)?;
    token.cancel_query_raw(KeptOpen(stream), tls).await.map_err(io::Error::other)?;
    // The server closes the connection after the signal. tokio-postgres does not wait for that.
    let mut nothing = [0; 64];
    while rest.read(&mut nothing).await? > 0 {}
    Ok(())
}

/// A stream that ignores shutdown. tokio-postgres shuts it down behind a cancel request; a proxy that takes this for
/// the end of both directions closes before the server has the request.
struct KeptOpen<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for KeptOpen<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for KeptOpen<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
}
