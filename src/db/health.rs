//! The health of the server: `ping`, and what an error tells of the server rather than of its statement.

use tokio::time::timeout;

use super::{
    Database, database::Inner, dispatch::is_lost, lease::Lease, local, pooled_connection::SIGN_OF_LIFE,
    session::DbSession, trace,
};
use crate::{
    driver::Want,
    error::{Error, ErrorKind, ServerClass},
    runtime::Frame,
    transaction::impact::DriverError,
};

/// How often another connection is tried because one turned out to be dead. After the first time the others are looked at
/// before they are used.
const RETRIES: u32 = 3;

impl Database {
    /// Makes sure that the database answers: one round trip on a connection of the pool, or on a new one where none is idle.
    ///
    /// It is for health checks: [`connect`](Self::connect) does nothing where there is a connection, dead or alive. It waits
    /// for a connection for up to [`acquire_timeout`](crate::DatabaseBuilder::acquire_timeout), and for the answer for up to
    /// [`connect_timeout`](crate::DatabaseBuilder::connect_timeout). Connections that turn out to be dead are replaced. Inside a block
    /// of this database it still takes a connection of its own, and leaves the block alone.
    ///
    /// # Errors
    /// `Connect` if no connection can be made, or the server does not answer; `PoolTimeout` if none came free in time;
    /// `ConnectionLost` if connections are lost as soon as they are made; `Closed`.
    ///
    /// # Cancel safety
    /// Dropped, it has no effect: the connection is given back once it is idle, or thrown away.
    ///
    /// # Examples
    /// ```
    /// # use nestling::Database;
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// db.ping().await?;
    /// # Ok(()) }
    /// ```
    pub async fn ping(&self) -> Result<(), Error> {
        let (pool, wait) = (&self.inner().pool, self.inner().options.connect_timeout);
        let mut retries = 0;
        loop {
            let held = local::held(self.id(), None);
            let lease = Lease::from(trace::acquire(self.inner(), None, pool.lease(held)).await?);
            let sign = lease.connection().run(&(), SIGN_OF_LIFE, Want::Batch);
            let Ok(answer) = timeout(wait, sign).await else {
                lease.condemn();
                pool.distrust();
                let text = format!("the database did not answer within {wait:?}");
                return Err(Error::new(ErrorKind::Connect, text));
            };
            match answer {
                Ok(_) => return Ok(()),
                Err(fault) if is_lost(&fault) && retries < RETRIES => {
                    retries += 1;
                    pool.distrust();
                }
                Err(fault) => return Err(examine(self.inner(), lease.made(), None, fault).error),
            }
        }
    }
}

/// Looks at what went wrong with a flight over a connection that was `made` in some epoch of its pool: an error that says that the server is not what it was opened for retires all
/// connections to it. Running the transaction again may then help; but not where it is the transaction that may not write,
/// nor where something outside a transaction may have taken effect.
pub(super) fn examine(inner: &Inner, made: u64, frame: Option<&Frame<DbSession>>, fault: DriverError) -> DriverError {
    if fault.error.class() != ServerClass::WrongServer {
        return fault;
    }
    let is_lost = is_lost(&fault);
    let may_not_write = frame.and_then(Frame::settings).is_some_and(|settings| settings.read_only() == Some(true));
    if !may_not_write || is_lost {
        inner.pool.retire(made);
    }
    let is_outside = frame.is_none_or(|frame| !frame.in_transaction());
    if (may_not_write && !is_lost) || (is_outside && is_lost) {
        return DriverError { error: fault.error.without_class(), ..fault };
    }
    fault
}
