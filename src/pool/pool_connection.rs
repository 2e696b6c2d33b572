//! [`PoolConnection`]: a connection in the hands of a callback of the program, before anybody uses it. It is good until the
//! callback has ended, whatever becomes of the handle. It knows no pool.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use futures_util::FutureExt as _;
use tokio::runtime::Handle;

use crate::{
    data::{params::Params, row::Row},
    driver::{Answer, Connection, Dialect, Query, State, Want},
    error::{Error, ErrorKind},
    sql::statement,
    transaction::impact::CancelScope,
};

/// A connection that is not in use: a new one, in [`after_connect`](crate::DatabaseBuilder::after_connect), or an idle one that
/// is about to be lent, in [`before_acquire`](crate::DatabaseBuilder::before_acquire).
///
/// Its statements run on this very connection, outside any block, and each is committed on its own. It is good until the
/// callback that got it has ended: after that each call is `FrameClosed`, and one that has begun sends nothing more.
pub struct PoolConnection {
    lent: Arc<Mutex<Lent>>,
    dialect: Dialect,
}

struct Lent {
    /// Until the callback has ended.
    connection: Option<Arc<dyn Connection>>,
    /// How many calls have begun and not ended.
    calls: usize,
}

fn lock(lent: &Mutex<Lent>) -> MutexGuard<'_, Lent> {
    // Each change under this lock is one assignment.
    lent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that has begun, until this is dropped.
struct Call<'l>(&'l Mutex<Lent>);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        lock(self.0).calls -= 1;
    }
}

impl PoolConnection {
    /// Runs a statement, and returns how many rows it affected, as [`Database::execute`](crate::Database::execute) does.
    ///
    /// # Errors
    /// As [`Database::execute`](crate::Database::execute); `FrameClosed` once the callback has ended.
    ///
    /// # Cancel safety
    /// Dropped before it has ended, the connection is closed.
    pub async fn execute(&self, sql: &str, params: impl Into<Params>) -> Result<u64, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect.syntax())?;
        Ok(self.run(Query::new(sql, params.as_slice()), Want::Count).await?.affected)
    }

    /// Runs a query, and returns all its rows.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn query(&self, sql: &str, params: impl Into<Params>) -> Result<Vec<Row>, Error> {
        let params = params.into();
        statement::refuse_control(sql, self.dialect.syntax())?;
        Ok(self.run(Query::new(sql, params.as_slice()), Want::Rows).await?.rows)
    }

    /// Runs a text of several statements without parameters.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn batch(&self, sql: &str) -> Result<(), Error> {
        statement::check_batch(sql, self.dialect.syntax())?;
        self.run(Query::new(sql, &[]), Want::Batch).await.map(drop)
    }

    /// Which SQL the database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn run(&self, query: Query<'_>, want: Want) -> Result<Answer, Error> {
        let (connection, _call) = {
            let mut lent = lock(&self.lent);
            let connection = Arc::clone(lent.connection.as_ref().ok_or_else(over)?);
            lent.calls += 1;
            (connection, Call(&self.lent))
        };
        let mut work = connection.run(&(), query, want);
        // A call may be left between two messages of one statement: what follows is not sent then.
        poll_fn(|cx| {
            if self.is_over() {
                return Poll::Ready(Err(over()));
            }
            match work.poll_unpin(cx) {
                // The callback has ended while this was sent: it may have looked ahead of that.
                Poll::Pending if self.is_over() => {
                    stop(&connection, Handle::try_current().ok().as_ref());
                    Poll::Ready(Err(over()))
                }
                polled => polled.map(|result| result.map_err(|fault| fault.error)),
            }
        })
        .await
    }

    fn is_over(&self) -> bool {
        lock(&self.lent).connection.is_none()
    }
}

fn over() -> Error {
    Error::new(ErrorKind::FrameClosed, "the callback that this connection was given to has ended")
}

/// Stops what is under way: the server must not go on with it until it sees that the connection is closed.
fn stop(connection: &Arc<dyn Connection>, handle: Option<&Handle>) {
    if connection.state() == State::Busy
        && let Some(handle) = handle
    {
        let connection = Arc::clone(connection);
        drop(handle.spawn(async move { connection.cancel(CancelScope::Nothing).await }));
    }
}

impl fmt::Debug for PoolConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConnection").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

/// The time for which a callback has a connection. Dropped, the handle is dead, and what it has under way is stopped.
pub(super) struct Loan {
    connection: Arc<dyn Connection>,
    lent: Arc<Mutex<Lent>>,
    /// The runtime of the callback: the loan may be dropped outside of it.
    handle: Option<Handle>,
}

impl Loan {
    /// A loan, and the handle for the callback.
    pub(super) fn of(connection: &Arc<dyn Connection>, dialect: Dialect) -> (Self, PoolConnection) {
        let lent = Arc::new(Mutex::new(Lent { connection: Some(Arc::clone(connection)), calls: 0 }));
        let (connection, handle) = (Arc::clone(connection), Handle::try_current().ok());
        (Self { connection, lent: Arc::clone(&lent), handle }, PoolConnection { lent, dialect })
    }

    /// Ends the loan. False if something was left under way: a call that is kept, a transaction, an answer that is awaited.
    pub(super) fn end(self) -> bool {
        let calls = {
            let mut lent = lock(&self.lent);
            lent.connection = None;
            lent.calls
        };
        calls == 0 && matches!(self.connection.state(), State::Idle | State::NeedsReset)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let held = lock(&self.lent).connection.take();
        drop(held);
        stop(&self.connection, self.handle.as_ref());
    }
}
