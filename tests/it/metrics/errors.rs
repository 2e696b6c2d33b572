//! Each error that a caller gets is counted once, by whatever way it comes: `stats().errors` and the metric against what the
//! callers have got.

use std::{fmt::Debug, future::pending, time::Duration};

use nestling::{Database, Error, ErrorKind, scope};
use tokio::time::timeout;

use super::{Seen, recorder};
use crate::{
    dialects::endless,
    harness::{Backend, insert},
    wire::statement,
};

/// A time that is over soon, and one that no test takes.
const SOON: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(600);

/// The errors that callers have got.
#[derive(Debug, Default)]
struct Got(Vec<ErrorKind>);

impl Got {
    /// A caller has got an error, of this kind.
    fn got<T: Debug>(&mut self, kind: ErrorKind, result: Result<T, Error>) {
        let error = result.expect_err("it fails");
        assert_eq!(error.kind(), kind, "{error:?}");
        self.0.push(kind);
    }

    /// A caller gets one by a call.
    async fn gets<T: Debug>(&mut self, kind: ErrorKind, call: impl Future<Output = Result<T, Error>>) {
        let what = format!("the one behind {:?}", self.0);
        let result = timeout(Duration::from_secs(60), call).await;
        self.got(kind, result.unwrap_or_else(|_| panic!("{what} does not end")));
    }

    /// As many were counted, of the same kinds, in both figures.
    fn assert_counted(&self, db: &Database, seen: &Seen) {
        assert_eq!(db.stats().errors, self.0.len() as u64, "{:?}", self.0);
        assert_eq!(seen.count("nestling.errors", &[]), self.0.len() as u64, "{:?}", self.0);
        for kind in &self.0 {
            let times = self.0.iter().filter(|other| *other == kind).count() as u64;
            assert_eq!(
                seen.count("nestling.errors", &[("nestling.error.kind", &format!("{kind:?}"))]),
                times,
                "{kind:?}"
            );
        }
    }
}

/// The first row of a stream of something that does not end.
async fn streamed(db: &Database, sql: &str) -> Result<(), Error> {
    let mut rows = db.stream(sql, ()).await?;
    while rows.next().await.transpose()?.is_some() {}
    Ok(())
}

async fn backend_of_one(backend: Backend) -> Backend {
    backend.with_items().await.with(|options| options.max_connections(1).acquire_timeout(LONG))
}

