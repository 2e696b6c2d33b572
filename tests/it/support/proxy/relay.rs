//! Moves the bytes of one connection, message by message, with the delay, and stops at what is held.
//!
//! Used by [`super::Proxy`] alone. It must not know what a message means: [`Shared`] says whether to hold it.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::counts::Message;
use super::protocol::{Answer, Session, Side};

/// How many chunks may be on their way in one direction: what keeps memory flat when one side is slow.
const CHUNKS: usize = 64;
const CHUNK_BYTES: usize = 32 * 1024;

/// Takes in clients for ever.
pub(super) async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("the runtime takes a listener that does not block");
    for number in 1.. {
        let Ok((client, _)) = listener.accept().await else { continue };
        if shared.state().refusing {
            continue;
        }
        tokio::spawn(connection(number, client, Arc::clone(&shared)));
    }
}

/// One connection from its beginning to its end, or to a cut.
async fn connection(number: usize, client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    // In this order: what comes behind the cut is not passed on.
    tokio::select! {
        biased;
        _ = cuts.changed() => {}
        () = relay(number, client, &shared) => {}
    }
    shared.state().sessions.remove(&number);
    // A held connection that has gone holds nothing any more.
    shared.held.send_if_modified(|held| held.take_if(|message| message.connection == number).is_some());
}

async fn relay(number: usize, client: TcpStream, shared: &Shared) {
    let Ok(server) = TcpStream::connect(shared.upstream).await else { return };
    // Without it the kernel would keep small writes back, and a test would measure that.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    shared.state().sessions.insert(number, Session::new(shared.protocol));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (requests, mut requested) = mpsc::channel(CHUNKS);
    let (answers, mut answered) = mpsc::channel(CHUNKS);
    let up = Lane { shared, number, side: Side::Client };
    let down = Lane { shared, number, side: Side::Server };
    // The first failure of either direction ends both; an orderly end of one leaves the other its last words.
    let _ = tokio::try_join!(
        up.collect(&mut from_client, requests),
        up.deliver(&mut requested, &mut to_server),
        down.collect(&mut from_server, answers),
        down.deliver(&mut answered, &mut to_client),
    );
}

/// Bytes on their way.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    answers: Vec<Answer>,
}

/// One direction of one connection.
struct Lane<'a> {
    shared: &'a Shared,
    number: usize,
    side: Side,
}

impl Lane<'_> {
    /// Reads, cuts into messages, counts, stalls.
    async fn collect(&self, source: &mut (impl AsyncRead + Unpin), lane: mpsc::Sender<Chunk>) -> std::io::Result<()> {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES);
        while source.read_buf(&mut buffer).await? > 0 {
            let (mut start, mut end, mut answers) = (0, 0, Vec::new());
            loop {
                if self.is_held() {
                    self.forward(&lane, &buffer[start..end], std::mem::take(&mut answers)).await;
                    start = end;
                    self.released().await;
                }
                let Some((len, answer, holds)) = self.shared.arrived(self.number, self.side, &buffer[end..]) else {
                    break;
                };
                if holds {
                    self.forward(&lane, &buffer[start..end], std::mem::take(&mut answers)).await;
                    start = end;
                    self.released().await;
                }
                self.shared.forge(self.side, &mut buffer[end..end + len]);
                end += len;
                answers.extend(answer);
            }
            self.forward(&lane, &buffer[start..end], answers).await;
            buffer.drain(..end);
            buffer.reserve(CHUNK_BYTES);
        }
        // The end of the stream is as late as everything else, and is held like everything else.
        if self.is_held() {
            self.released().await;
        }
        Ok(())
    }

    async fn forward(&self, lane: &mpsc::Sender<Chunk>, bytes: &[u8], answers: Vec<Answer>) {
        if !bytes.is_empty() {
            let due = Instant::now() + self.shared.state().delay;
            // It fails when the other end has failed, and then this future is about to be dropped.
            let _ = lane.send(Chunk { due, bytes: bytes.to_vec(), answers }).await;
        }
    }

    /// Hands over each chunk when it is due.
    async fn deliver(
        &self,
        lane: &mut mpsc::Receiver<Chunk>,
        target: &mut (impl AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        while let Some(Chunk { due, bytes, answers }) = lane.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            // Before it is written: the client may act on it before this task runs again.
            self.shared.delivered(self.number, answers);
            target.write_all(&bytes).await?;
        }
        target.shutdown().await
    }

    fn is_held(&self) -> bool {
        self.shared.held.borrow().as_ref().is_some_and(|message| message.connection == self.number)
    }

    async fn released(&self) {
        let mut held = self.shared.held.subscribe();
        let other =
            |message: &Option<Message>| message.as_ref().is_none_or(|message| message.connection != self.number);
        let _ = held.wait_for(other).await;
    }
}
