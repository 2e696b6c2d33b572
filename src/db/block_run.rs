//! [`BlockRun`]: an open block with what is around its body: the span of its transaction, its deadline, the watch over its
//! idleness. It ends the block, and knows no types of bodies.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    error::Error,
    runtime::{self, Block, DeadlineClock, Frame, within},
    session::{DbSession, IdleWatch, Shared},
    traces::{self, EnteredSpan, TransactionSpan},
    transaction::limits::Deadline,
};

/// How long the caller of a block that is late waits for its rollback, which goes on without it.
const ROLLBACK: Duration = Duration::from_secs(1);

/// Why a body was stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    Late(Deadline),
    /// There is no clock for its deadline.
    NoClock(Error),
}

/// An open block with what is around its body. Its drop drops the block, in its span.
#[derive(Debug)]
pub(crate) enum BlockRun {
    /// Nearly all blocks.
    Plain(Block<DbSession>),
    Watched(Box<Watched>),
}

/// A block that has time limits or is traced.
#[derive(Debug)]
pub(crate) struct Watched {
    /// `None` once it ends.
    block: Option<Block<DbSession>>,
    span: TransactionSpan,
    deadline: Option<(Deadline, DeadlineClock)>,
    _idle: Option<IdleWatch>,
}

const OPEN: &str = "only its end takes the block";

impl BlockRun {
    /// A block without a deadline of its own.
    #[inline]
    pub(super) fn new(block: Block<DbSession>) -> Self {
        if traces::is_on() { Self::limited(block, None, None) } else { Self::Plain(block) }
    }

    #[cold]
    pub(super) fn limited(block: Block<DbSession>, deadline: Option<Deadline>, idle: Option<IdleWatch>) -> Self {
        let span = TransactionSpan::of(block.frame());
        let deadline = deadline.map(|deadline| (deadline, DeadlineClock::new(deadline.at)));
        Self::Watched(Box::new(Watched { block: Some(block), span, deadline, _idle: idle }))
    }

    #[inline]
    fn block(&self) -> &Block<DbSession> {
        match self {
            Self::Plain(block) => block,
            Self::Watched(watched) => watched.block.as_ref().expect(OPEN),
        }
    }

    #[inline]
    pub(super) fn frame(&self) -> &Arc<Frame<DbSession>> {
        self.block().frame()
    }

    /// The context of the body.
    #[inline]
    pub(super) fn context(&self) -> runtime::Context<DbSession> {
        self.block().context()
    }

    /// Enters the span of the transaction, if there may be one.
    #[inline]
    pub(super) fn enter(&self) -> Option<EnteredSpan<'_>> {
        match self {
            Self::Plain(_) => None,
            Self::Watched(watched) => Some(watched.span.enter()),
        }
    }

    /// Runs a part of the block in its span.
    pub(super) async fn part<T>(&self, work: impl Future<Output = T>) -> T {
        match self {
            Self::Plain(_) => work.await,
            Self::Watched(watched) => watched.span.part(work).await,
        }
    }

    /// Ready when the body, which is pending, is to be stopped.
    #[inline]
    pub(super) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        match self {
            Self::Plain(_) => Poll::Pending,
            Self::Watched(watched) => watched.poll_stopped(cx),
        }
    }

    /// Commits or rolls back. At a deadline that is over nothing is committed.
    ///
    /// # Errors
    /// Those of COMMIT, or of the deadline.
    pub(super) async fn end(self, shared: &Shared, commits: bool) -> Result<(), Error> {
        match self {
            Self::Plain(block) if commits => shared.counted(block.commit().await),
            Self::Plain(block) => {
                block.rollback().await;
                Ok(())
            }
            Self::Watched(watched) => Box::pin(watched.end(shared, commits)).await,
        }
    }

    /// Rolls back what was stopped; returns the error of the block.
    pub(super) async fn stop(self, shared: &Shared, stopped: Stopped) -> Error {
        let error = match (stopped, self) {
            (Stopped::NoClock(error), run) => {
                run.leave(shared, true);
                error
            }
            (Stopped::Late(deadline), Self::Plain(_)) => deadline.error(),
            (Stopped::Late(deadline), Self::Watched(mut watched)) => {
                let block = watched.block.take().expect(OPEN);
                let frame = Arc::clone(block.frame());
                watched.span.part(roll_back_late(block)).await;
                watched.span.ended(&shared.labels, &frame, true);
                deadline.error()
            }
        };
        shared.count_error(error)
    }

    /// Drops the block.
    pub(super) fn leave(self, shared: &Shared, has_failed: bool) {
        if let Self::Watched(watched) = &self {
            watched.span.ended(&shared.labels, self.frame(), has_failed);
        }
    }
}

impl Watched {
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        let (Some(block), Some((deadline, clock))) = (&self.block, &mut self.deadline) else { return Poll::Pending };
        let is_in_flight = || block.frame().is_in_use();
        clock.poll(cx, is_in_flight).map(|over| over.map_or_else(Stopped::NoClock, |()| Stopped::Late(*deadline)))
    }

    async fn end(mut self: Box<Self>, shared: &Shared, commits: bool) -> Result<(), Error> {
        let (block, deadline) = (self.block.take().expect(OPEN), self.deadline.take());
        let frame = Arc::clone(block.frame());
        let ended = async {
            match deadline {
                Some((deadline, _)) if commits && deadline.is_over() => {
                    roll_back_late(block).await;
                    Err(shared.count_error(deadline.error()))
                }
                deadline => end_in_time(shared, block, commits, deadline).await,
            }
        };
        let result = self.span.part(ended).await;
        self.span.ended(&shared.labels, &frame, !commits || result.is_err());
        result
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            let _entered = self.span.enter();
            drop(block);
        }
    }
}

/// Ends a block by its deadline, if it has one. A COMMIT that is on its way runs to its end, and its outcome is told.
async fn end_in_time(
    shared: &Shared,
    block: Block<DbSession>,
    commits: bool,
    mut deadline: Option<(Deadline, DeadlineClock)>,
) -> Result<(), Error> {
    let frame = Arc::clone(block.frame());
    let mut end = pin!(async {
        if commits {
            return shared.counted(block.commit().await);
        }
        block.rollback().await;
        Ok(())
    });
    poll_fn(|cx| {
        if let Poll::Ready(result) = end.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        match &mut deadline {
            // The frame is closed in the poll that sends the COMMIT. What is waited for ahead of it are statements of other tasks:
            // the drop of the block stops them and rolls back.
            Some((deadline, clock)) if !frame.is_closed() => clock.poll(cx, || false).map(|over| {
                let error = over.err().unwrap_or_else(|| deadline.error());
                Err(shared.count_error(error))
            }),
            _ => Poll::Pending,
        }
    })
    .await
}

async fn roll_back_late(block: Block<DbSession>) {
    // Without a clock it is dropped, and rolls back then.
    let _in_time = within(ROLLBACK, block.rollback()).await;
}
