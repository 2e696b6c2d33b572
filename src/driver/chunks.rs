//! Rows on their way from a piece of work that reads them to a stream that hands them out: in chunks, with a bounded
//! queue, so that memory stays flat and the work waits while nobody takes them. Used by drivers whose rows borrow from
//! the connection.

use std::future::Future;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;

use crate::{fault::Fault, row::Row};

/// How many rows travel together.
const ROWS: usize = 128;
/// How many chunks may wait.
const QUEUE: usize = 2;

/// Gathers rows and sends them.
#[derive(Debug)]
pub(super) struct Chunks {
    rows: Vec<Row>,
    queue: mpsc::Sender<Vec<Row>>,
}

/// The stream was dropped: nobody wants more rows.
#[derive(Debug)]
pub(super) struct Unwanted;

impl Chunks {
    fn full(&mut self, row: Row) -> Option<Vec<Row>> {
        self.rows.push(row);
        (self.rows.len() == ROWS).then(|| std::mem::replace(&mut self.rows, Vec::with_capacity(ROWS)))
    }

    /// Adds a row, on a thread that may block.
    #[cfg(feature = "sqlite")]
    pub(super) fn push_blocking(&mut self, row: Row) -> Result<(), Unwanted> {
        match self.full(row) {
            Some(chunk) => self.queue.blocking_send(chunk).map_err(|_dropped| Unwanted),
            None => Ok(()),
        }
    }

    /// Adds a row.
    #[cfg(feature = "mysql")]
    pub(super) async fn push(&mut self, row: Row) -> Result<(), Unwanted> {
        match self.full(row) {
            Some(chunk) => self.queue.send(chunk).await.map_err(|_dropped| Unwanted),
            None => Ok(()),
        }
    }

    /// Waits until nobody takes rows any more.
    #[cfg(feature = "mysql")]
    pub(super) fn unwanted(&self) -> impl Future<Output = ()> + Send + use<> {
        // Whoever waits here keeps the stream from its end: it is dropped with the work.
        let queue = self.queue.clone();
        async move { queue.closed().await }
    }

    /// Sends what is left, on a thread that may block.
    #[cfg(feature = "sqlite")]
    pub(super) fn end_blocking(self) {
        // An error says that the stream was dropped, which ends it as well.
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
    (Chunks { rows: Vec::with_capacity(ROWS), queue }, Taken(taken))
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
