//! Blocks and statements with time limits (rule 54). All of it is boxed by its callers: what has no limit carries nothing
//! of it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{
    Database, RowStream,
    blocks::{check_joined, end},
    options::BlockOptions,
    queries::REPLAYS,
};
use crate::{
    driver::{Answer, Dialect, Query, Want},
    error::{Error, ErrorKind},
    runtime::{Block, Bounded, DeadlineClock, Frame, Scope, StreamUse, joined, within},
    session::{DbFlight, DbSession, IdleWatch, Lease, StatementLease, current, examine},
    traces::{self, TransactionSpan},
    transaction::{
        impact::{CancelScope, Impact},
        limits::{Deadline, Limits, RequestedLimits, late_statement},
    },
};

impl Database {
    /// The options of a block that has time limits, its own or those of the database, with their time running.
    #[inline]
    pub(super) fn limited(&self, options: &BlockOptions) -> Option<Box<BlockOptions>> {
        let defaults = self.shared().limits.as_deref();
        if options.limits.is_none() && defaults.is_none() { None } else { self.limited_by(options, defaults) }
    }

    #[cold]
    fn limited_by(&self, options: &BlockOptions, defaults: Option<&RequestedLimits>) -> Option<Box<BlockOptions>> {
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

    /// Runs a block with time limits.
    pub(super) async fn run_limited<F, Fut, T, E>(&self, options: Box<BlockOptions>, body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let deadline = own_deadline(&options);
        let block = self.shared().counted(self.open_limited(&options).await)?;
        let frame = Arc::clone(block.frame());
        let _watch = if frame.parent().is_none_or(|parent| !parent.in_transaction()) && !self.is_sandboxed() {
            IdleWatch::over(&frame)
        } else {
            None
        };
        let body_and_end = async {
            let result = until(deadline, Scope::lazy(block.context(), body), || frame.is_in_use()).await?;
            match result {
                Some(result) if result.is_err() || !deadline.is_some_and(|deadline| deadline.is_over()) => {
                    self.in_time(end(self.shared(), block, result), &frame, deadline).await
                }
                Some(_) | None => {
                    roll_back_late(block).await;
                    Err(self.late(deadline).into())
                }
            }
        };
        TransactionSpan::of(&frame).around(&self.shared().labels, &frame, body_and_end).await
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

    /// As `alone`: the time begins when there is a connection.
    async fn alone_limited(
        &self,
        held: usize,
        query: &Query<'_>,
        want: Want,
    ) -> Result<(Answer, StatementLease), Error> {
        let mut replays = 0;
        loop {
            let lease = self.shared().lease(held).await?;
            let mut flight = DbFlight::alone(self.shared()).with(query, want, || lease.since());
            let work = traces::statement(&flight, query, want, || lease.connection().run(&flight, *query, want));
            let Some(result) = Bounded::new(self.statement_end(), work, || true).await? else {
                return Err(late_statement(self.statement_time(None)).with_statement(query.sql));
            };
            flight.answered(&result);
            match result.map_err(|fault| examine(&self.shared().pool, lease.made(), None, fault)) {
                Ok(answer) => return Ok((answer, lease)),
                // It was never sent: it may go over another connection.
                Err(fault) if fault.impact == Impact::NotSent && replays < REPLAYS => replays += 1,
                Err(fault) => return Err(self.shared().explain(fault.error)),
            }
        }
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
        let limit = match limits {
            Some(limits) => limits.of_statement(frame.cancel_scope()).map(|limit| limit.at),
            None => self.statement_end(),
        };
        let Some(at) = limit else { return self.in_frame(frame, query, want).await };
        // Boxed, so that it can be dropped behind the abort.
        let mut work = Box::pin(Bounded::new(Some(at), self.in_frame(frame, query, want), || true));
        match work.as_mut().await? {
            Some(result) if limits.is_some() => result,
            Some(result) => result.map_err(|error| self.shared().explain(error)),
            None => {
                let error = match limits.map(Limits::check) {
                    Some(Err(error)) => error,
                    _ => late_statement(self.statement_time(limits)),
                };
                let error = error.with_statement(query.sql);
                // The cause of all that follows, rather than that the statement was dropped.
                frame.abort(error.clone());
                Err(error)
            }
        }
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
        until(limits.deadline, leased, || false).await?.unwrap_or_else(|| limits.check())
    }

    /// The time that a statement has, apart from that of its transaction.
    fn statement_time(&self, limits: Option<&Limits>) -> Duration {
        let own = limits.and_then(|limits| limits.statement);
        own.or_else(|| self.shared().limits.as_ref()?.statement).unwrap_or_default()
    }

    /// When a statement outside any transaction must have ended that begins now.
    fn statement_end(&self) -> Option<Instant> {
        Instant::now().checked_add(self.shared().limits.as_ref()?.statement?)
    }

    /// The error of a block at its deadline, on its way to the caller.
    fn late(&self, deadline: Option<Deadline>) -> Error {
        self.shared()
            .count_error(deadline.map(|deadline| deadline.error()).expect("only a deadline ends a block early"))
    }

    /// Ends a block in time. A COMMIT that is on its way runs to its end, and its outcome is told.
    async fn in_time<T, E: From<Error>>(
        &self,
        end: impl Future<Output = Result<T, E>>,
        frame: &Frame<DbSession>,
        deadline: Option<Deadline>,
    ) -> Result<T, E> {
        let mut clock = deadline.map(|deadline| DeadlineClock::new(deadline.at));
        let mut end = Box::pin(end);
        poll_fn(|cx| {
            if let Poll::Ready(result) = end.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            match &mut clock {
                // The frame is closed in the poll that sends the COMMIT. What is waited for ahead of it are statements of other tasks:
                // the drop of the block stops them and rolls back.
                Some(clock) if !frame.is_closed() => {
                    clock.poll(cx, || false).map(|over| Err(over.err().unwrap_or_else(|| self.late(deadline)).into()))
                }
                _ => Poll::Pending,
            }
        })
        .await
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

/// How long the caller of a block that is late waits for its rollback, which goes on without it.
const ROLLBACK: Duration = Duration::from_secs(1);

async fn roll_back_late(block: Block<DbSession>) {
    // Without a clock it is dropped, and rolls back then.
    let _in_time = within(ROLLBACK, block.rollback()).await;
}
