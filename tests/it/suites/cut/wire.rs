//! A wire to a server that is cut behind a byte, once. It counts the bytes of all its connections together.
//!
//! Used by the cut at every byte. It must know no protocol: the proxy of `proxy.rs`, which does, hands on whole messages.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{Either, select};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// Whose bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

/// In what way the connection ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// Both sockets are closed.
    Close,
    /// Both sockets are reset.
    Reset,
    /// The direction of the byte ends; the other one goes on.
    Half,
}

pub(super) const WAYS: [Way; 3] = [Way::Close, Way::Reset, Way::Half];

/// Behind which byte, and in what way, the wire is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    pub(super) side: Side,
    pub(super) after: u64,
    pub(super) way: Way,
}

/// What has passed in each direction, and the cut that is still to come.
#[derive(Debug)]
struct State {
    up: u64,
    down: u64,
    cut: Option<Cut>,
}

#[derive(Debug, Clone)]
struct Shared {
    upstream: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The wire. With it, the connections that run through it end.
pub(super) struct Wire {
    addr: SocketAddr,
    host: String,
    shared: Shared,
    accepting: JoinHandle<()>,
}

impl Wire {
    pub(super) async fn before(url: &str, cut: Option<Cut>) -> Self {
        let host = url.rsplit('@').next().and_then(|rest| rest.split(['/', '?']).next()).expect("a host").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { up: 0, down: 0, cut }));
        let shared = Shared { upstream: host.parse().expect("an address with a port"), state };
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, host, shared, accepting }
    }

    /// A URL of the server, by way of the wire.
    pub(super) fn url_for(&self, url: &str) -> String {
        url.replacen(&self.host, &self.addr.to_string(), 1)
    }

    /// Cuts the wire when clients have sent so many bytes more.
    pub(super) fn cut_in(&self, bytes: u64, way: Way) {
        let mut state = self.shared.state();
        state.cut = Some(Cut { side: Side::Client, after: state.up + bytes, way });
    }

    /// How many bytes clients and servers have sent.
    pub(super) fn passed(&self) -> (u64, u64) {
        let state = self.shared.state();
        (state.up, state.down)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Shared) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connection(client, shared.clone()));
    }
}

/// One connection. Its failures are those of the ends, which hear of them.
async fn connection(client: TcpStream, shared: Shared) {
    let Ok(server) = TcpStream::connect(shared.upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let cut = {
        let up = pin!(shared.pass(Side::Client, &mut from_client, &mut to_server));
        let down = pin!(shared.pass(Side::Server, &mut from_server, &mut to_client));
        // An end of one direction leaves the other its last words; a cut does not.
        match select(up, down).await {
            Either::Left((Some(way), _)) | Either::Right((Some(way), _)) => Some(way),
            Either::Left((None, down)) => down.await,
            Either::Right((None, up)) => up.await,
        }
    };
    if cut == Some(Way::Reset) {
        let _ = (from_client.as_ref().set_zero_linger(), from_server.as_ref().set_zero_linger());
        // Dropped, they would say goodbye first.
        to_client.forget();
        to_server.forget();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of so many bytes pass, and in what way it is cut then.
    fn count(&self, side: Side, bytes: usize) -> (usize, Option<Way>) {
        let mut state = self.state();
        let State { up, down, cut } = &mut *state;
        let passed = if side == Side::Client { up } else { down };
        let due = cut.filter(|cut| cut.side == side && *passed + bytes as u64 >= cut.after);
        let passes = due.map_or(bytes, |cut| cut.after.saturating_sub(*passed) as usize);
        *passed += passes as u64;
        if due.is_some() {
            *cut = None;
        }
        (passes, due.map(|cut| cut.way))
    }

    /// Passes on what comes until its end, or until a cut that ends both directions.
    async fn pass(&self, side: Side, source: &mut OwnedReadHalf, target: &mut OwnedWriteHalf) -> Option<Way> {
        let mut buffer = vec![0; 16 * 1024];
        // Behind byte 0 it is cut before anything is read.
        let mut read = 0;
        loop {
            let (passes, cut) = self.count(side, read);
            let written = target.write_all(&buffer[..passes]).await;
            match cut {
                Some(Way::Half) => break,
                Some(way) => return Some(way),
                None if written.is_err() => break,
                None => {}
            }
            read = source.read(&mut buffer).await.unwrap_or(0);
            if read == 0 {
                break;
            }
        }
        // It fails where the other end has gone already. What the sender says from now on reaches nobody.
        let _ = target.shutdown().await;
        while source.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
        None
    }
}
