//! A block that is held open by hand: its body is not a future but is called, with the context of the block in place. The
//! blocking calls run so.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{
    Database,
    blocks::{check_joined, end},
    local,
    options::Plan,
    session::DbSession,
};
use crate::{
    error::Error,
    runtime::{Block, Entered, Frame, joined},
};

/// An open block. Dropped before it was ended, it is rolled back.
#[derive(Debug)]
pub(crate) struct Held(What);

#[derive(Debug)]
enum What {
    /// A block of its own.
    Block(Block<DbSession>),
    /// A transaction that has joined the one around it.
    Joined(Arc<Frame<DbSession>>),
    /// Nothing was to be opened.
    Nothing,
}

impl Held {
    /// Calls the body of the block.
    pub(crate) fn call<T, E: 'static>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match &self.0 {
            What::Block(block) => {
                let mut context = Some(block.context());
                let _entered = Entered::new(&mut context);
                body()
            }
            What::Joined(frame) => {
                let around = local::current().unwrap_or_default();
                let body = joined(&around, frame, || async { body() });
                body.now_or_never().expect("a body that is called is ready at once")
            }
            What::Nothing => body(),
        }
    }

    /// Ends the block as its body ended.
    pub(crate) async fn end<T, E: From<Error>>(self, result: Result<T, E>) -> Result<T, E> {
        match self.0 {
            What::Block(block) => end(block, result).await,
            What::Joined(_) | What::Nothing => result,
        }
    }

    /// Rolls the block back after its body panicked.
    pub(crate) async fn abandon(self) {
        if let What::Block(block) = self.0 {
            block.rollback().await;
        }
    }
}

impl Database {
    /// Opens a root or a savepoint, whichever is due, as [`atomic`](Self::atomic) does.
    pub(crate) async fn hold_atomic(&self, plan: &Plan) -> Result<Held, Error> {
        let block = self.open_block(plan).await?;
        if plan.eager {
            self.pay_now(block.frame()).await?;
        }
        Ok(Held(What::Block(block)))
    }

    /// Opens a root or joins the one that is open, as [`transaction`](Self::transaction) does in a scope.
    pub(crate) async fn hold_transaction(&self, plan: &Plan) -> Result<Held, Error> {
        match self.frame().filter(|frame| frame.in_transaction()) {
            Some(frame) => {
                check_joined(plan, &frame)?;
                frame.check()?;
                Ok(Held(What::Joined(frame)))
            }
            None => self.hold_atomic(plan).await,
        }
    }

    /// Opens a savepoint.
    pub(crate) async fn hold_savepoint(&self, name: Option<&str>) -> Result<Held, Error> {
        self.open_savepoint(name).await.map(|block| Held(What::Block(block)))
    }

    /// Pins a connection, unless the caller has one.
    pub(crate) async fn hold_connection(&self) -> Result<Held, Error> {
        Ok(Held(self.pin().await?.map_or(What::Nothing, What::Block)))
    }
}
