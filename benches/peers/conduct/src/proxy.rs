//! A proxy that delays bytes and counts round trips. It parses nothing.
//!
//! Each chunk is handed on at its arrival plus the delay of one way, whatever else is on its way: chunks do not wait for
//! one another. A round trip is counted when a client's bytes arrive after bytes of the server have been handed to it; the
//! delay makes sure that what is sent without waiting belongs to the same one. Threads, not tasks: tokio's timers count
//! whole milliseconds.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// The proxy. It stays until the program ends.
pub(crate) struct Proxy {
    addr: SocketAddr,
    trips: Arc<AtomicU64>,
}

/// One connection's two ways, as far as they know of each other.
struct Turn {
    /// Bytes of the server have reached the client since it last sent.
    answered: AtomicBool,
    trips: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

impl Proxy {
    /// Listens on a free port in front of the server of a URL; a round trip takes `delay` longer.
    pub(crate) fn start(url: &str, delay: Duration) -> Result<Self> {
        let (_, host, _) = split_url(url);
        let upstream = host.to_socket_addrs()?.next().with_context(|| format!("{host} is no address"))?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let trips = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&trips);
        let each_way = (delay / 2).saturating_sub(oversleep());
        thread::Builder::new().name("proxy".into()).spawn(move || {
            for client in listener.incoming() {
                let connected = client.and_then(|client| Ok((client, TcpStream::connect(upstream)?)));
                let relayed = connected.and_then(|(client, server)| relay(client, server, each_way, &counted));
                if let Err(error) = relayed {
                    eprintln!("proxy: {error}");
                }
            }
        })?;
        Ok(Self { addr, trips })
    }

    /// The URL with the proxy's address in place of the server's.
    pub(crate) fn url_for(&self, url: &str) -> String {
        let (before, _, after) = split_url(url);
        format!("{before}{}{after}", self.addr)
    }

    /// Round trips so far, all connections together.
    pub(crate) fn trips(&self) -> u64 {
        self.trips.load(Ordering::SeqCst)
    }
}

/// What stands before a URL's host and port, they, and what stands behind.
fn split_url(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    (&url[..host], &url[host..end], &url[end..])
}

fn relay(client: TcpStream, server: TcpStream, delay: Duration, trips: &Arc<AtomicU64>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let turn = Arc::new(Turn { answered: AtomicBool::new(true), trips: Arc::clone(trips) });
    pipe(client.try_clone()?, server.try_clone()?, delay, Way::ToServer, Arc::clone(&turn))?;
    pipe(server, client, delay, Way::ToClient, turn)
}

/// One way of a connection: a thread that reads, and one that hands on.
fn pipe(mut from: TcpStream, mut to: TcpStream, delay: Duration, way: Way, turn: Arc<Turn>) -> std::io::Result<()> {
    let (sender, chunks) = mpsc::channel::<(Instant, Vec<u8>)>();
    let reading = Arc::clone(&turn);
    let named = |name: &str| thread::Builder::new().name(name.into()).stack_size(128 * 1024);
    named("proxy-read").spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        // A connection that breaks has ended, too.
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if way == Way::ToServer && reading.answered.swap(false, Ordering::SeqCst) {
                reading.trips.fetch_add(1, Ordering::SeqCst);
            }
            if sender.send((Instant::now() + delay, buffer[..len].to_vec())).is_err() {
                break;
            }
        }
    })?;
    named("proxy-write").spawn(move || {
        for (due, chunk) in chunks {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if way == Way::ToClient {
                turn.answered.store(true, Ordering::SeqCst);
            }
            if to.write_all(&chunk).is_err() {
                break;
            }
        }
        // Whoever reads on the other side sees the end; one that is closed already is what is wanted.
        let _ = to.shutdown(Shutdown::Both);
    })?;
    Ok(())
}

/// By how much a sleep is too long on this machine while nothing else is in its way.
fn oversleep() -> Duration {
    let wanted = Duration::from_micros(300);
    let over = (0..40).map(|_| {
        let began = Instant::now();
        thread::sleep(wanted);
        began.elapsed().saturating_sub(wanted)
    });
    tenth(over.collect()).min(Duration::from_micros(100))
}

/// How long a round trip to somebody who answers at once takes through a proxy of this delay.
pub(crate) fn measured(delay: Duration) -> Result<Duration> {
    let echo = TcpListener::bind("127.0.0.1:0")?;
    let proxy = Proxy::start(&format!("echo://{}", echo.local_addr()?), delay)?;
    let mut client = TcpStream::connect(proxy.addr)?;
    client.set_nodelay(true)?;
    let (mut server, _) = echo.accept()?;
    server.set_nodelay(true)?;
    let mut byte = [0];
    let mut took = Vec::new();
    for _ in 0..60 {
        let began = Instant::now();
        client.write_all(&byte)?;
        server.read_exact(&mut byte)?;
        server.write_all(&byte)?;
        client.read_exact(&mut byte)?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

/// The lowest but one tenth.
fn tenth(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 10).copied().unwrap_or_default()
}
