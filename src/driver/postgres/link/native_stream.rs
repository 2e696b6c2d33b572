//! [`NativeStream`]: the stream that tokio-postgres reads from and writes to.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::{shared::Link, waker_set::Waiter};

/// The stream of tokio-postgres. Its drop closes the socket.
pub(crate) struct NativeStream(Arc<Link>);

impl Link {
    /// The stream for tokio-postgres; there is one.
    pub(crate) fn native_stream(self: &Arc<Self>) -> NativeStream {
        NativeStream(Arc::clone(self))
    }
}

impl AsyncRead for NativeStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock_deferring();
        if !state.is_logged_in() {
            return state.read_through(cx, buf);
        }
        drop(state);
        self.0.poll_for(cx, Waiter::Native, |state| state.take_native(buf))
    }
}

impl AsyncWrite for NativeStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock_deferring().pass(bytes, &self.0.wakers);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock_deferring();
        if !state.is_logged_in() {
            return state.flush_through(cx);
        }
        let since = self.0.wakers.wake_count();
        let mut socket = Context::from_waker(&self.0.waker);
        if state.write(&mut socket) {
            return Poll::Ready(Ok(()));
        }
        self.0.wakers.want_native(true);
        self.0.wakers.register(Waiter::Native, cx.waker(), since);
        Poll::Pending
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let mut state = self.0.lock_deferring();
        state.shut();
        self.0.wakers.wake_all();
        state.poll_shutdown(cx)
    }
}

impl TlsStream for NativeStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.lock().channel_binding()
    }
}

impl Drop for NativeStream {
    fn drop(&mut self) {
        let transport = self.0.lock_deferring().close();
        drop(transport);
        self.0.wakers.wake_all();
    }
}

impl fmt::Debug for NativeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeStream").finish_non_exhaustive()
    }
}
