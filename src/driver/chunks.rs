//! Rows on their way from a piece of work that reads them to a stream that hands them out: in chunks, with a bounded
//! queue, so that memory stays flat and the work waits while nobody takes them. Used by drivers whose rows borrow from
//! the connection.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use crate::{data::row::Row, transaction::impact::DriverError};

/// How long a row may wait for others to travel with. The first one goes at once.
const PATIENCE: Duration = Duration::from_millis(1);
/// How many chunks may wait.
const QUEUE: usize = 2;

/// Where the rows are put in.
#[derive(Debug)]
pub(super) struct ChunkSender {
    queue: mpsc::Sender<Vec<Row>>,
    /// When the last chunk went.
    since: Option<Instant>,
}

impl ChunkSender {
    /// Whether the stream was dropped: nobody wants more rows.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Whether what is gathered should go now, however little it is.
    pub(super) fn is_due(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() > PATIENCE)
    }

    /// Sends rows, on a thread that may block.
    #[cfg(feature = "sqlite")]
    pub(super) fn send_blocking(&mut self, rows: Vec<Row>) {
        // An error says that the stream was dropped, which is looked at before the next row.
        let _ = self.queue.blocking_send(rows);
        self.since = Some(Instant::now());
    }

    /// Sends rows.
    #[cfg(feature = "mysql")]
    pub(super) async fn send(&mut self, rows: Vec<Row>) {
        let _ = self.queue.send(rows).await;
        self.since = Some(Instant::now());
    }

    /// Waits until nobody takes rows any more.
    #[cfg(feature = "mysql")]
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        // Whoever waits here keeps the stream from its end: it is dropped with the work.
        let queue = self.queue.clone();
        async move { queue.closed().await }
    }
}

/// Where the rows come out.
#[derive(Debug)]
pub(super) struct ChunkReceiver(mpsc::Receiver<Vec<Row>>);

/// A queue for the rows of one statement.
pub(super) fn channel() -> (ChunkSender, ChunkReceiver) {
    let (queue, taken) = mpsc::channel(QUEUE);
    (ChunkSender { queue, since: None }, ChunkReceiver(taken))
}

impl ChunkReceiver {
    /// The stream of the rows. `ended` tells how the work came out; it is asked when the rows are through.
    pub(super) fn stream<E>(self, ended: E) -> BoxStream<'static, Result<Row, DriverError>>
    where
        E: Future<Output = Result<(), DriverError>> + Send + 'static,
    {
        let rows = stream::unfold((self.0, Some(Box::pin(ended))), |(mut taken, ended)| async move {
            if let Some(chunk) = taken.recv().await {
                let rows: Vec<_> = Vec::into_iter(chunk).map(Ok).collect();
                return Some((stream::iter(rows), (taken, ended)));
            }
            let fault = ended?.await.err()?;
            Some((stream::iter(vec![Err(fault)]), (taken, None)))
        });
        rows.flatten().boxed()
    }
}
