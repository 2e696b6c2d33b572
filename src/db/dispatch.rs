//! How a statement finds its connection: in the innermost block that its task has open, or on a connection of its own.

use std::sync::Arc;

use super::{Database, RowStream};
use crate::{
    driver::{Answer, Dialect, Query, Want},
    error::{Error, ErrorKind},
    runtime::{Frame, StreamUse},
    session::{DbFlight, DbSession, Lease, StatementLease, examine, trace, with_current},
    sql::effects,
    transaction::impact::{DriverError, Impact},
};

/// How often a statement is sent again because its connection turned out to be dead. After the first time the others
/// are looked at before they are used.
const REPLAYS: u32 = 3;

impl Database {
    /// The innermost block that the current task has open on this database, a pinned connection included.
    pub(super) fn frame(&self) -> Option<Arc<Frame<DbSession>>> {
        with_current(|context| context?.innermost(self.id()).cloned())
    }

    /// Where a statement belongs: in the innermost block that the task has open, or else on a connection of its own,
    /// besides so many that the task has.
    fn place(&self) -> Result<Arc<Frame<DbSession>>, usize> {
        with_current(|context| {
            let Some(context) = context else { return Err(0) };
            let frame = context.innermost(self.id()).cloned();
            frame.ok_or_else(|| context.count_sessions(self.id(), DbSession::is_taken))
        })
    }

    /// Runs a statement wherever it belongs.
    ///
    /// # Cancel safety
    /// Dropped before it is sent, it leaves no trace. Dropped in flight, the server is asked to stop it: outside a block
    /// nothing else happens, inside one the block can only be rolled back.
    pub(super) async fn dispatch(&self, query: &Query<'_>, want: Want) -> Result<Answer, Error> {
        match self.place() {
            Ok(frame) => {
                let _turn = frame.statement().await?;
                self.in_frame(&frame, query, want).await.map(|(answer, _)| answer)
            }
            Err(held) => {
                let (answer, lease) = self.alone(held, query, want).await?;
                if let Some(under_way) = lease.give_back() {
                    // It ends early at the end of its runtime alone, which nobody outlives here.
                    let _ = under_way.await;
                }
                Ok(answer)
            }
        }
    }

    /// As [`dispatch`](Self::dispatch), for a stream, which keeps its turn and its connection until it ends.
    pub(super) async fn dispatch_stream(&self, query: &Query<'_>) -> Result<RowStream, Error> {
        let frame = match self.place() {
            Ok(frame) => frame,
            Err(held) => {
                let (answer, lease) = self.alone(held, query, Want::Stream).await?;
                let (lease, usage) = (Arc::new(Lease::from(lease)), Arc::new(StreamUse::new()));
                return Ok(RowStream::new(self.shared(), answer, lease, usage, None));
            }
        };
        let usage = Arc::new(StreamUse::new());
        let turn = frame.stream(&usage).await?;
        let (answer, lease) = self.in_frame(&frame, query, Want::Stream).await?;
        let session = frame.session_state().session();
        let rows = RowStream::new(self.shared(), answer, lease, usage, Some((Arc::clone(&frame), turn)));
        session.keep_stream(rows.source());
        if frame.is_closed() {
            // Whoever ended the block may have come too early to find the stream.
            session.take_stream();
        }
        Ok(rows)
    }

    async fn in_frame(
        &self,
        frame: &Arc<Frame<DbSession>>,
        query: &Query<'_>,
        want: Want,
    ) -> Result<(Answer, Arc<Lease>), Error> {
        self.shared().counters.statements.add(1);
        let session = frame.session_state().session();
        let mut replays = 0;
        loop {
            let lease = session.lease(frame).await.map_err(|fault| frame.fail(fault))?;
            let flight = DbFlight::of(self.shared(), frame, lease.epoch());
            let work = || lease.connection().run(&flight, *query, want);
            let result = trace::statement(&flight, query, work).await;
            flight.landed();
            // A future that was kept and is polled at last: whatever came of the statement, its block has ended (rule 6).
            frame.check_open()?;
            match result.map_err(|fault| examine(&self.shared().pool, lease.made(), Some(frame), fault)) {
                Err(fault) if fault.is_lost() => {
                    let again = fault.impact == Impact::NotSent || self.may_run_twice(query, frame, &lease);
                    if !again || replays == REPLAYS || !session.replaces(&lease, frame.session_state()) {
                        return Err(frame.fail(fault));
                    }
                    replays += 1;
                }
                result if session.answered(&lease) => {
                    return result.map(|answer| (answer, lease)).map_err(|fault| frame.fail(fault));
                }
                Err(DriverError { impact: Impact::None, .. }) => {}
                _of_a_replaced_connection if self.may_run_twice(query, frame, &lease) => {}
                _of_a_replaced_connection => {
                    let text = "the connection was lost together with the transaction that this statement ran in";
                    let error = Error::new(ErrorKind::ConnectionLost, text).with_statement(query.sql);
                    return Err(frame.fail(DriverError::new(Impact::Connection, error)));
                }
            }
        }
    }

    /// Whether a statement that may have run may run again, in a transaction begun anew: if the first one is taken back
    /// with its transaction, which other databases than PostgreSQL do not promise of every table, and PostgreSQL not of
    /// everything that can be called. It is done for connections that died while they were at rest. On a pinned
    /// connection outside a transaction it may have been committed with the answer that was lost.
    fn may_run_twice(&self, query: &Query<'_>, frame: &Frame<DbSession>, lease: &Lease) -> bool {
        self.dialect() == Dialect::Postgres
            && frame.in_transaction()
            && lease.was_at_rest()
            && effects::only_touches_rows(query.sql)
    }

    /// Runs a statement on a connection borrowed for it alone, which is back before this returns (rule 2). The task has
    /// `held` connections of the database.
    async fn alone(&self, held: usize, query: &Query<'_>, want: Want) -> Result<(Answer, StatementLease), Error> {
        self.shared().counters.statements.add(1);
        let mut replays = 0;
        loop {
            let lease = match self.shared().lease_at_hand(held) {
                Some(lease) => lease,
                // Boxed, as a statement that need not wait would carry it.
                None => Box::pin(self.shared().lease(held)).await?,
            };
            let flight = DbFlight::alone(self.shared());
            let work = || lease.connection().run(&flight, *query, want);
            let result = trace::statement(&flight, query, work).await;
            match result.map_err(|fault| examine(&self.shared().pool, lease.made(), None, fault)) {
                Ok(answer) => return Ok((answer, lease)),
                // It was never sent: another connection may take it.
                Err(fault) if fault.impact == Impact::NotSent && replays < REPLAYS => {
                    replays += 1;
                    self.shared().pool.mark_unverified();
                }
                Err(fault) => return Err(fault.error),
            }
        }
    }
}
