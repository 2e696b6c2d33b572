//! Blocks that are dropped at any moment: after so many polls, after so many requests, or by the abort of their task.
//!
//! Used by the machine. What such a block has done by then, only the model's choices say.

use std::{future::poll_fn, sync::Arc, task::Poll};

use futures_util::future::BoxFuture;
use nestling::Context;
use tokio::task::yield_now;

use super::{
    super::program::{End, Kind, Steps, Way},
    Around, Machine, Outcome, Stop, none_has,
};
use crate::drops::polled;

type Block = BoxFuture<'static, Result<Outcome, Stop>>;

impl Machine {
    /// A block that can be handed to another task.
    pub(super) fn owned_block(
        self: Arc<Self>,
        number: u32,
        kind: Kind,
        body: Steps,
        end: End,
        around: Around,
    ) -> Block {
        Box::pin(async move { self.block(number, kind, &body, end, &around).await })
    }

    /// Runs a block until it ends or is dropped. Alone, outside of all blocks, it is waited for until nothing of it is left:
    /// what comes next would otherwise meet it, or not.
    pub(super) async fn dropped(&self, way: Way, alone: bool, block: Block) -> Result<Outcome, Stop> {
        let ended = match way {
            Way::Polls(count) => polled(count, block).await,
            Way::Flights(count) => self.until_sent(count, block).await,
            Way::Abort(yields) => aborted(yields, alone, block).await,
        };
        if alone {
            self.at_rest().await;
        }
        ended.unwrap_or(Ok(Outcome::Dropped))
    }

    async fn until_sent(&self, count: u64, mut block: Block) -> Option<Result<Outcome, Stop>> {
        let end = self.db.stats().flights + count;
        poll_fn(|cx| match block.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if self.db.stats().flights >= end => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Waits until no body is there and nobody uses a connection.
    async fn at_rest(&self) {
        none_has(&self.bodies).await;
        let is_at_rest = |stats: nestling::status::Stats| stats.transactions == 0 && stats.connections == stats.idle;
        wait_while!(!is_at_rest(self.db.stats()));
    }
}

async fn aborted(yields: usize, alone: bool, block: Block) -> Option<Result<Outcome, Stop>> {
    let task = if alone { tokio::spawn(block) } else { tokio::spawn(Context::current().enter(block)) };
    for _ in 0..yields {
        yield_now().await;
    }
    task.abort();
    match task.await {
        Ok(result) => Some(result),
        Err(error) if error.is_cancelled() => None,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
