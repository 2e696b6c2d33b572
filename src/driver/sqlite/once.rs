//! Work that cannot be repeated: streams, some of whose rows may have been taken, and calls with the native connection.
//! It runs on the connection's thread and waits there for locks.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    attempt::{Attempts, TakenSteps, WaitLimits, owned},
    classify,
    connection::SqliteConnection,
    connection_state::ConnectionState,
    rows,
    shared::IDLE,
    write_access::WorkError,
};
use crate::{
    driver::{Answer, Query, left_open},
    transaction::{impact::DriverError, owed::Flight},
};

impl SqliteConnection {
    /// Runs a statement on the connection's thread, which waits while the stream is not polled.
    pub(super) async fn stream(&self, flight: &dyn Flight, query: Query<'_>) -> Result<Answer, DriverError> {
        if flight.needs_transaction() && self.shared.state.load(Ordering::Acquire) == IDLE {
            // The lock of BEGIN is awaited first: the stream itself cannot be repeated.
            self.run_work(flight, &[], |_| Ok(()), || |_: &mut ConnectionState| Ok(())).await?;
        }
        let (permit, number) = self.shared.owned_permit().await;
        let (producer, rows) = rows::channel(Arc::clone(&self.shared.cancel), number);
        let (sql, params) = owned(query);
        let work = move |conn: &mut ConnectionState| producer.run(conn, Query::new(&sql, &params));
        Ok(Answer::stream(rows.until(self.queue_once(flight, number, permit, work)?)))
    }

    /// Lends the native connection, as one piece of work.
    pub(crate) async fn lend<T: Send + 'static>(
        &self,
        flight: &dyn Flight,
        work: impl FnOnce(&mut rusqlite::Connection) -> T + Send + 'static,
    ) -> Result<T, DriverError> {
        let (permit, number) = self.shared.owned_permit().await;
        let shared = Arc::clone(&self.shared);
        let work = move |conn: &mut ConnectionState| {
            shared.needs_reset.store(true, Ordering::Release);
            conn.cancel.set_would_roll_back(!conn.db.is_autocommit());
            conn.metas.forget();
            Ok(work(&mut conn.db))
        };
        self.queue_once(flight, number, permit, work)?.await
    }

    /// Rolls back a transaction that the native client has left open outside any block.
    ///
    /// # Errors
    /// `RolledBack` if there was one.
    pub(crate) async fn end_left_open(&self) -> Result<(), DriverError> {
        let ended = self.lend(&(), |db| {
            let is_open = !db.is_autocommit();
            let ended = if is_open { db.execute_batch("ROLLBACK") } else { Ok(()) };
            ended.map(|()| is_open).map_err(|error| DriverError::harmless(classify::statement(error, "ROLLBACK")))
        });
        if ended.await?? { Err(left_open()) } else { Ok(()) }
    }

    /// Takes the owed steps, and queues work that cannot be repeated on the connection's thread.
    fn queue_once<T, W>(
        &self,
        flight: &dyn Flight,
        number: u64,
        permit: OwnedSemaphorePermit,
        work: W,
    ) -> Result<impl Future<Output = Result<T, DriverError>> + Send + use<T, W>, DriverError>
    where
        T: Send + 'static,
        W: FnOnce(&mut ConnectionState) -> Result<T, WorkError> + Send + 'static,
    {
        let waiting = WaitLimits::of(&Attempts::default(), flight, self.shared.patience, Duration::MAX);
        let waiting = WaitLimits { blocks: true, ..waiting };
        let steps = flight.take().map_err(DriverError::harmless)?.into_steps();
        let queued = self.queue(number, permit, TakenSteps::new(steps, &[], flight), waiting, work)?;
        let (shared, in_block) = (Arc::clone(&self.shared), flight.needs_transaction());
        Ok(async move {
            match queued.await {
                Ok(Err(WorkError::Waits(_in_vain))) => Err(shared.locked(in_block)),
                Ok(Err(WorkError::Failed(fault))) => Err(fault),
                Ok(Ok(out)) => Ok(out),
                Err(_gone) => Err(classify::lost()),
            }
        })
    }
}
