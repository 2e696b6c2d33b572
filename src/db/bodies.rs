//! The body of a block: how it runs. What is around it and does not depend on its types is in `block_run.rs`, so that a
//! program has it once, however many blocks it has.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::{pin_project, pinned_drop};

use super::{
    Database,
    block_run::{BlockRun, Stopped},
    options::{BlockKind, BlockOptions},
};
use crate::{error::Error, runtime::Scope, session::DbSession};

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
