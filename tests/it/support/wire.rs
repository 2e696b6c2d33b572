//! A PostgreSQL behind the proxy, and what a piece of work costs on the wire and by `stats()`.
//!
//! Used by the tests that count round trips or look at the very text that is sent.

use nestling::{Database, DatabaseBuilder, Dialect, params, status::Stats};

use crate::{
    harness::Backend,
    proxy::{Counts, Proxy},
};

/// A database that is reached through a proxy.
pub(crate) struct Wire {
    pub(crate) backend: Backend,
    pub(crate) proxy: Proxy,
    pub(crate) db: Database,
}

impl Wire {
    /// One with a pool of one connection.
    pub(crate) async fn open() -> Self {
        Self::with(|builder| builder.max_connections(1)).await
    }

    /// One with options.
    pub(crate) async fn with(options: impl FnOnce(DatabaseBuilder) -> DatabaseBuilder) -> Self {
        let mut backend = Backend::postgres().await;
        let proxy = Proxy::before(backend.url());
        let builder = Database::builder(&proxy.url_for(backend.url()));
        let db = options(builder).build().expect("valid options");
        backend.db = db.clone();
        Self { backend, proxy, db }
    }

    /// What a piece of work costs that has run once before, so that its statements are prepared.
    pub(crate) async fn warm(&self, work: impl AsyncFn()) -> (Counts, Cost) {
        work().await;
        self.backend.settled().await;
        self.cold(work).await
    }

    /// What a piece of work costs as it is.
    pub(crate) async fn cold(&self, work: impl AsyncFn()) -> (Counts, Cost) {
        self.proxy.reset();
        let before = self.db.stats();
        work().await;
        (self.proxy.counts(), Cost::between(before, self.db.stats()))
    }
}

/// What `stats()` says that something has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) statements: u64,
    pub(crate) flights: u64,
    pub(crate) owed: u64,
    pub(crate) cancelled: u64,
    pub(crate) sent: u64,
}

impl Cost {
    pub(crate) fn between(before: Stats, after: Stats) -> Self {
        assert_eq!((before.transactions, after.transactions), (0, 0), "everything has ended");
        Self {
            statements: after.statements - before.statements,
            flights: after.flights - before.flights,
            owed: after.steps_owed - before.steps_owed,
            cancelled: after.steps_cancelled - before.steps_cancelled,
            sent: after.steps_sent - before.steps_sent,
        }
    }

    /// What a piece of work costs whose statements follow one another, one transaction in all.
    pub(crate) async fn of(db: &Database, work: impl AsyncFn()) -> Self {
        work().await;
        let before = db.stats();
        work().await;
        Self::between(before, db.stats())
    }
}

/// The control steps among the texts that were sent.
pub(crate) fn steps_in(counts: &Counts) -> Vec<String> {
    let steps = counts.queries().into_iter().flat_map(|text| text.split("; ").map(str::to_owned).collect::<Vec<_>>());
    steps.filter(|step| !step.starts_with("SELECT") && !step.starts_with("SET ")).collect()
}

/// A statement with a parameter.
pub(crate) async fn statement(db: &Database) -> nestling::Result<()> {
    // MySQL casts to `signed`, and to no `bigint`.
    let sql = if db.dialect() == Dialect::Mysql { "select cast($1 as signed)" } else { STATEMENT };
    let seven: i64 = db.query_one(sql, params![7]).await?.get(0)?;
    assert_eq!(seven, 7);
    Ok(())
}

/// The text of [`statement`], on all but MySQL.
pub(crate) const STATEMENT: &str = "select cast($1 as bigint)";
