//! Blocks and statements with time limits (rule 54). All of it is boxed by its callers: what has no limit carries nothing
//! of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Database, RowStream, block_run::BlockRun, blocks::check_joined, options::BlockOptions,
    statement_clock::StatementClock,
};
use crate::{
    driver::{Answer, Dialect, Query, Want},
    error::{Error, ErrorKind},
    runtime::{Block, Bounded, Frame, StreamUse, joined, within},
    session::{DbSession, IdleWatch, Lease, StatementLease, current},
    transaction::{
        impact::CancelScope,
        limits::{Deadline, Limits, RequestedLimits},
    },
};

impl Database {
    /// Whether a block may have time limits, its own or those of the database.
    #[inline]
    pub(super) fn may_limit(&self, options: &BlockOptions) -> bool {
        options.limits.is_some() || self.shared().limits.is_some()
    }

    /// The options of a block that has time limits, its own or those of the database, with their time running.
    pub(super) fn limited(&self, options: &BlockOptions) -> Option<Box<BlockOptions>> {
        let defaults = self.shared().limits.as_deref();
        if !self.may_limit(options) {
            return None;
        }
        let frame = self.frame();
        let outer = frame.as_ref().filter(|frame| frame.in_transaction());
        let own = options.limits.as_deref().copied();
        let mut asked = match (outer, own) {
            // It has the limits of the blocks around it.
            (Some(_), None) => return None,
            (Some(_), Some(own)) => own,
            (None, own) => defaults.map_or(own.unwrap_or_default(), |defaults| own.unwrap_or_default().or(defaults)),
        };
        asked.start();
        let scope = match (outer, &frame) {
            (Some(_), _) => CancelScope::Transaction,
            (None, Some(_)) => CancelScope::Session,
            (None, None) if self.is_sandboxed() => CancelScope::Transaction,
            (None, None) => CancelScope::Nothing,
        };
        let limits = Limits::new(&asked, outer.and_then(|outer| outer.limits()), scope);
        let settings = self.dialect().with_limits(
            options.settings.clone(),
            self.time_at_server(&asked, outer.is_some()),
            asked.lock,
            asked.idle.filter(|_| outer.is_none()),
        );
        let settings = settings.with_limits(Arc::new(limits));
        Some(Box::new(BlockOptions { settings, limits: Some(Box::new(asked)), ..options.clone() }))
    }

    /// The time of a statement that is set at the server with the beginning of a block. Where each flight tells the server
    /// the rest of a transaction's time, it is set for a nested block, so that it is set back behind it.
    fn time_at_server(&self, asked: &RequestedLimits, is_nested: bool) -> Option<Duration> {
        let left = asked.left();
        if left.is_some() && !is_nested && self.dialect() == Dialect::Postgres {
            return None;
        }
        left.into_iter().chain(asked.statement).min()
    }

    /// Opens a block with time limits, with what is around its body.
    pub(super) async fn open_limited_run(&self, options: Box<BlockOptions>) -> Result<BlockRun, Error> {
        let block = self.open_limited(&options).await?;
        let frame = block.frame();
        let is_outermost = frame.parent().is_none_or(|parent| !parent.in_transaction());
        let idle = if is_outermost && !self.is_sandboxed() { IdleWatch::over(frame) } else { None };
        Ok(BlockRun::watched(block, own_deadline(&options), idle))
    }

    /// Opens a block with time limits, by its deadline.
    pub(super) async fn open_limited(&self, options: &BlockOptions) -> Result<Block<DbSession>, Error> {
        let deadline = own_deadline(options);
        until(deadline, self.open_in_time(options), || false).await?.unwrap_or_else(|| Err(self.late(deadline)))
    }

    pub(super) async fn open_in_time(&self, options: &BlockOptions) -> Result<Block<DbSession>, Error> {
        let block = self.open_block(options).await?;
        if options.eager {
            self.lease_limited(block.frame()).await?;
            self.send_owed(block.frame()).await?;
        }
        Ok(block)
    }

    /// Runs the body of a `transaction` that joins, and has a time of its own.
    pub(super) async fn join_limited<F, Fut, T, E>(
        &self,
        mut options: BlockOptions,
        frame: Arc<Frame<DbSession>>,
        body: F,
    ) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error> + 'static,
    {
        self.shared().counted(check_joined(&options, &frame).and_then(|()| frame.check()))?;
        let around = current().unwrap_or_default();
        let deadline = options.limits.as_mut().and_then(|limits| {
            limits.start();
            deadline_of(limits)
        });
        let result = until(deadline, joined(&around, &frame, body), || frame.is_in_use()).await?;
        result.unwrap_or_else(|| Err(self.late(deadline).into()))
    }

    /// Whether a statement has time limits.
    #[inline]
    pub(super) fn limits_statement_in(&self, frame: &Frame<DbSession>) -> bool {
        frame.limits().is_some() || self.shared().limits.is_some()
    }

    /// As `dispatch`, in a block, within the time limits.
    pub(super) async fn dispatch_limited(
        &self,
        frame: Arc<Frame<DbSession>>,
        query: &Query<'_>,
        want: Want,
    ) -> Result<Answer, Error> {
        let _permit = frame.statement().await?;
        self.in_frame_limited(&frame, query, want).await.map(|(answer, _)| answer)
    }

