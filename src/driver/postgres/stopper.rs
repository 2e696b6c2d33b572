//! The cancel request: asks the server, over a connection of its own, to stop what a session is at, and waits until it has
//! been acted on. tokio-postgres returns as soon as the request is written; it would then hit whatever the session is at
//! when it comes, which may be the next user's statement (rule 38).

use std::{io, path::PathBuf, sync::Arc};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
};
use tokio_postgres::{CancelToken, Config, NoTls, config::Host};

/// Where the server of a session may be reached.
#[derive(Debug)]
enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// Stops what sessions of one database are at.
#[derive(Debug, Clone)]
pub(super) struct Stopper {
    addresses: Arc<[Address]>,
}

impl Stopper {
    pub(super) fn new(config: &Config) -> Self {
        let ports = config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let resolved = config.get_hostaddrs().iter().enumerate();
        let mut addresses: Vec<_> = resolved.map(|(at, ip)| Address::Tcp(ip.to_string(), port(at))).collect();
        if addresses.is_empty() {
            let hosts = config.get_hosts().iter().enumerate();
            addresses.extend(hosts.map(|(at, host)| match host {
                Host::Tcp(name) => Address::Tcp(name.clone(), port(at)),
                #[cfg(unix)]
                Host::Unix(folder) => Address::Unix(folder.join(format!(".s.PGSQL.{}", port(at)))),
            }));
        }
        Self { addresses: addresses.into() }
    }

    /// Asks for it, and returns when the server has passed it on to the session.
    pub(super) async fn stop(&self, token: CancelToken) {
        // Which of several servers the session is at is not known. The others do not know its key and take no notice.
        let requests = self.addresses.iter().map(|address| async {
            if let Err(error) = address.request(&token).await {
                tracing::debug!(target: "nestling", %error, "a cancel request did not reach the server");
            }
        });
        join_all(requests).await;
    }
}

impl Address {
    async fn request(&self, token: &CancelToken) -> io::Result<()> {
        match self {
            Self::Tcp(host, port) => request(TcpStream::connect((host.as_str(), *port)).await?, token).await,
            #[cfg(unix)]
            Self::Unix(path) => request(tokio::net::UnixStream::connect(path).await?, token).await,
        }
    }
}

async fn request(mut stream: impl AsyncRead + AsyncWrite + Unpin, token: &CancelToken) -> io::Result<()> {
    token.cancel_query_raw(&mut stream, NoTls).await.map_err(io::Error::other)?;
    // The server closes the connection when it has sent the signal.
    let mut rest = [0; 16];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
