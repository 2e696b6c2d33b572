//! Rows one by one: a stream that holds the lock of its block, or a connection of its own, until it ends.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};

use super::block_run::BlockRun;
use crate::{
    data::row::Row,
    driver::Answer,
    error::Error,
    revocable::{Gone, Revocable},
    runtime::{Frame, Permit, StreamUse},
    session::{DbSession, Lease, RowSource, Shared, examine},
    traces::EnteredSpan,
    transaction::impact::DriverError,
};

/// The block that a stream is part of, with its permit.
pub(super) type FramePermit = (Arc<Frame<DbSession>>, Permit<Arc<Frame<DbSession>>>);

/// A transaction that only this stream runs in.
enum OwnBlock {
    Open(BlockRun),
    /// Its rows were read to their end.
    /// Never locked: it only makes the stream `Sync`, as streams without a block of their own are.
    Ending(Mutex<Ending>),
}

type Ending = BoxFuture<'static, Result<(), Error>>;

impl OwnBlock {
    /// Commits.
    fn end(self, shared: &Arc<Shared>) -> Ending {
        match self {
            Self::Open(run) => {
                let shared = Arc::clone(shared);
                async move { run.end(&shared, true).await }.boxed()
            }
            Self::Ending(ending) => ending.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The rows of a query, one by one, with memory that does not grow with their number.
///
/// It is a [`Stream`]; [`next`](Self::next) needs no trait in scope. Inside a block it has the block's turn until it
/// ends or is dropped: other statements of the block wait. Dropped half-way, it gives the turn back, and the rest of
/// the rows is thrown away. Kept beyond the end of its block, it gives `FrameClosed` and nothing more.
///
/// In a [`scope`](crate::scope) with settings a stream outside any block has a transaction of its own: it is committed behind the
/// last row, and rolled back if the stream is dropped half-way.
///
/// A statement of the same task that waits for a turn while the stream is held but not read on ends in `TurnTimeout` at
/// once, as no other task can read the stream on.
#[must_use = "a stream does nothing unless it is polled"]
pub struct RowStream {
    source: Arc<RowSource>,
    usage: Arc<StreamUse>,
    // In this order: the connection is at rest before the next statement has its permit.
    lease: Option<Arc<Lease>>,
    permit: Option<FramePermit>,
    /// Dropped before its end, it is rolled back.
    own: Option<OwnBlock>,
    shared: Arc<Shared>,
}

impl RowStream {
    pub(super) fn new(
        shared: &Arc<Shared>,
        answer: Answer,
        lease: Arc<Lease>,
        usage: Arc<StreamUse>,
        permit: Option<FramePermit>,
    ) -> Self {
        usage.opened();
        if permit.is_none() {
            shared.pool.add_stream(&usage);
        }
        let rows = answer.stream.unwrap_or_else(|| futures_util::stream::empty().boxed());
        Self {
            source: Arc::new(Revocable::new(rows)),
            usage,
            lease: Some(lease),
            permit,
            own: None,
            shared: Arc::clone(shared),
        }
    }

    /// The same stream, with the block that ends with it.
    pub(super) fn with_block(mut self, run: BlockRun) -> Self {
        // Its connection is none that the task has by its context.
        self.shared.pool.add_stream(&self.usage);
        self.own = Some(OwnBlock::Open(run));
        self
    }

    pub(super) fn source(&self) -> &Arc<RowSource> {
        &self.source
    }

    /// The next row; `None` at the end, and after an error.
    ///
    /// # Cancel safety
    /// Dropped, it loses no row.
    pub async fn next(&mut self) -> Option<Result<Row, Error>> {
        futures_util::StreamExt::next(self).await
    }

    fn failed(&self, fault: DriverError) -> Error {
        let frame = self.permit.as_ref().map(|(frame, _)| frame);
        let fault = match &self.lease {
            Some(lease) => examine(&self.shared.pool, lease.made(), frame.map(|frame| &**frame), fault),
            None => fault,
        };
        let error = match frame {
            Some(frame) => frame.check_open().err().unwrap_or_else(|| frame.fail(fault)),
            None => fault.error,
        };
        self.shared.count_error(self.shared.explain(error))
    }

    /// Enters the span of the transaction that only this stream runs in, if there is one.
    fn enter(&self) -> Option<EnteredSpan<'_>> {
        match &self.own {
            Some(OwnBlock::Open(run)) => run.enter(),
            Some(OwnBlock::Ending(_)) | None => None,
        }
    }

    /// Rolls back the transaction that only this stream ran in, if there is one that is open still.
    fn undo(&mut self, has_failed: bool) {
        if let Some(OwnBlock::Open(run)) = self.own.take() {
            run.leave(&self.shared, has_failed);
        }
    }

    /// Releases the connection and the permit as soon as the last row was taken.
    fn end(&mut self) {
        {
            let _entered = self.enter();
            self.source.end();
        }
        // Ahead of the connection, which may take its time.
        self.usage.ended();
        self.lease = None;
        self.permit = None;
    }

    /// The item once the rows are gone: the error of the ended block, once, or nothing.
    fn gone(&mut self, gone: Gone) -> Option<Result<Row, Error>> {
        let closed = self.permit.as_ref().and_then(|(frame, _)| frame.check_open().err());
        self.end();
        self.undo(false);
        let closed = closed.filter(|_| gone == Gone::Revoked)?;
        Some(Err(self.shared.count_error(closed)))
    }

    /// Behind the last row: commits the transaction that only this stream ran in, if there is one.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Row, Error>>> {
        let Some(own) = self.own.take() else { return Poll::Ready(None) };
        let mut ending = own.end(&self.shared);
        match ending.poll_unpin(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.err().map(Err)),
            Poll::Pending => {
                self.own = Some(OwnBlock::Ending(Mutex::new(ending)));
                Poll::Pending
            }
        }
    }
}

impl Stream for RowStream {
    type Item = Result<Row, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(OwnBlock::Ending(_)) = self.own {
            return self.poll_end(cx);
        }
        let mut rows = match self.source.lend() {
            Ok((rows, _waker)) => rows,
            Err(gone) => return Poll::Ready(self.gone(gone)),
        };
        let next = {
            let _entered = self.enter();
            rows.poll_next_unpin(cx)
        };
        self.usage.polled(next.is_pending());
        let fault = match next {
            Poll::Ready(Some(Err(fault))) => Some(fault),
            Poll::Ready(None) => None,
            Poll::Pending | Poll::Ready(Some(Ok(_))) => {
                let waker = next.is_pending().then(|| cx.waker().clone());
                let is_ours = self.source.put_back(rows, waker);
                return if is_ours { next.map_err(|fault| fault.error) } else { Poll::Ready(self.gone(Gone::Revoked)) };
            }
        };
        let last = fault.map(|fault| self.failed(fault));
        self.end();
        match last {
            None => self.poll_end(cx),
            Some(error) => {
                self.undo(true);
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.end();
        self.undo(false);
    }
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("ended", &self.lease.is_none()).finish_non_exhaustive()
    }
}
