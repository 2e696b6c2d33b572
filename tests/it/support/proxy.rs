//! A proxy in front of a PostgreSQL, a MariaDB or a MySQL that counts round trips, delays, stalls at a chosen message, and cuts.
//!
//! Used by the tests that speak about the wire. It runs on a thread and a runtime of its own, so that a test may block,
//! pause its clock or poll by hand without touching it. It must not know nestling: it sees nothing but bytes.
//!
//! A **flight** is one round trip: the client sends while it waits for nothing. What it sends before the answers have
//! arrived belongs to the same flight. Start-up is not counted, nor is what no client waits for (closing a statement,
//! Terminate). An answer counts as arrived when the proxy hands it to the client, that is, behind the delay.

#![allow(dead_code, reason = "support for tests: not every test uses all of it")]

mod counts;
mod mysql;
mod postgres;
mod protocol;
mod relay;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub(crate) use self::counts::{Counts, Message, StepKind};
pub(crate) use self::protocol::Side;
use self::protocol::{Answer, Meaning, Protocol, Session};

/// What clients send, and what the server gets in its place: of the same length.
type Forgery = (&'static str, &'static str);
type Predicate = Box<dyn FnMut(&Message) -> bool + Send>;

#[derive(Default)]
struct State {
    counts: Counts,
    sessions: HashMap<usize, Session>,
    stall: Option<Predicate>,
    forgery: Option<Forgery>,
    delay: Duration,
    refusing: bool,
}

struct Shared {
    upstream: SocketAddr,
    protocol: Protocol,
    state: Mutex<State>,
    /// The message that is held, and with it its connection.
    held: watch::Sender<Option<Message>>,
    /// Grows with every cut; a connection lives as long as it stays the same.
    cuts: watch::Sender<u64>,
}

/// The proxy. Dropping it cuts all connections.
pub(crate) struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    /// Its sender's end is the end of the thread.
    _running: watch::Sender<()>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("addr", &self.addr)
            .field("upstream", &self.shared.upstream)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 in front of a PostgreSQL.
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        Self::speaking(Protocol::Postgres, upstream)
    }

    fn speaking(protocol: Protocol, upstream: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            protocol,
            state: Mutex::default(),
            held: watch::Sender::new(None),
            cuts: watch::Sender::new(0),
        });
        let (running, mut stopped) = watch::channel(());
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime for the proxy");
                runtime.block_on(async move {
                    tokio::select! {
                        () = relay::accept(listener, accepting) => {}
                        _ = stopped.changed() => {}
                    }
                });
            })
            .expect("a thread for the proxy");
        Self { addr, shared, _running: running }
    }

    /// Like [`Proxy::start`], in front of the server that a URL names.
    pub(crate) fn before(url: &str) -> Self {
        let (_, host, _) = split_url(url);
        let (protocol, port) =
            if url.starts_with("postgres") { (Protocol::Postgres, 5432) } else { (Protocol::Mysql, 3306) };
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") };
        let upstream = host.to_socket_addrs().ok().and_then(|mut found| found.next());
        Self::speaking(protocol, upstream.unwrap_or_else(|| panic!("{host} is no address")))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL with the proxy's address in place of the server's.
    pub(crate) fn url_for(&self, url: &str) -> String {
        let (before, _, after) = split_url(url);
        format!("{before}{}{after}", self.addr)
    }

    /// Sets all counts to zero. What is under way belongs to the flight before: reset when the client is idle.
    pub(crate) fn reset(&self) {
        self.shared.state().counts = Counts::default();
    }

    /// What has passed since the last reset.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    /// How many connections stand now.
    pub(crate) fn open_connections(&self) -> usize {
        self.shared.state().sessions.len()
    }

    /// Waits until no more than so many connections stand: a connection that was made to end a statement says goodbye when
    /// nobody waits for it any more, and its goodbye is a message too.
    pub(crate) async fn left_with(&self, connections: usize) {
        wait_while!(self.open_connections() > connections);
    }

    /// Adds a latency to each way, without making bytes wait for one another. Tokio's timers round up to the next
    /// millisecond.
    pub(crate) fn set_delay(&self, each_way: Duration) {
        self.shared.state().delay = each_way;
    }

    /// Holds the first message for which the predicate is true, and all that comes after it on its connection, in both
    /// directions, until [`Proxy::release`]. What is held has been counted already if it is a client's. Only one is
    /// held: the predicate is dropped with its first hit. It must not call the proxy.
    pub(crate) fn stall_when(&self, predicate: impl FnMut(&Message) -> bool + Send + 'static) {
        self.shared.state().stall = Some(Box::new(predicate));
    }

    /// Sets all counts to zero, and holds the `k`-th message from now on, from 1, whoever sends it, start-up included. Both
    /// in one: what passed in between would have a number, and could not be held.
    pub(crate) fn stall_at(&self, k: usize) {
        let mut state = self.shared.state();
        state.counts = Counts::default();
        state.stall = Some(Box::new(move |message| message.index == Some(k)));
    }

    /// Puts `to` in the place of `from` in what clients send from now on; or, with nothing, no longer does. What is counted
    /// is what they sent.
    pub(crate) fn forge(&self, forgery: Option<Forgery>) {
        assert!(forgery.is_none_or(|(from, to)| from.len() == to.len() && !from.is_empty()), "of the same length");
        self.shared.state().forgery = forgery;
    }

    /// Waits until a message is held, and says which.
    pub(crate) fn stalled(&self) -> impl Future<Output = Message> + Send + use<> {
        let mut held = self.shared.held.subscribe();
        async move {
            let message = held.wait_for(Option::is_some).await.expect("the proxy lives while it is waited for");
            message.clone().expect("just seen to be there")
        }
    }

    /// Lets what is held go on, and forgets a predicate that has not hit.
    pub(crate) fn release(&self) {
        self.shared.state().stall = None;
        self.shared.held.send_replace(None);
    }

    /// Closes all connections at once, on both sides, with whatever is on its way.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Whether new connections are closed as soon as they come.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.state().refusing = refusing;
    }
}

