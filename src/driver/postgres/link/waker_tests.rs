//! Who is woken by the link, and that wakers, which are foreign code, run while nothing of it is locked.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::{
    Link, PendingAnswer,
    tests::{answer, ask, linked, say},
};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

#[test]
fn the_usual_answer_wakes_the_one_who_waits() {
    let (link, mut native_stream, mut server) = linked(4096);
    let [ours, native] = [Arc::new(Count::default()), Arc::new(Count::default())];
    let wakers = [Waker::from(Arc::clone(&ours)), Waker::from(Arc::clone(&native))];
    let mut bytes = [0; 8];
    let mut idle = ReadBuf::new(&mut bytes);
    assert!(Pin::new(&mut native_stream).poll_read(&mut Context::from_waker(&wakers[1]), &mut idle).is_pending());
    let mut pending_answer = ask(&link, 1);
    assert!(pending_answer.poll(&Context::from_waker(&wakers[0])).is_pending());
    say(&mut server, &answer(1, b'I'));
    assert!(pending_answer.poll(&Context::from_waker(&wakers[0])).is_ready());
    drop(pending_answer);
    let woken = || [&ours, &native].map(|count| count.0.load(Ordering::Acquire));
    assert_eq!(woken(), [1, 0]);
    // Nobody waits: what comes is for the task of tokio-postgres, the end of the connection too.
    drop(server);
    assert_eq!(woken(), [1, 1]);
}

/// Holds a request, and gives it up when it is woken or dropped, as the waker of a task may that runs on the spot.
struct Holds {
    pending_answer: Mutex<Option<PendingAnswer>>,
    woken: mpsc::Sender<()>,
}

impl Holds {
    fn waker(pending_answer: PendingAnswer) -> (Waker, mpsc::Receiver<()>) {
        let (woken, told) = mpsc::channel();
        (Waker::from(Arc::new(Self { pending_answer: Mutex::new(Some(pending_answer)), woken })), told)
    }

    fn give_up(&self) {
        let pending_answer = self.pending_answer.lock().unwrap().take();
        drop(pending_answer);
        // Who drops it last has stopped to listen.
        let _ = self.woken.send(());
    }
}

impl Wake for Holds {
    fn wake(self: Arc<Self>) {
        self.give_up();
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Runs what deadlocks where it is wrong on a thread of its own.
fn ends(what: impl FnOnce() + Send + 'static) {
    let (ended, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        what();
        ended.send(()).unwrap();
    });
    told.recv_timeout(Duration::from_secs(20)).expect("it does not wait for itself");
    thread.join().unwrap();
}

/// A socket that says that there is something to read while it is written to, as one does whose reactor runs on another thread.
#[derive(Default)]
struct Quiet {
    said: Arc<Mutex<Vec<u8>>>,
    reads: Arc<AtomicUsize>,
    reader: Option<Waker>,
}

impl AsyncRead for Quiet {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reads.fetch_add(1, Ordering::AcqRel);
        let bytes = std::mem::take(&mut *self.said.lock().unwrap());
        if bytes.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Quiet {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

#[test]
fn a_socket_that_has_not_woken_is_not_read_again() {
    let quiet = Quiet::default();
    let (said, reads) = (Arc::clone(&quiet.said), Arc::clone(&quiet.reads));
    let link = Link::new(Box::new(quiet));
    link.log_in();
    let reads = || reads.swap(0, Ordering::AcqRel);
    let mut first = ask(&link, 1);
    let mut poll = || first.poll(&Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    assert_eq!(reads(), 1);
    assert!(poll().is_pending());
    assert_eq!(reads(), 0, "it has not woken since");
    said.lock().unwrap().extend(answer(1, b'I'));
    // It wakes while the second is written.
    let mut second = ask(&link, 2);
    assert!(second.poll(&Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(reads(), 2, "to its end");
    assert!(poll().is_ready());
    assert_eq!(reads(), 0);
}

#[test]
fn a_waker_may_drop_another_request_when_it_is_woken() {
    ends(|| {
        let quiet = Quiet::default();
        let said = Arc::clone(&quiet.said);
        let link = Link::new(Box::new(quiet));
        link.log_in();
        let mut second = ask(&link, 2);
        let (waker, told) = Holds::waker(ask(&link, 3));
        assert!(second.poll(&Context::from_waker(&waker)).is_pending());
        // Who waits for the first reads both answers, and the waker of the second is woken meanwhile.
        let mut first = ask(&link, 1);
        said.lock().unwrap().extend([answer(2, b'I'), answer(3, b'I'), answer(1, b'I')].concat());
        told.try_recv().expect_err("nobody knows of it");
        assert!(first.poll(&Context::from_waker(Waker::noop())).is_ready());
        told.try_recv().expect("it was woken");
        assert!(second.poll(&Context::from_waker(Waker::noop())).is_ready());
    });
}

#[test]
fn a_waker_may_drop_another_request_when_it_is_dropped() {
    ends(|| {
        let (link, _facade, _server) = linked(4096);
        let mut first = ask(&link, 1);
        let (waker, told) = Holds::waker(ask(&link, 2));
        assert!(first.poll(&Context::from_waker(&waker)).is_pending());
        drop(waker);
        told.try_recv().expect_err("the link has it");
        assert!(first.poll(&Context::from_waker(Waker::noop())).is_pending());
        told.try_recv().expect("another waker has taken its place");
    });
}

#[test]
fn a_waker_may_drop_another_request_when_the_session_ends() {
    ends(|| {
        let (link, native_stream, server) = linked(4096);
        let mut first = ask(&link, 1);
        let (waker, told) = Holds::waker(ask(&link, 2));
        assert!(first.poll(&Context::from_waker(&waker)).is_pending());
        drop(waker);
        drop(server);
        drop(native_stream);
        told.try_recv().expect("it was woken");
        assert!(first.poll(&Context::from_waker(Waker::noop())).is_ready());
    });
}