test_on! {
    every_backend_on_one_thread;

    /// rule 77: statements, streams and batches that a server refuses, alone, in blocks, and in transactions of their own
    async fn a_refused_statement_is_one_error_wherever_it_runs(backend) {
        let backend = backend_of_one(backend).await;
        insert(&backend.db, 1, "there").await.unwrap();
        let plain = backend.db.clone();
        let limited = backend.builder().max_connections(1).statement_timeout(LONG).default_timeout(LONG).build().unwrap();
        let read_only = backend.builder().max_connections(1).default_read_only(true).build().unwrap();
        let both = backend.builder().max_connections(1).default_read_only(true).default_timeout(LONG).build().unwrap();
        for db in [plain, limited, read_only, both] {
            let ((recorder, _guard), mut got) = (recorder(), Got::default());
            let refused = "select * from nowhere";
            got.gets(ErrorKind::Server, db.query(refused, ())).await;
            got.gets(ErrorKind::Server, db.batch("select 1; select * from nowhere")).await;
            got.gets(ErrorKind::Server, streamed(&db, refused)).await;
            got.gets(ErrorKind::Server, db.atomic(|| db.query(refused, ()))).await;
            got.gets(ErrorKind::Server, db.atomic(|| db.atomic(|| streamed(&db, refused)))).await;
            got.gets(ErrorKind::Server, db.connection(|| db.query(refused, ()))).await;
            let sandboxed = db.sandbox(|| async {
                let alone = db.query(refused, ()).await;
                (alone, db.atomic(|| db.query(refused, ())).await, streamed(&db, refused).await)
            });
            let (alone, in_block, stream) = sandboxed.await;
            got.got(ErrorKind::Server, alone);
            got.got(ErrorKind::Server, in_block);
            got.got(ErrorKind::Server, stream);
            if let Some(key) = backend.choose(Some("app.tenant"), Some("lock_wait_timeout"), None) {
                let of = |work| scope(work).set_local(key, "7");
                got.gets(ErrorKind::Server, of(db.query(refused, ()))).await;
            }
            got.assert_counted(&db, &Seen::of(recorder, &db));
        }
    }

    /// rules 17, 18, 20, 77: a block that cannot be kept is an error of its own
    async fn an_end_that_fails_is_one_error(backend) {
        let backend = backend_of_one(backend).await;
        let (db, (recorder, _guard)) = (&backend.db, recorder());
        let mut got = Got::default();
        insert(db, 1, "there").await.unwrap();
        let swallowed = db.atomic(|| async {
            got.got(ErrorKind::Server, insert(db, 1, "again").await);
            Ok::<_, Error>(())
        });
        let swallowed = swallowed.await;
        // On the others the failure is that of the statement alone.
        if backend.is_postgres() {
            got.got(ErrorKind::RolledBack, swallowed);
        }
        let unexpected = db.atomic(|| async {
            let own = db.clone();
            let joined = db.transaction(move || async move { insert(&own, 1, "again").await }).await;
            got.got(ErrorKind::Server, joined);
            Ok::<_, Error>(())
        });
        let unexpected = unexpected.await;
        got.got(ErrorKind::UnexpectedRollback, unexpected);
        got.gets(ErrorKind::NoTransaction, db.savepoint(|| statement(db))).await;
        let durable = db.atomic(|| db.build_transaction().durable().atomic(|| statement(db)));
        got.gets(ErrorKind::NotDurable, durable).await;
        let hook = db.atomic(|| async {
            let own = db.clone();
            db.before_commit(move || async move { insert(&own, 1, "again").await })?;
            statement(db).await
        });
        got.gets(ErrorKind::RolledBack, hook).await;
        // That of its statement, which the hook has got.
        got.0.push(ErrorKind::Server);
        got.assert_counted(db, &Seen::of(recorder, db));
    }

    /// rules 54, 77: the limits of statements, of blocks, and of scopes and databases
    async fn a_time_that_is_over_is_one_error(backend) {
        let backend = backend_of_one(backend).await;
        let endless = endless(backend.db.dialect());
        let of = |options: nestling::DatabaseBuilder| options.max_connections(1).acquire_timeout(LONG).build().unwrap();
        let plain = of(backend.builder());
        let statements = of(backend.builder().statement_timeout(SOON));
        let own = of(backend.builder().statement_timeout(SOON).default_read_only(true));
        for (db, is_limited) in [(plain, false), (statements, true), (own, true)] {
            let ((recorder, _guard), mut got) = (recorder(), Got::default());
            let block = || db.build_transaction().timeout(SOON);
            got.gets(ErrorKind::Timeout, block().atomic(pending::<Result<(), Error>>)).await;
            got.gets(ErrorKind::Timeout, block().eager().atomic(pending::<Result<(), Error>>)).await;
            let asleep = block().atomic(|| async {
                statement(&db).await?;
                pending::<Result<(), Error>>().await
            });
            got.gets(ErrorKind::Timeout, asleep).await;
            if is_limited {
                got.gets(ErrorKind::StatementTimeout, db.query(endless, ())).await;
                // On MySQL and MariaDB it has begun to answer.
                if !backend.is_mysql() {
                    got.gets(ErrorKind::StatementTimeout, streamed(&db, endless)).await;
                }
                got.gets(ErrorKind::StatementTimeout, db.atomic(|| db.query(endless, ()))).await;
                got.gets(ErrorKind::StatementTimeout, db.sandbox(|| db.query(endless, ()))).await;
            } else {
                got.gets(ErrorKind::Timeout, block().atomic(|| db.query(endless, ()))).await;
                got.gets(ErrorKind::Timeout, block().atomic(|| streamed(&db, endless))).await;
                let limited = || db.build_transaction().statement_timeout(SOON);
                got.gets(ErrorKind::StatementTimeout, limited().atomic(|| db.query(endless, ()))).await;
                let idle = db.build_transaction().idle_in_transaction_timeout(SOON).atomic(|| async {
                    statement(&db).await?;
                    wait_while!(db.stats().transactions > 0);
                    Ok(())
                });
                got.gets(ErrorKind::IdleTimeout, idle).await;
            }
            got.assert_counted(&db, &Seen::of(recorder, &db));
        }
    }

    /// rules 54, 74, 77: the time is over while the transaction of a statement waits for its turn
    async fn a_transaction_of_its_own_that_does_not_open_in_time_is_one_error(backend) {
        let backend = backend_of_one(backend).await.with(|options| options.default_timeout(SOON));
        let (recorder, _guard) = recorder();
        let sandbox = backend.db.begin_sandbox().await.unwrap();
        let db = sandbox.database();
        let mut got = Got::default();
        let holder = db.build_transaction().timeout(LONG).atomic(|| async {
            statement(db).await?;
            let own = db.clone();
            let others = async move {
                let mut results = vec![own.query("select 1", ()).await.map(drop), own.batch("select 1").await];
                results.push(streamed(&own, "select 1").await);
                results.push(own.atomic(|| statement(&own)).await.map(drop));
                results
            };
            Ok::<_, Error>(tokio::spawn(others).await.unwrap())
        });
        for result in holder.await.unwrap() {
            got.got(ErrorKind::Timeout, result);
        }
        got.assert_counted(db, &Seen::of(recorder, db));
        sandbox.end().await;
    }

    /// rules 58, 61, 77: where there is no connection
    async fn a_connection_that_is_not_had_is_one_error(backend) {
        let backend = backend.with_items().await;
        let of = |options: nestling::DatabaseBuilder| options.max_connections(1).acquire_timeout(LONG).build().unwrap();
        let own = of(backend.builder().default_read_only(true));
        for db in [of(backend.builder()), of(backend.builder().default_timeout(LONG)), own] {
            let ((recorder, _guard), mut got) = (recorder(), Got::default());
            let held = db.atomic(|| async {
                statement(&db).await?;
                // It has the one connection itself.
                let new = || db.build_transaction().propagation(nestling::blocks::Propagation::RequiresNew);
                let first = new().atomic(|| statement(&db)).await.map(drop);
                let eager = new().eager().atomic(|| statement(&db)).await.map(drop);
                Ok::<_, Error>([first, eager, scope(db.query("select 1", ())).await.map(drop), scope(db.ping()).await])
            });
            for result in held.await.unwrap() {
                got.got(ErrorKind::PoolTimeout, result);
            }
            got.assert_counted(&db, &Seen::of(recorder, &db));
        }
        let closed = backend.builder().autoconnect(false).build().unwrap();
        let ((recorder, _guard), mut got) = (recorder(), Got::default());
        got.gets(ErrorKind::Closed, statement(&closed)).await;
        got.gets(ErrorKind::Closed, closed.atomic(|| statement(&closed))).await;
        got.gets(ErrorKind::Closed, closed.build_transaction().eager().atomic(|| statement(&closed))).await;
        got.gets(ErrorKind::Closed, closed.ping()).await;
        got.gets(ErrorKind::Closed, streamed(&closed, "select 1")).await;
        got.assert_counted(&closed, &Seen::of(recorder, &closed));
    }
}
