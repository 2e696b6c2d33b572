//! Rows one by one: a stream that holds the turn of its block, or a connection of its own, until it ends.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, stream::BoxStream};

use super::{database::Inner, health::examine, lease::Lease, session::DbSession};
use crate::{
    driver::Answer,
    error::Error,
    fault::Fault,
    row::Row,
    runtime::{Frame, Turn},
};

/// The block that a stream is part of, with its turn in it.
pub(super) type Place = (Arc<Frame<DbSession>>, Turn<Arc<Frame<DbSession>>>);

/// The rows of a query, one by one, with memory that does not grow with their number.
///
/// It is a [`Stream`]; [`next`](Self::next) needs no trait in scope. Inside a block it has the block's turn until it
/// ends or is dropped: other statements of the block wait. Dropped half-way, it gives the turn back, and the rest of
/// the rows is thrown away.
#[must_use = "a stream does nothing unless it is polled"]
pub struct RowStream {
    rows: Option<BoxStream<'static, Result<Row, Fault>>>,
    // In this order: the connection is at rest before the next statement has its turn.
    lease: Option<Arc<Lease>>,
    place: Option<Place>,
    inner: Arc<Inner>,
}

impl RowStream {
    pub(super) fn new(inner: &Arc<Inner>, answer: Answer, lease: Arc<Lease>, place: Option<Place>) -> Self {
        Self { rows: answer.stream, lease: Some(lease), place, inner: Arc::clone(inner) }
    }

    /// The next row; `None` at the end, and after an error.
    ///
    /// # Cancel safety
    /// Dropped, it loses no row.
    pub async fn next(&mut self) -> Option<Result<Row, Error>> {
        futures_util::StreamExt::next(self).await
    }

    fn failed(&self, fault: Fault) -> Error {
        let frame = self.place.as_ref().map(|(frame, _)| frame);
        let fault = match &self.lease {
            Some(lease) => examine(&self.inner, lease, frame.map(|frame| &**frame), fault),
            None => fault,
        };
        frame.map_or(fault.error.clone(), |frame| frame.fail(fault))
    }

    /// The connection and the turn go as soon as the last row was taken.
    fn end(&mut self) {
        self.rows = None;
        self.lease = None;
        self.place = None;
    }
}

impl Stream for RowStream {
    type Item = Result<Row, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(rows) = self.rows.as_mut() else {
            return Poll::Ready(None);
        };
        let next = match rows.poll_next_unpin(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(row))) => return Poll::Ready(Some(Ok(row))),
            Poll::Ready(Some(Err(fault))) => Some(Err(self.failed(fault))),
            Poll::Ready(None) => None,
        };
        self.end();
        Poll::Ready(next)
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("ended", &self.rows.is_none()).finish_non_exhaustive()
    }
}
