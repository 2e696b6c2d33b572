//! [`Socket`]: the socket of a session, TCP or unix, with the options of the URL. Its shutdown waits until the server
//! has closed its side; by then the server no longer lists the session.

#[cfg(unix)]
use std::path::Path;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};
use tokio_postgres::{
    Config,
    tls::{ChannelBinding, TlsStream},
};

/// The time that the server may take to close its side. A proxy may never report it.
const GOODBYE: Duration = Duration::from_secs(5);

/// A socket.
pub(super) struct Socket {
    stream: Stream,
    /// The time limit for the server, once the client's side is shut down.
    goodbye: Option<Pin<Box<Sleep>>>,
}

enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same with either stream.
macro_rules! either {
    ($socket:expr, $stream:ident => $act:expr) => {
        match &mut $socket.stream {
            Stream::Tcp($stream) => $act,
            #[cfg(unix)]
            Stream::Unix($stream) => $act,
        }
    };
}

impl Socket {
    /// Connects by TCP.
    pub(super) async fn tcp(peer: SocketAddr, config: &Config) -> io::Result<Self> {
        let connected = TcpStream::connect(peer);
        let stream = match config.get_connect_timeout() {
            // For each address: a name may have several.
            Some(wait) => timeout(*wait, connected).await??,
            None => connected.await?,
        };
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        #[cfg(target_os = "linux")]
        if let Some(wait) = config.get_tcp_user_timeout() {
            socket.set_tcp_user_timeout(Some(*wait))?;
        }
        if config.get_keepalives() {
            socket.set_tcp_keepalive(&keepalive(config))?;
        }
        Ok(Self { stream: Stream::Tcp(stream), goodbye: None })
    }

    #[cfg(unix)]
    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: Stream::Unix(UnixStream::connect(path).await?), goodbye: None })
    }

    /// Reads and discards what the server still sends, until it has closed its side or the time is over.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 1024];
        loop {
            let mut rest = ReadBuf::new(&mut space);
            match either!(self, stream => Pin::new(stream).poll_read(cx, &mut rest)) {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.goodbye.as_mut().map_or(Poll::Ready(()), |goodbye| goodbye.as_mut().poll(cx))
    }
}

fn keepalive(config: &Config) -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
    // Other systems use their own values.
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "ios",
        target_os = "freebsd"
    ))]
    let keepalive = {
        let interval = config.get_keepalives_interval();
        let keepalive = interval.map_or_else(|| keepalive.clone(), |every| keepalive.clone().with_interval(every));
        config.get_keepalives_retries().map_or_else(|| keepalive.clone(), |count| keepalive.clone().with_retries(count))
    };
    keepalive
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.goodbye.is_none() {
            ready!(either!(self, stream => Pin::new(stream).poll_shutdown(cx)))?;
            self.goodbye = Some(Box::pin(sleep(GOODBYE)));
        }
        self.poll_goodbye(cx).map(Ok)
    }
}

/// It has no TLS.
impl TlsStream for Socket {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
