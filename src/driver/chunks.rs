//! Rows on their way from a piece of work that reads them to a stream that hands them out: in chunks, with a bounded
//! queue, so that memory stays flat and the work waits while nobody takes them. Used by drivers whose rows borrow from
//! the connection.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use crate::{fault::Fault, row::Row};

/// How many rows travel together at most.
const ROWS: usize = 128;
/// How long a row may wait for others to travel with. The first one goes at once.
const PATIENCE: Duration = Duration::from_millis(1);
/// How many chunks may wait.
const QUEUE: usize = 2;

/// Gathers rows and sends them.
#[derive(Debug)]
pub(super) struct Chunks {
    rows: Vec<Row>,
    queue: mpsc::Sender<Vec<Row>>,
    /// When the last chunk went.
    since: Option<Instant>,
}

impl Chunks {
    /// Whether the stream was dropped: nobody wants more rows.
    pub(super) fn is_unwanted(&self) -> bool {
        self.queue.is_closed()
    }

    /// Adds a row, and takes the chunk that is due with it.
    fn due(&mut self, row: Row) -> Option<Vec<Row>> {
        self.rows.push(row);
        let late = self.since.is_none_or(|since| since.elapsed() > PATIENCE);
        if !late && self.rows.len() < ROWS {
            return None;
        }
        self.since = Some(Instant::now());
        Some(std::mem::replace(&mut self.rows, Vec::with_capacity(ROWS)))
    }

    /// Adds a row, on a thread that may block.
    #[cfg(feature = "sqlite")]
    pub(super) fn push_blocking(&mut self, row: Row) {
        if let Some(chunk) = self.due(row) {
            // An error says that the stream was dropped, which is looked at before the next row.
            let _ = self.queue.blocking_send(chunk);
        }
    }

    /// Adds a row.
    #[cfg(feature = "mysql")]
    pub(super) async fn push(&mut self, row: Row) {
        if let Some(chunk) = self.due(row) {
            let _ = self.queue.send(chunk).await;
        }
    }

    /// Sends what is left, on a thread that may block.
    #[cfg(feature = "sqlite")]
    pub(super) fn end_blocking(self) {
        let _ = self.queue.blocking_send(self.rows);
    }

    /// Sends what is left.
    #[cfg(feature = "mysql")]
    pub(super) async fn end(self) {
        let _ = self.queue.send(self.rows).await;
    }
}

/// Where the rows come out.
#[derive(Debug)]
pub(super) struct Taken(mpsc::Receiver<Vec<Row>>);

/// A queue for the rows of one statement.
pub(super) fn chunks() -> (Chunks, Taken) {
    let (queue, taken) = mpsc::channel(QUEUE);
    (Chunks { rows: Vec::new(), queue, since: None }, Taken(taken))
}

impl Taken {
    /// The stream of the rows. `ended` tells how the work came out; it is asked when the rows are through.
    pub(super) fn stream<E>(self, ended: E) -> BoxStream<'static, Result<Row, Fault>>
    where
        E: Future<Output = Result<(), Fault>> + Send + 'static,
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
