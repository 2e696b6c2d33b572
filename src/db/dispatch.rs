//! How a statement finds its connection: in the innermost block that its task has open, or on a connection of its own.

use std::sync::Arc;

use super::{
    Database, RowStream,
    lease::Lease,
    local,
    session::DbSession,
    trace::{self, Observed},
};
use crate::{
    driver::{Answer, Query, Want},
    error::Error,
    fault::{Fault, NoDebt, Verdict},
    runtime::{Flight, Frame},
};

/// How often a statement is sent again because its connection turned out to be dead. After the first time the others
/// are looked at before they are used.
const REPLAYS: u32 = 3;

impl Database {
    /// The innermost block that the current task has open on this database, a pinned connection included.
    pub(super) fn frame(&self) -> Option<Arc<Frame<DbSession>>> {
        local::with_current(|context| context?.innermost(self.id()).cloned())
    }

    /// Runs a statement wherever it belongs.
    ///
    /// # Cancel safety
    /// Dropped before it is sent, it leaves no trace. Dropped in flight, the server is asked to stop it: outside a block
    /// nothing else happens, inside one the block can only be rolled back.
    pub(super) async fn dispatch(&self, query: Query<'_>, want: Want) -> Result<Answer, Error> {
        match self.frame() {
            Some(frame) => {
                let _turn = frame.statement().await?;
                self.in_frame(&frame, query, want).await.map(|(answer, _)| answer)
            }
            None => {
                let (answer, lease) = self.alone(query, want).await?;
                if !lease.is_clean() {
                    // Boxed, as few statements leave anything behind.
                    Box::pin(lease.clean()).await;
                }
                Ok(answer)
            }
        }
    }

    /// As [`dispatch`](Self::dispatch), for a stream, which keeps its turn and its connection until it ends.
    pub(super) async fn dispatch_stream(&self, query: Query<'_>) -> Result<RowStream, Error> {
        let Some(frame) = self.frame() else {
            let (answer, lease) = self.alone(query, Want::Stream).await?;
            return Ok(RowStream::new(answer, Arc::new(lease), None));
        };
        let turn = frame.alone("a stream of rows").await?;
        let (answer, lease) = self.in_frame(&frame, query, Want::Stream).await?;
        Ok(RowStream::new(answer, lease, Some((frame, turn))))
    }

    async fn in_frame(
        &self,
        frame: &Arc<Frame<DbSession>>,
        query: Query<'_>,
        want: Want,
    ) -> Result<(Answer, Arc<Lease>), Error> {
        self.inner().counters.statements.add(1);
        let session = frame.trunk().session();
        let mut replays = 0;
        loop {
            let lease = session.lease(frame).await.map_err(|fault| frame.fail(fault))?;
            let flight = Flight::new(frame);
            let observed = Observed::new(&flight, self.inner(), Some(frame));
            let work = lease.connection().run(&observed, query, want);
            let result = trace::statement(&observed, query, work).await;
            drop(observed);
            flight.landed();
            match result {
                Err(fault) if is_lost(&fault) => {
                    if !may_go_again(&fault, frame) || replays == REPLAYS || !session.replaces(&lease, frame.trunk()) {
                        return Err(frame.fail(fault));
                    }
                    replays += 1;
                }
                result if session.answered(&lease) => {
                    return result.map(|answer| (answer, lease)).map_err(|fault| frame.fail(fault));
                }
                _of_a_replaced_connection => {}
            }
        }
    }

    /// Runs a statement on a connection borrowed for it alone, which is back before this returns (rule 2).
    async fn alone(&self, query: Query<'_>, want: Want) -> Result<(Answer, Lease), Error> {
        self.inner().counters.statements.add(1);
        let held = local::held(self.id(), None);
        let mut replays = 0;
        loop {
            let lease = trace::acquire(self.inner(), None, self.inner().pool.lease(held)).await?;
            let observed = Observed::new(&NoDebt, self.inner(), None);
            let work = lease.connection().run(&observed, query, want);
            match trace::statement(&observed, query, work).await {
                Ok(answer) => return Ok((answer, lease)),
                // It was never sent: another connection may take it.
                Err(fault) if fault.verdict == Verdict::Unsent && replays < REPLAYS => {
                    replays += 1;
                    self.inner().pool.distrust();
                }
                Err(fault) => return Err(fault.error),
            }
        }
    }
}

/// Whether a statement of `frame` may be sent again, for all that the fault tells. On a pinned connection outside a
/// transaction it may have been committed with the answer that was lost.
fn may_go_again(fault: &Fault, frame: &Frame<DbSession>) -> bool {
    fault.verdict == Verdict::Unsent || (is_lost(fault) && frame.in_transaction())
}

pub(super) fn is_lost(fault: &Fault) -> bool {
    matches!(fault.verdict, Verdict::Lost | Verdict::Unsent)
}
