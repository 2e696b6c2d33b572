//! [`Facade`]: the end of the link that tokio-postgres takes for its stream.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::{bell::Who, shared::Link};

/// The stream of tokio-postgres. Dropped, it closes the socket.
pub(crate) struct Facade(Arc<Link>);

impl Link {
    /// The end of the link that tokio-postgres has for its stream; there is one.
    pub(crate) fn facade(self: &Arc<Self>) -> Facade {
        Facade(Arc::clone(self))
    }
}

impl AsyncRead for Facade {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if !state.is_logged_in() {
            return state.read_through(cx, buf);
        }
        drop(state);
        self.0.poll_for(cx, Who::Theirs, |state| state.take_theirs(buf))
    }
}

impl AsyncWrite for Facade {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.state().pass(bytes, &self.0.bell);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if !state.is_logged_in() {
            return state.flush_through(cx);
        }
        let since = self.0.bell.rung();
        let mut socket = Context::from_waker(&self.0.waker);
        if state.write(&mut socket) {
            return Poll::Ready(Ok(()));
        }
        self.0.bell.want_theirs(true);
        self.0.bell.store(Who::Theirs, cx.waker(), since);
        Poll::Pending
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let mut state = self.0.state();
        state.shut();
        self.0.bell.ring_all();
        state.poll_shutdown(cx)
    }
}

impl TlsStream for Facade {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.quiet().channel_binding()
    }
}

impl Drop for Facade {
    fn drop(&mut self) {
        let transport = self.0.state().close();
        drop(transport);
        self.0.bell.ring_all();
    }
}

impl fmt::Debug for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facade").finish_non_exhaustive()
    }
}
