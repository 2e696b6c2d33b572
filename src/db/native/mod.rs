//! The native client of a driver, lent inside the open block: for COPY, LISTEN and all else that the calls of [`Database`] do not
//! cover. Afterwards the state of the transaction is checked, so that no failure and no end goes unseen.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite-system")]
mod sqlite;

use std::sync::Arc;

#[cfg(feature = "mysql")]
pub use self::mysql::MysqlClient;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresClient;
use super::{Database, own_block::Place};
use crate::{
    error::{Error, ErrorKind},
    runtime::Frame,
    session::{DbFlight, DbSession, Lease, examine},
    traces,
    transaction::{
        control::{Control, Name},
        impact::{DriverError, Impact},
    },
};

/// The outcome of the body, or the error of a transaction that it has left open outside any block. The body's own error comes
/// first.
fn with_left<T, E>(result: Result<T, E>, left: Result<(), DriverError>) -> Result<Result<T, E>, DriverError> {
    match (result, left) {
        (Ok(_), Err(fault)) => Err(fault),
        (result, _) => Ok(result),
    }
}

/// The savepoint around the use of a native client. If it is gone afterwards, so is the transaction.
fn guard() -> Name {
    Name::Given("nestling_native".into())
}

fn wrong_driver(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this database is not a {what} database"))
}

impl Database {
    /// Whether the task has a pinned connection with no transaction on it: a transaction that a native client leaves open there
    /// would take in all that follows, and be rolled back in the end.
    fn is_pinned_alone(&self) -> bool {
        matches!(self.place(), Place::Frame(frame) if !frame.in_transaction())
    }

    /// Lends the connection of the block that the task has open, or one of its own; or that of a transaction of its own, where
    /// settings hold that a transaction must carry.
    async fn lend<Fut, T, E>(&self, body: impl FnOnce(Arc<Lease>) -> Fut) -> Result<T, E>
    where
        Fut: Future<Output = Result<Result<T, E>, DriverError>>,
        E: From<Error>,
    {
        match self.place() {
            Place::Frame(frame) => self.lend_in_frame(&frame, body).await,
            Place::OwnBlock => Box::pin(self.lend_in_own_block(body)).await,
            Place::Alone { held } => {
                let lease = self.shared().counted(self.shared().lease(held).await)?;
                body(Arc::new(Lease::from(lease))).await.map_err(|fault| self.shared().count_error(fault.error))?
            }
        }
    }

    async fn lend_in_own_block<Fut, T, E>(&self, body: impl FnOnce(Arc<Lease>) -> Fut) -> Result<T, E>
    where
        Fut: Future<Output = Result<Result<T, E>, DriverError>>,
        E: From<Error>,
    {
        let run = self.shared().counted(self.open_own_block().await)?;
        let result = run.part(self.lend_in_frame(run.frame(), body)).await;
        run.end(self.shared(), result.is_ok()).await?;
        result
    }

    async fn lend_in_frame<Fut, T, E>(
        &self,
        frame: &Arc<Frame<DbSession>>,
        body: impl FnOnce(Arc<Lease>) -> Fut,
    ) -> Result<T, E>
    where
        Fut: Future<Output = Result<Result<T, E>, DriverError>>,
        E: From<Error>,
    {
        let failed = |fault| self.shared().count_error(frame.fail(fault));
        let _permit = self.shared().counted(frame.alone("the native client").await)?;
        let session = frame.session_state().session();
        let lease = session.lease(frame).await.map_err(failed)?;
        let connection = lease.connection();
        // Dropped half-way, the body may have left anything undone: the block is aborted then.
        let flight = DbFlight::of(self.shared(), frame, lease.epoch());
        let into = if frame.in_transaction() { vec![Control::Savepoint(guard())] } else { Vec::new() };
        let entered = traces::steps(&flight, connection.control(&flight, &into)).await;
        lease.answered();
        if let Err(fault) = entered {
            flight.landed();
            return Err(failed(examine(&self.shared().pool, lease.made(), Some(frame), fault)).into());
        }
        let result = body(Arc::clone(&lease)).await;
        // In a future that was kept unpolled the connection may have another user by now (rule 6).
        if let Err(closed) = frame.check_open() {
            flight.landed();
            return Err(self.shared().count_error(closed).into());
        }
        // With the connection lost there is nothing to check.
        let left = if frame.in_transaction() && result.is_ok() {
            connection.control(&flight, &[Control::Release(guard())]).await.map_err(what_happened)
        } else {
            Ok(())
        };
        flight.landed();
        let lost = left.map_err(|fault| frame.fail(fault));
        // The body's own error comes before what it led to.
        let value = result.map_err(failed)??;
        self.shared().counted(lost)?;
        Ok(value)
    }
}

/// Why the guard could not be released.
fn what_happened(fault: DriverError) -> DriverError {
    let DriverError { error, impact } = fault;
    let (impact, text) = match (impact, error.code()) {
        (Impact::Connection | Impact::NotSent, _) => return DriverError { error, impact },
        (_, Some("25P02")) => (Impact::Block, "a statement of the native client has failed"),
        _ => (Impact::Transaction, "the transaction has ended while the native client was lent"),
    };
    DriverError::new(impact, Error::new(ErrorKind::Aborted, text).with_source(error))
}
