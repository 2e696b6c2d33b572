//! The body of a block: how it runs, and how the block ends as its body has ended.

use std::sync::Arc;

use crate::{
    error::Error,
    runtime::{Block, Scope},
    session::{DbSession, Shared},
    traces::{self, TransactionSpan},
};

/// Runs the body of a block, and ends the block as the body ended.
pub(super) async fn run<F, Fut, T, E>(shared: &Shared, block: Block<DbSession>, body: F) -> Result<T, E>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    if traces::is_on() {
        // Boxed, so that blocks that are not traced do not carry it.
        return Box::pin(run_traced(shared, block, body)).await;
    }
    let result = Scope::lazy(block.context(), body).await;
    end(shared, block, result).await
}

async fn run_traced<F, Fut, T, E>(shared: &Shared, block: Block<DbSession>, body: F) -> Result<T, E>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Error>,
{
    let frame = Arc::clone(block.frame());
    let body = Scope::lazy(block.context(), body);
    TransactionSpan::of(&frame).around(&shared.labels, &frame, async { end(shared, block, body.await).await }).await
}

/// Ends a block as its body ended.
pub(super) async fn end<T, E: From<Error>>(
    shared: &Shared,
    block: Block<DbSession>,
    result: Result<T, E>,
) -> Result<T, E> {
    match result {
        Ok(value) => {
            shared.counted(block.commit().await)?;
            Ok(value)
        }
        Err(error) => {
            block.rollback().await;
            Err(error)
        }
    }
}
