//! A bounded queue of rows between the work that reads them and the stream that returns them. Memory stays flat: the
//! work waits while the stream is not polled. Used by the drivers whose rows borrow from the connection.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use crate::{data::row::Row, transaction::impact::DriverError};

/// The time that a row may wait for others, to be sent with them. The first row is sent at once.
const PATIENCE: Duration = Duration::from_millis(1);
/// The number of chunks that may wait in the queue.
const QUEUE: usize = 2;

/// The sending half of the queue.
#[derive(Debug)]
pub(super) struct ChunkSender {
    queue: mpsc::Sender<Vec<Row>>,
    /// When the last chunk was sent.
    since: Option<Instant>,
}

impl ChunkSender {
    /// Whether the stream was dropped, so that no more rows are needed.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Whether the rows that are collected should be sent now, however few they are.
    pub(super) fn is_due(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() > PATIENCE)
    }

    /// Sends rows, on a thread that may block.
    #[cfg(feature = "sqlite-system")]
    pub(super) fn send_blocking(&mut self, rows: Vec<Row>) {
        // An error means that the stream was dropped, which is checked before the next row.
        let _ = self.queue.blocking_send(rows);
        self.since = Some(Instant::now());
    }

    /// Sends rows.
    #[cfg(feature = "mysql")]
    pub(super) async fn send(&mut self, rows: Vec<Row>) {
        let _ = self.queue.send(rows).await;
        self.since = Some(Instant::now());
    }

    /// Waits until the stream is dropped.
    #[cfg(feature = "mysql")]
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        // This clone keeps the queue open; it is dropped with the work.
        let queue = self.queue.clone();
        async move { queue.closed().await }
    }
}

/// The receiving half of the queue.
#[derive(Debug)]
pub(super) struct ChunkReceiver(mpsc::Receiver<Vec<Row>>);

/// A queue for the rows of one statement.
pub(super) fn channel() -> (ChunkSender, ChunkReceiver) {
    let (queue, taken) = mpsc::channel(QUEUE);
    (ChunkSender { queue, since: None }, ChunkReceiver(taken))
}

impl ChunkReceiver {
    /// The stream of the rows. `ended` gives the result of the work; it is awaited behind the last row.
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
