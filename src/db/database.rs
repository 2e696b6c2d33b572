//! The database handle: connecting, health checks, closing and statistics.

use std::sync::Arc;

use tokio::time::timeout;

#[cfg(feature = "metrics")]
use crate::instruments::Gauges;
use crate::{
    driver::{Dialect, Want},
    error::{Error, ErrorKind},
    pool::SIGN_OF_LIFE,
    session::{Lease, Shared, Stats, examine, held},
};

/// How often `ping` tries another connection because one turned out to be dead. After the first time the others are checked
/// before they are used.
const RETRIES: u32 = 3;

/// A database, with its pool of connections.
///
/// It is a handle: clones share the pool, and cost next to nothing. Nothing is connected before it is needed.
///
/// # Examples
/// ```
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// use nestling::{Database, Error, params};
///
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table account (name text primary key, balance integer not null)").await?;
///
/// // Any function, at any depth of the call tree, takes part in the transaction that its task has open.
/// async fn deposit(db: &Database, name: &str, amount: i64) -> Result<(), Error> {
///     db.execute("insert into account values ($1, $2)", params![name, amount]).await?;
///     Ok(())
/// }
///
/// db.atomic(|| async {
///     deposit(&db, "ada", 100).await?;
///     let twice = db.atomic(|| async { deposit(&db, "ada", 1).await }).await;   // a savepoint
///     assert!(twice.expect_err("the name is taken").is_unique_violation());
///     deposit(&db, "grace", 50).await                                           // the transaction goes on
/// })
/// .await?;
/// assert_eq!(db.query("select * from account", params![]).await?.len(), 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The number by which its frames are found.
    pub(crate) fn id(&self) -> usize {
        self.shared.id
    }

    /// Makes sure that the database can be reached. It need not be called: the first query connects.
    ///
    /// Concurrent callers share one attempt. Called again, it does nothing: [`ping`](Self::ping) checks whether the
    /// database still answers. After [`close`](Self::close) it opens the database anew.
    ///
    /// # Errors
    /// `Connect` if no connection can be made; its text names host, port and reason, and it has the server's code.
    /// `PoolTimeout` if the server had no connection to give within
    /// [`acquire_timeout`](crate::DatabaseBuilder::acquire_timeout). The next call tries again.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the attempt to the other callers; with the last of them the attempt ends.
    pub async fn connect(&self) -> Result<(), Error> {
        self.shared.counted(self.shared.pool.connect().await)
    }

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
        if self.is_sandboxed() {
            return self.dispatch(&SIGN_OF_LIFE, Want::Batch).await.map(|_| ());
        }
        self.shared.counted(self.answers().await)
    }

    async fn answers(&self) -> Result<(), Error> {
        let (pool, wait) = (&self.shared.pool, self.shared.pool.options().connect_timeout);
        let mut retries = 0;
        loop {
            let lease = Lease::from(self.shared.lease(held(self.id(), None)).await?);
            let sign = lease.connection().run(&(), SIGN_OF_LIFE, Want::Batch);
            let Ok(answer) = timeout(wait, sign).await else {
                lease.condemn();
                pool.mark_unverified();
                let text = format!("the database did not answer within {wait:?}");
                return Err(Error::new(ErrorKind::Connect, text));
            };
            match answer.map_err(|fault| examine(pool, lease.made(), None, fault)) {
                Ok(_) => return Ok(()),
                Err(fault) if fault.is_lost() && retries < RETRIES => retries += 1,
                Err(fault) => return Err(fault.error),
            }
        }
    }

    /// Closes the database: no new query is taken, open transactions are waited for up to
    /// [`close_timeout`](crate::DatabaseBuilder::close_timeout), then ended, so that their blocks return errors. Within that time
    /// it also waits until the server has ended the sessions, and for up to a second more where transactions had to be
    /// ended. Called again, it waits for what is still open, if anything is. The connections of blocking handles are
    /// closed too.
    ///
    /// # Cancel safety
    /// Dropped, the database stays closed for new queries; call it again to wait for what is left.
    pub async fn close(&self) {
        if self.shared.sandbox.get().is_some() {
            // The database is that of other tests too.
            return;
        }
        futures_util::future::join(self.shared.close(), self.close_blocking_pools()).await;
    }

    /// Whether the database is connected: a connection was made, and it was not closed since.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.pool.is_connected()
    }

    /// Which SQL the database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.shared.dialect
    }

    /// What the database has done since it was opened, and what it does now. Its blocking handles have
    /// [figures of their own](crate::sync::SyncDatabase::stats).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Sets the gauges of this database in the recorder of the crate `metrics`: connections, requests that wait for one, and
    /// transactions that are open. Counters and times reach the recorder by themselves.
    ///
    /// Call it where metrics are read, as in the handler of `/metrics`, or at an interval where they are sent: nothing here runs
    /// on its own, and a figure such as the age of the oldest transaction is out of date as soon as it is told. It also
    /// describes all metrics, with their units. Without a recorder it does nothing.
    ///
    /// The names, units and labels are in `docs/observability.md`. Blocking handles report under the name of their database.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    /// use nestling::Database;
    ///
    /// let prometheus = PrometheusBuilder::new().install_recorder().expect("it is the first recorder");
    /// let db = Database::open("sqlite::memory:")?;
    /// db.ping().await?;
    ///
    /// db.record_metrics();
    /// let page = prometheus.render();
    /// assert!(page.contains("db_client_connection_max{db_system_name=\"sqlite\""), "{page}");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "metrics")]
    pub fn record_metrics(&self) {
        let mut gauges = Gauges::default();
        for stats in std::iter::once(self.stats()).chain(self.blocking_pools().iter().map(|pool| pool.stats())) {
            gauges.connections += stats.connections;
            gauges.idle += stats.idle;
            gauges.most += stats.max_connections;
            gauges.least_idle += stats.min_idle;
            gauges.waiting += stats.waiting;
            gauges.transactions += stats.transactions;
            gauges.oldest = gauges.oldest.max(stats.oldest_transaction.unwrap_or_default());
        }
        self.shared.pool.instruments().set(gauges);
    }
}
