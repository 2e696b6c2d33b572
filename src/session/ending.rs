//! How the work of a session ends: its transaction, what runs in it, its lease, and all sessions of a database that closes.
//! `DbSession` is here what the runtime asks of a [`Session`].

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::{
    counters::CountedFlight,
    current,
    flight::{DbFlight, examine},
    lease::{Cancellation, Owner},
    session::{DbSession, Shared},
};
use crate::{
    driver::State,
    error::{Error, ErrorKind},
    instruments::Timer,
    pool::closed,
    runtime::{Session, SessionState, TaskLocal, ThreadContext, require_live_runtime, within},
    traces,
    transaction::{
        control::{Control, Steps, Tally},
        impact::{CancelScope, DriverError, Impact},
        outcome::TransactionEnd,
    },
};

/// How long the rollback of a transaction may take before its connection is thrown away.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of sessions at the server may take beyond the time for open transactions, where these had to be ended.
const GOODBYE: Duration = Duration::from_secs(1);

impl TaskLocal for DbSession {
    #[inline]
    fn with_thread_context<T>(lend: impl FnOnce(&ThreadContext<Self>) -> T) -> Option<T> {
        current::with_thread_context(lend)
    }
}

impl Session for DbSession {
    fn database(&self) -> usize {
        self.shared().id
    }

    fn turn_timeout(&self) -> Duration {
        self.shared().turn_timeout
    }

    async fn finish(session_state: Arc<SessionState<Self>>, steps: Steps) -> Result<(), DriverError> {
        let session = session_state.session();
        let Some(lease) = session.taken() else {
            // It was taken away: the transaction ended with it.
            return Err(DriverError::harmless(Error::new(ErrorKind::ConnectionLost, "the connection is gone")));
        };
        session.cancelled(&lease).await?;
        let flight = DbFlight::ending(session.shared(), &session_state);
        let is_commit = matches!(steps.last(), Some(Control::Commit));
        let mut timer = Timer::of_end(is_commit);
        let work = || lease.connection().control(&flight, &steps);
        let work = traces::ending(session.labels(), session.take_transaction(), &steps, work);
        let result = if let Some(Control::Rollback) = steps.last() {
            // As for a block that is dropped: a transaction that is not rolled back in time ends with its connection.
            match Box::pin(within(PATIENCE, work)).await {
                Ok(Some(result)) => result,
                late => {
                    lease.condemn();
                    let text = "the transaction was not rolled back in time; its connection is thrown away";
                    let error = late.err().unwrap_or_else(|| Error::new(ErrorKind::ConnectionLost, text));
                    Err(DriverError::new(Impact::Connection, error))
                }
            }
        } else {
            work.await
        };
        let error = result.as_ref().err();
        timer.end(session.shared().pool.instruments(), error.map(|fault| &fault.error));
        session.ended(TransactionEnd::of(is_commit, error));
        result.map_err(|fault| {
            let mut fault = examine(&session.shared().pool, lease.made(), None, fault);
            fault.error = session.shared().count_error(fault.error);
            fault
        })
    }

    fn pipelines(&self) -> bool {
        self.shared().dialect.pipelines()
    }

    fn is_at_work(&self) -> bool {
        self.taken().is_some_and(|lease| lease.connection().state() == State::Busy)
    }

    fn undoes_settings(&self) -> bool {
        self.shared().dialect.undoes_settings()
    }

    fn interrupt(&self, scope: CancelScope) {
        self.take_stream();
        let Some(lease) = self.taken() else { return };
        if lease.is_lent() {
            // The caller's own code has the client, and may use it at any time: nothing else is sent any more.
            lease.condemn();
            self.is_cancelling.store(true, Ordering::Release);
            return;
        }
        if lease.connection().state() != State::Busy {
            // Nothing is outstanding, or it is lost.
            return;
        }
        let Some(handle) = lease.handle() else { return };
        let (over, ended) = oneshot::channel::<()>();
        let ended: Cancellation = ended.map(|_over| ()).boxed().shared();
        // One after the other: a wait for this one is a wait for all of them.
        let before = self.cancelling().replace(ended);
        self.is_cancelling.store(true, Ordering::Release);
        // Outside the lock: at the end of a runtime the task is dropped on the spot, and wakes its waiters.
        drop(handle.spawn(async move {
            if let Some(before) = before {
                before.await;
            }
            lease.connection().cancel(scope).await;
            drop(over);
        }));
    }

    fn release(&self) -> Option<JoinHandle<()>> {
        let left = self.leave();
        if self.counted.load(Ordering::Acquire) {
            let is_lost = left.as_ref().is_some_and(|(lease, _)| lease.connection().state() == State::Broken);
            self.ended(if is_lost { TransactionEnd::Lost } else { TransactionEnd::RolledBack });
        }
        let (lease, registration) = left?;
        self.take_stream();
        // Statements of other tasks, or futures that are kept unpolled, may still hold the lease: it is empty from here
        // on, as their block has ended.
        let shared = self.shared();
        let (counters, labels) = (Arc::clone(&shared.counters), Arc::clone(&shared.labels));
        let owner = Owner { labels, counters, transaction: self.take_transaction() };
        let cancellation = self.cancelling().take();
        let clean_up = lease.give_back(Some(owner), cancellation);
        drop(registration);
        clean_up
    }

    fn count(&self, tally: Tally) {
        self.shared().counters.count(tally);
    }
}

impl DbSession {
    /// Ends all that is open on the connection, and takes it away: it is thrown away as soon as no statement uses it. The
    /// session is lost already, so that its frames send nothing any more.
    fn end_now(&self) -> BoxFuture<'static, ()> {
        let (labels, counters) = (Arc::clone(self.labels()), Arc::clone(&self.shared().counters));
        let transaction = self.take_transaction();
        let left = self.leave();
        self.take_stream();
        Box::pin(async move {
            // It counts as open until it has ended.
            let Some((lease, _registration)) = left else { return };
            lease.condemn();
            let connection = lease.connection();
            if connection.state() == State::Busy {
                connection.cancel(CancelScope::Nothing).await;
            }
            let steps = [Control::Rollback];
            let flight = CountedFlight(&counters);
            // Should it fail, the connection is closed all the same.
            let _ = traces::ending(&labels, transaction, &steps, || connection.control(&flight, &steps)).await;
            drop(lease.give_back(None, None));
        })
    }
}

impl Shared {
    /// Closes the pool. Open transactions are waited for up to `close_timeout`, then ended; then the server's end of the
    /// sessions is waited for. Called again, it waits for what is still open: the first caller may have been dropped.
    pub(crate) async fn close(&self) {
        let patience = self.close_timeout;
        let (snapshot, sessions) = self.pool.close(|| self.registry.snapshot());
        if require_live_runtime().is_err() {
            // There is no clock to wait by: what is open ends now.
            return self.registry.lose_all(snapshot, &closed());
        }
        let start = Instant::now();
        let mut least = Duration::ZERO;
        if timeout(patience, self.registry.empty(snapshot)).await.is_err() {
            self.registry.end_all(snapshot, &closed(), DbSession::end_now).await;
            least = GOODBYE.min(patience);
        }
        let Some(sessions) = sessions else { return };
        let goodbye = async {
            let ended = sessions.all_ended().await;
            self.pool.driver().ended(&ended).await;
        };
        if timeout(patience.saturating_sub(start.elapsed()).max(least), goodbye).await.is_err() {
            tracing::debug!(target: "nestling", "the database was closed before the server had ended its sessions");
        }
    }
}