/// What stands before a URL's host and port, they, and what stands behind.
fn split_url(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    (&url[..host], &url[host..end], &url[end..])
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A predicate that panics fails its test; the proxy's state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of the next message in `bytes`: its length, what it tells the client, and whether it is to be held.
    fn arrived(&self, connection: usize, from: Side, bytes: &[u8]) -> Option<(usize, Option<Answer>, bool)> {
        let mut guard = self.state();
        let State { counts, sessions, stall, .. } = &mut *guard;
        let session = sessions.get_mut(&connection)?;
        let frame = session.next(from, bytes)?;
        let is_goodbye = from == Side::Client && frame.tag == 'X';
        counts.total += usize::from(!is_goodbye);
        let (meaning, answer) = match from {
            Side::Client => (counts.client_sent(connection, session, &frame), None),
            Side::Server => session.server_sent(&frame),
        };
        let text = match meaning {
            Meaning::Simple(text) | Meaning::Prepare(text) | Meaning::Execute(text) | Meaning::Outcome(text) => text,
            Meaning::Startup | Meaning::Cancel | Meaning::Other => String::new(),
        };
        let index = (!is_goodbye).then_some(counts.total);
        let message = Message { index, connection, from, tag: frame.tag, text };
        let len = frame.len;
        let holds = stall.as_mut().is_some_and(|predicate| predicate(&message));
        if holds {
            *stall = None;
            self.held.send_replace(Some(message));
        }
        Some((len, answer, holds))
    }

    /// What the server is to get in place of a message.
    fn forge(&self, from: Side, message: &mut [u8]) {
        let Some((wanted, given)) = self.state().forgery.filter(|_| from == Side::Client) else { return };
        let places = 0..=message.len().saturating_sub(wanted.len());
        if let Some(at) = places.into_iter().find(|at| message[*at..].starts_with(wanted.as_bytes())) {
            message[at..at + given.len()].copy_from_slice(given.as_bytes());
        }
    }

    fn delivered(&self, connection: usize, answers: Vec<Answer>) {
        let mut state = self.state();
        if let Some(session) = state.sessions.get_mut(&connection) {
            answers.into_iter().for_each(|answer| session.delivered(answer));
        }
    }
}
