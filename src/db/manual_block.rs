//! A block whose body is a function, not a future: it is called with the context of the block in place. The blocking calls use
//! it.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{Database, block_run::BlockRun, blocks::check_joined, options::BlockOptions};
use crate::{
    error::{Error, ErrorKind},
    runtime::{Block, CallSite, Entered, Frame, joined},
    session::{DbSession, current},
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
    Own(BlockRun),
    /// A `transaction` that has joined the one around it.
    Joined(Arc<Frame<DbSession>>),
    /// A `connection` inside another block.
    Inside,
}

impl ManualBlock {
    fn own(block: Block<DbSession>) -> Self {
        Self::Own(BlockRun::new(block))
    }

    /// Calls the body of the block.
    pub(crate) fn call<T, E: 'static>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Own(run) => {
                let _span = run.enter();
                let mut context = Some(run.context());
                let _entered = Entered::new(&mut context);
                body()
            }
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
            Self::Own(run) => {
                let frame = Arc::clone(run.frame());
                let shared = frame.session_state().session().shared();
                let late = if result.is_ok() { frame.limits().and_then(|limits| limits.check().err()) } else { None };
                run.end(shared, result.is_ok() && late.is_none()).await?;
                late.map_or(result, |late| Err(shared.count_error(late).into()))
            }
            Self::Joined(_) | Self::Inside => result,
        }
    }

    /// Rolls the block back after its body panicked.
    pub(crate) async fn abandon(self) {
        if let Self::Own(run) = self {
            let frame = Arc::clone(run.frame());
            let _panic_goes_on = run.end(frame.session_state().session().shared(), false).await;
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
    pub(crate) async fn manual_savepoint(&self, options: &BlockOptions) -> Result<ManualBlock, Error> {
        self.shared().counted(self.open_savepoint(options).await).map(ManualBlock::own)
    }

    /// Pins a connection, unless the caller has one.
    pub(crate) fn manual_connection(&self, at: CallSite) -> Result<ManualBlock, Error> {
        if self.has_session() { Ok(ManualBlock::Inside) } else { self.open_pin(at).map(ManualBlock::own) }
    }
}