    /// As `dispatch_stream`, in a block, within the time limits.
    pub(super) async fn stream_limited(
        &self,
        frame: Arc<Frame<DbSession>>,
        query: &Query<'_>,
    ) -> Result<RowStream, Error> {
        let usage = Arc::new(StreamUse::new());
        let permit = frame.stream(&usage).await?;
        let (answer, lease) = self.in_frame_limited(&frame, query, Want::Stream).await?;
        Ok(self.rows_of(answer, lease, usage, (frame, permit)))
    }

    /// As `dispatch`, outside any block, within the time limit of the database.
    pub(super) async fn dispatch_alone(&self, held: usize, query: &Query<'_>, want: Want) -> Result<Answer, Error> {
        let (answer, lease) = self.alone_limited(held, query, want).await?;
        if let Some(under_way) = lease.give_back() {
            // It ends early only at the end of its runtime, and this task with it.
            let _ = under_way.await;
        }
        Ok(answer)
    }

    /// As `dispatch_stream`, outside any block, within the time limit of the database.
    pub(super) async fn stream_alone(&self, held: usize, query: &Query<'_>) -> Result<RowStream, Error> {
        let (answer, lease) = self.alone_limited(held, query, Want::Stream).await?;
        Ok(RowStream::new(self.shared(), answer, Arc::new(lease.into()), Arc::new(StreamUse::new()), None))
    }

    /// As `alone`, within the time limit of the database.
    async fn alone_limited(
        &self,
        held: usize,
        query: &Query<'_>,
        want: Want,
    ) -> Result<(Answer, StatementLease), Error> {
        let result = self.alone(held, query, want, || self.clock(None, CancelScope::Nothing)).await;
        result.map_err(|error| self.shared().explain(error))
    }

    /// As `in_frame`, within the time limits.
    pub(super) async fn in_frame_limited(
        &self,
        frame: &Arc<Frame<DbSession>>,
        query: &Query<'_>,
        want: Want,
    ) -> Result<(Answer, Arc<Lease>), Error> {
        self.lease_limited(frame).await?;
        let limits = frame.limits();
        let result = self.in_frame(frame, query, want, || self.clock(limits, frame.cancel_scope())).await;
        if limits.is_some() { result } else { result.map_err(|error| self.shared().explain(error)) }
    }

    /// The clock of a statement that begins now, in a frame with these limits and of this scope, or outside of one with limits.
    fn clock(&self, limits: Option<&Limits>, scope: CancelScope) -> StatementClock {
        let time = limits.map_or_else(|| self.shared().limits.as_ref()?.statement, |limits| limits.statement);
        let at = match limits {
            Some(limits) => limits.of_statement(scope).map(|limit| limit.at),
            None => time.and_then(|time| Instant::now().checked_add(time)),
        };
        StatementClock { at, time: time.unwrap_or_default(), deadline: limits.and_then(|limits| limits.deadline) }
    }

    /// Has the session of a block lease its connection, within the times for that.
    async fn lease_limited(&self, frame: &Arc<Frame<DbSession>>) -> Result<(), Error> {
        let session = frame.session_state().session();
        let Some(limits) = frame.limits().filter(|_| !session.is_taken()) else { return Ok(()) };
        let lease = async { session.lease(frame).await.map(drop).map_err(|fault| frame.fail(fault)) };
        let leased = async {
            match limits.acquire {
                None => lease.await,
                Some(wait) => within(wait, lease).await?.unwrap_or_else(|| {
                    self.shared().pool.timed_out();
                    let text = format!(
                        "no connection came free within the {wait:?} that the block has for it: {}",
                        self.shared().pool.describe_use()
                    );
                    Err(Error::new(ErrorKind::PoolTimeout, text))
                }),
            }
        };
        let outcome = until(limits.deadline, leased, || false).await?.unwrap_or_else(|| limits.check());
        // The block may have ended meanwhile, whatever came of the wait (rule 6).
        outcome.map_err(|error| frame.check_open().err().unwrap_or(error))
    }

    /// The error of a block at its deadline, on its way to the caller.
    fn late(&self, deadline: Option<Deadline>) -> Error {
        self.shared()
            .count_error(deadline.map(|deadline| deadline.error()).expect("only a deadline ends a block early"))
    }
}

fn deadline_of(limits: &RequestedLimits) -> Option<Deadline> {
    Limits::new(limits, None, CancelScope::Nothing).deadline
}

/// The deadline that a block keeps by itself: its own, unless one around it comes first.
fn own_deadline(options: &BlockOptions) -> Option<Deadline> {
    let own = options.limits.as_ref()?.deadline?;
    options.settings.limits()?.deadline.filter(|deadline| deadline.at == own)
}

/// Waits for a future until a deadline, if there is one; `None` when it is over.
fn until<F, B>(deadline: Option<Deadline>, future: F, is_in_flight: B) -> Bounded<F, B> {
    Bounded::new(deadline.map(|deadline| deadline.at), future, is_in_flight)
}
