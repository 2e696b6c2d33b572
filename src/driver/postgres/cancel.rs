//! Cancel requests. One travels on a connection of its own and names a session, not a statement: what comes too late hits
//! whatever that session runs by then. So it counts as sent only when the server has passed it on.
//!
//! Used by [`Wire`](super::Wire), which knows what is outstanding. It knows no statements.

#[cfg(unix)]
use std::path::PathBuf;
use std::{io, sync::Arc, thread, time::Duration};

use futures_util::future::join_all;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    runtime::Builder,
    time::timeout,
};
use tokio_postgres::{CancelToken, Config, NoTls, config::Host};

const DEFAULT_PORT: u16 = 5432;

/// How long a request that nobody waits for may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the servers of a URL listen.
#[derive(Debug, Clone)]
pub(super) struct Servers(Arc<[Address]>);

#[derive(Debug)]
enum Address {
    Tcp(String, u16),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Servers {
    pub(super) fn of(config: &Config) -> Self {
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let all = (0..hosts.len().max(addresses.len())).filter_map(|at| {
            // A numeric address stands for the host of the same place, as it does when connecting.
            Some(match (addresses.get(at), hosts.get(at)) {
                (Some(address), _) => Address::Tcp(address.to_string(), port(at)),
                (None, Some(Host::Tcp(name))) => Address::Tcp(name.clone(), port(at)),
                #[cfg(unix)]
                (None, Some(Host::Unix(folder))) => Address::Unix(folder.join(format!(".s.PGSQL.{}", port(at)))),
                (None, None) => return None,
            })
        });
        Self(all.collect())
    }

    /// Asks for the session's statement to be cancelled, and waits until the server has signalled the session.
    ///
    /// Which of several servers the session is at is not known; those that do not know it take no notice.
    pub(super) async fn cancel(&self, token: &CancelToken) {
        let requests = self.0.iter().map(|address| async move {
            if let Err(error) = address.cancel(token).await {
                tracing::debug!(target: "nestling", %error, "a cancel request did not reach the server");
            }
        });
        join_all(requests).await;
    }

    /// As [`cancel`](Self::cancel), without waiting, and without a runtime: on a thread that ends with it.
    pub(super) fn cancel_detached(&self, token: CancelToken) {
        let servers = self.clone();
        let cancel = move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { timeout(PATIENCE, servers.cancel(&token)).await.map_err(io::Error::other) })
        };
        // It is a courtesy to the server, which ends the statement sooner or later without it.
        let _ = thread::Builder::new().name("nestling-cancel".into()).spawn(cancel);
    }
}

impl Address {
    async fn cancel(&self, token: &CancelToken) -> io::Result<()> {
        match self {
            Self::Tcp(host, port) => request(token, TcpStream::connect((host.as_str(), *port)).await?).await,
            #[cfg(unix)]
            Self::Unix(path) => request(token, UnixStream::connect(path).await?).await,
        }
    }
}

async fn request(token: &CancelToken, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    token.cancel_query_raw(&mut stream, NoTls).await.map_err(io::Error::other)?;
    // The server closes the connection behind the signal. tokio-postgres does not wait for that.
    let mut nothing = [0; 16];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}
