//! How a block runs: [`BlockRun`], an open block with what is around its body, and the future of the body in it. Whatever does
//! not depend on the types of a body is in `BlockRun`, so that a program has it once, however many blocks it has.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project::{pin_project, pinned_drop};

use super::{
    Database,
    options::{BlockKind, BlockOptions},
};
use crate::{
    error::Error,
    runtime::{self, Block, DeadlineClock, Frame, Scope, within},
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
        if traces::is_on() { Self::watched(block, None, None) } else { Self::Plain(block) }
    }

    #[cold]
    pub(super) fn watched(block: Block<DbSession>, deadline: Option<Deadline>, idle: Option<IdleWatch>) -> Self {
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

impl Database {
    /// Opens a block, runs its body, and ends the block as the body ended.
    pub(crate) async fn run_block<F, Fut, T, E>(&self, options: &BlockOptions, body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let mut run = if self.is_plain(options) {
            BlockRun::new(self.shared().counted(self.open_block(options).await)?)
        } else {
            // Boxed, as it is seldom used and all blocks would carry it.
            Box::pin(self.open_run(options)).await?
        };
        match Body::new(&mut run, body).await {
            Ok(result) => {
                run.end(self.shared(), result.is_ok()).await?;
                result
            }
            Err(stopped) => Err(Box::pin(run.stop(self.shared(), stopped)).await.into()),
        }
    }

    #[inline]
    fn is_plain(&self, options: &BlockOptions) -> bool {
        options.kind == BlockKind::Atomic && !options.eager && !self.may_limit(options)
    }

    async fn open_run(&self, options: &BlockOptions) -> Result<BlockRun, Error> {
        let opened = match options.kind {
            BlockKind::Atomic => match self.limited(options) {
                Some(limited) => self.open_limited_run(limited).await,
                None => self.open_in_time(options).await.map(BlockRun::new),
            },
            BlockKind::Savepoint => self.open_savepoint(options).await.map(BlockRun::new),
            BlockKind::Pin => self.open_pin(options.at).map(BlockRun::new),
        };
        self.shared().counted(opened)
    }
}

/// A body in its run. It is dropped in the span of the run, as it is polled there.
#[pin_project(PinnedDrop)]
struct Body<'r, F, M> {
    #[pin]
    scope: Scope<F, DbSession, M>,
    run: &'r mut BlockRun,
}

impl<'r, F, M: FnOnce() -> F> Body<'r, F, M> {
    #[inline]
    fn new(run: &'r mut BlockRun, body: M) -> Self {
        Self { scope: Scope::lazy(run.context(), body), run }
    }
}

impl<F: Future, M: FnOnce() -> F> Future for Body<'_, F, M> {
    type Output = Result<F::Output, Stopped>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = {
            let _entered = this.run.enter();
            this.scope.poll(cx)
        };
        match polled {
            Poll::Ready(out) => Poll::Ready(Ok(out)),
            Poll::Pending => this.run.poll_stopped(cx).map(Err),
        }
    }
}

#[pinned_drop]
impl<F, M> PinnedDrop for Body<'_, F, M> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some(_entered) = this.run.enter() {
            this.scope.drop_body();
        }
    }
}
