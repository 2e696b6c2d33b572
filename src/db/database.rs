//! The database handle: opening, connecting, closing, and what it counts.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

use super::{DatabaseBuilder, Stats, builder::Options, counters::Counters, pool::Pool, registry::Registry};
use crate::{
    driver::{Dialect, Driver},
    error::Error,
};

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
    inner: Arc<Inner>,
}

/// What all handles of a database share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) id: usize,
    pub(super) dialect: Dialect,
    pub(super) options: Options,
    pub(super) pool: Arc<Pool>,
    pub(super) counters: Arc<Counters>,
    pub(super) registry: Arc<Registry>,
    /// What has connections of its own to the same database: it is closed along with this.
    pub(super) twins: Mutex<Vec<Weak<Self>>>,
}

impl Database {
    /// Opens a database by its URL: `sqlite::memory:`, `sqlite://file.db`, `postgres://user@host/name`.
    ///
    /// Connections are made when they are needed; [`connect`](Self::connect) asks for one at once.
    ///
    /// # SQLite
    /// `sqlite://app.db` is a file in the current folder, `sqlite:///var/app.db` one by its whole path, `sqlite::memory:` a new
    /// database in memory. An option tells what may be done to a file:
    ///
    /// | option | reads | writes | makes a file that is not there |
    /// |---|---|---|---|
    /// | `?mode=ro` | yes | no | no |
    /// | `?mode=rw` | yes | yes | no |
    /// | `?mode=rwc` (default) | yes | yes | yes |
    ///
    /// # PostgreSQL behind a pooler
    /// `?pgbouncer=true` says that a pooler (PgBouncer, for instance) gives each transaction whichever server session is free.
    /// Statements are then not prepared, but sent as a whole each time, in one round trip, and what would outlive its
    /// transaction in the session is refused with `Unsupported`. `?pgbouncer=false` says that prepared statements are
    /// kept, as by a pooler with one session for each client. Without the option the server is asked, beside the
    /// first statement.
    ///
    /// # TLS
    /// With the feature `tls`, options of the URL say how much is asked for, by the names that each server's own clients
    /// have for it:
    ///
    /// | PostgreSQL: `sslmode=` | MySQL: `ssl-mode=` | encrypted | certificate | name |
    /// |---|---|---|---|---|
    /// | `disable` | `DISABLED` (default) | never | | |
    /// | `prefer` (default) | `PREFERRED` | if the server can | not checked | not checked |
    /// | `require` | `REQUIRED` | always | on PostgreSQL, if `sslrootcert` is given | not checked |
    /// | `verify-ca` | `VERIFY_CA` | always | checked | not checked |
    /// | `verify-full` | `VERIFY_IDENTITY` | always | checked | checked |
    ///
    /// `sslrootcert=FILE` and `ssl-ca=FILE` name the certificates of those who may vouch for the server, and nobody else
    /// may; without them it is who vouches for the web's servers. `ssl-ca` alone means `VERIFY_IDENTITY`, and so does
    /// `require_ssl=true`; `verify_identity=false` or `verify_ca=false` with it ask for less. The file is read here.
    ///
    /// What is less than `verify-full` does not keep out whoever can stand between. Cancel requests go as the connection
    /// does. Without the feature, a URL that insists on TLS is refused.
    ///
    /// # Errors
    /// `Config` if the URL is not valid, `Unsupported` if this build has no driver for it, or no TLS where it insists on
    /// that.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::builder(url).build()
    }

    /// Options for opening a database.
    pub fn builder(url: &str) -> DatabaseBuilder {
        DatabaseBuilder::new(url)
    }

    pub(super) fn new(driver: Arc<dyn Driver>, options: Options) -> Self {
        let (counters, registry) = <(Arc<Counters>, Arc<Registry>)>::default();
        let dialect = driver.dialect();
        let pool = Arc::new(Pool::new(driver, options.clone(), Arc::clone(&counters), Arc::clone(&registry)));
        Self::made_of(Inner { id: 0, dialect, options, pool, counters, registry, twins: Mutex::default() })
    }

    /// A handle with a number of its own, by which its frames are found.
    pub(super) fn made_of(inner: Inner) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        Self { inner: Arc::new(Inner { id: NEXT.fetch_add(1, Ordering::Relaxed), ..inner }) }
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The number by which its frames are found.
    pub(crate) fn id(&self) -> usize {
        self.inner.id
    }

    /// Makes sure that the database can be reached. It need not be called: the first query connects.
    ///
    /// Concurrent callers share one attempt. Called again, it does nothing: whether the database still answers is told by
    /// [`ping`](Self::ping). After [`close`](Self::close) it opens the database anew.
    ///
    /// # Errors
    /// `Connect` if no connection can be made; its text names host, port and reason, and it has the server's code.
    /// `PoolTimeout` if the server had no connection to give within
    /// [`acquire_timeout`](DatabaseBuilder::acquire_timeout). The next call tries again.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the attempt to the other callers; with the last of them the attempt ends.
    pub async fn connect(&self) -> Result<(), Error> {
        self.inner.pool.connect().await
    }

    /// Closes the database: no new query is taken, open transactions are waited for up to
    /// [`close_timeout`](DatabaseBuilder::close_timeout), then ended, so that their blocks return errors. Within that time
    /// it also waits until the server has ended the sessions, and for up to a second more where transactions had to be
    /// ended. Called again, it waits for what is still open, if anything is. The connections of blocking handles are
    /// closed too.
    ///
    /// # Cancel safety
    /// Dropped, the database stays closed for new queries; call it again to wait for what is left.
    pub async fn close(&self) {
        futures_util::future::join(self.close_pool(), self.close_twins()).await;
    }

    /// Whether the database is connected: a connection was made, and it was not closed since.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.pool.is_connected()
    }

    /// Which SQL the database speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// What the database has done since it was opened, and what it is at.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (connections, idle) = self.inner.pool.connections();
        self.inner.counters.stats(connections, idle)
    }
}
