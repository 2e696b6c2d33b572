//! Where a statement runs; and the block of its own that it has where it must not run without the settings of its scope, or of
//! its database (rule 55), and in a sandbox (rule 74).

use std::sync::Arc;

use super::{Database, RowStream, block_run::BlockRun, options::BlockOptions};
use crate::{
    driver::{Answer, Query, Want},
    error::Error,
    runtime::{Context, Frame, StreamUse},
    session::{DbSession, with_current},
    transaction::control::Settings,
};

/// Where a statement runs.
pub(super) enum Place {
    /// In the innermost block that the task has open, or on the connection that is pinned.
    Frame(Arc<Frame<DbSession>>),
    /// In a transaction of its own, as settings hold here that only a transaction can carry, or as a sandbox is around.
    OwnBlock,
    /// On a connection of its own, of which the task has so many already.
    Alone { held: usize },
}

impl Database {
    pub(super) fn place(&self) -> Place {
        with_current(|context| match context.and_then(|context| context.innermost(self.id())) {
            Some(frame) if frame.in_transaction() => Place::Frame(Arc::clone(frame)),
            _ if self.needs_block(context) => Place::OwnBlock,
            Some(pinned) => Place::Frame(Arc::clone(pinned)),
            None => Place::Alone {
                held: context.map_or(0, |context| context.count_sessions(self.id(), DbSession::is_taken)),
            },
        })
    }

    /// Whether a statement outside any block needs one here.
    fn needs_block(&self, context: Option<&Context<DbSession>>) -> bool {
        self.shared().defaults.read_only() == Some(true)
            || context.is_some_and(|context| context.settings().is_some())
            || self.is_in_sandbox(context)
    }

    /// The settings of a transaction: its own ones, then those of its scope, then those of its database.
    pub(super) fn settings_of(&self, options: &BlockOptions, context: &Context<DbSession>) -> Settings {
        let (own, defaults) = (options.settings.clone(), &self.shared().defaults);
        match context.settings() {
            None => own.or(defaults),
            Some(scope) => own.or(scope).or(defaults),
        }
    }

    /// Runs a statement in a transaction of its own.
    ///
    /// # Cancel safety
    /// As [`atomic`](Self::atomic).
    pub(super) async fn in_own_block(&self, query: &Query<'_>, want: Want) -> Result<Answer, Error> {
        let run = self.open_own_block().await?;
        let frame = run.frame();
        let answer = run.part(async {
            if self.limits_statement_in(frame) {
                return self.dispatch_limited(Arc::clone(frame), query, want).await;
            }
            let _permit = frame.statement().await?;
            self.in_frame(frame, query, want, || ()).await.map(|(answer, _)| answer)
        });
        let answer = answer.await;
        run.end(self.shared(), answer.is_ok()).await?;
        answer
    }

    /// Opens a transaction for one statement, with the time limits of the database.
    pub(super) async fn open_own_block(&self) -> Result<BlockRun, Error> {
        let options = BlockOptions::default();
        let block = match self.limited(&options) {
            Some(limited) => self.open_limited(&limited).await?,
            None => self.open_block(&options).await?,
        };
        Ok(BlockRun::new(block))
    }

    /// Runs a query in a transaction of its own, which ends with the stream.
    pub(super) async fn stream_in_own_block(&self, query: &Query<'_>) -> Result<RowStream, Error> {
        let run = self.open_own_block().await?;
        let (usage, frame) = (Arc::new(StreamUse::new()), Arc::clone(run.frame()));
        let begun = run.part(async {
            let permit = frame.stream(&usage).await?;
            let (answer, lease) = if self.limits_statement_in(&frame) {
                self.in_frame_limited(&frame, query, Want::Stream).await?
            } else {
                self.in_frame(&frame, query, Want::Stream, || ()).await?
            };
            Ok((answer, lease, permit))
        });
        match begun.await {
            Ok((answer, lease, permit)) => Ok(self.rows_of(answer, lease, usage, (frame, permit)).with_block(run)),
            Err(error) => {
                run.end(self.shared(), false).await?;
                Err(error)
            }
        }
    }
}
