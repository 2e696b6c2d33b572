//! A block whose body is a function, not a future: it is called with the context of the block in place. The blocking calls use
//! it.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{
    Database,
    blocks::{check_joined, end},
    options::BlockOptions,
};
use crate::{
    error::{Error, ErrorKind},
    runtime::{Block, CallSite, Entered, Frame, joined},
    session::{DbSession, current},
    traces::TransactionSpan,
    transaction::limits::Limits,
};

/// A body that joins and is called cannot be ended in time.
fn refuse_time(options: &BlockOptions) -> Result<(), Error> {
    if options.limits.is_none() {
        return Ok(());
    }
    let text = "a blocking transaction that joins has no time of its own; open a block with `atomic`";
    Err(Error::new(ErrorKind::SettingsMismatch, text))
}

/// An open block. Dropped before it was ended, it is rolled back.
#[derive(Debug)]
pub(crate) enum ManualBlock {
    /// A block of its own.
    Own(Block<DbSession>, TransactionSpan),
    /// A `transaction` that has joined the one around it.
    Joined(Arc<Frame<DbSession>>),
    /// A `connection` inside another block.
    Inside,
}

impl ManualBlock {
    fn own(block: Block<DbSession>) -> Self {
        let span = TransactionSpan::of(block.frame());
        Self::Own(block, span)
    }

    /// Calls the body of the block.
    pub(crate) fn call<T, E: 'static>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Own(block, span) => span.in_scope(|| {
                let mut context = Some(block.context());
                let _entered = Entered::new(&mut context);
                body()
            }),
            Self::Joined(frame) => {
                let around = current().unwrap_or_default();
                let body = joined(&around, frame, || async { body() });
                body.now_or_never().expect("a body that is called is ready at once")
            }
            Self::Inside => body(),
        }
    }

    /// Ends the block as its body ended.
    pub(crate) async fn end<T, E: From<Error>>(self, result: Result<T, E>) -> Result<T, E> {
        match self {
            // A body that is called cannot be dropped: at its deadline its statements end, and nothing is kept.
            Self::Own(block, span) => {
                let frame = Arc::clone(block.frame());
                let shared = frame.session_state().session().shared();
                let ended = async {
                    match (frame.limits().map(Limits::check), &result) {
                        (Some(Err(late)), Ok(_)) => {
                            block.rollback().await;
                            Err(shared.count_error(late).into())
                        }
                        _ => end(shared, block, result).await,
                    }
                };
                span.around(&shared.labels, &frame, ended).await
            }
            Self::Joined(_) | Self::Inside => result,
        }
    }

    /// Rolls the block back after its body panicked.
    pub(crate) async fn abandon(self) {
        if let Self::Own(block, span) = self {
            let frame = Arc::clone(block.frame());
            let rolled_back = async {
                block.rollback().await;
                Err(())
            };
            let labels = &frame.session_state().session().shared().labels;
            let _panic_goes_on: Result<(), ()> = span.around(labels, &frame, rolled_back).await;
        }
    }
}

impl Database {
    /// Opens a root or a savepoint, whichever is due, as [`atomic`](Self::atomic) does.
    pub(crate) async fn manual_atomic(&self, options: &BlockOptions) -> Result<ManualBlock, Error> {
        let opened = match self.limited(options) {
            Some(limited) => self.open_limited(&limited).await,
            None => self.open_in_time(options).await,
        };
        self.shared().counted(opened).map(ManualBlock::own)
    }

    /// Opens a root or joins the one that is open, as [`transaction`](Self::transaction) does in a scope.
    pub(crate) async fn manual_transaction(&self, options: &BlockOptions) -> Result<ManualBlock, Error> {
        match self.frame().filter(|frame| frame.in_transaction()) {
            Some(frame) => {
                let checked =
                    check_joined(options, &frame).and_then(|()| refuse_time(options)).and_then(|()| frame.check());
                self.shared().counted(checked)?;
                Ok(ManualBlock::Joined(frame))
            }
            None => self.manual_atomic(options).await,
        }
    }

    /// Opens a savepoint.
    pub(crate) async fn manual_savepoint(&self, name: Option<&str>, at: CallSite) -> Result<ManualBlock, Error> {
        self.shared().counted(self.open_savepoint(name, at).await).map(ManualBlock::own)
    }

    /// Pins a connection, unless the caller has one.
    pub(crate) fn manual_connection(&self, at: CallSite) -> Result<ManualBlock, Error> {
        Ok(self.pin(at)?.map_or(ManualBlock::Inside, ManualBlock::own))
    }
}
