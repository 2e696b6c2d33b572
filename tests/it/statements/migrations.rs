//! Migrations of refinery: run once, by one process of those that start together, on every back end.

use std::{
    env,
    error::Error as StdError,
    future::poll_fn,
    process::{Command, Stdio},
    task::Poll,
    time::Duration,
};

use nestling::{
    Database, Error, ErrorKind,
    native::{
        refinery_core::{Error as RefineryError, Migration, Report, Runner, error::Kind},
        rusqlite::Connection,
    },
    params,
};
use tokio::task::JoinSet;

use crate::{harness::Backend, wire::Wire};

const URL: &str = "NESTLING_MIGRATIONS_URL";

/// Migrations as a program has them: several statements, data, and what can be done once alone.
fn runner(last: usize) -> Runner {
    let all = [
        (
            "V1__items",
            "create table item (id integer primary key, name varchar(255)); create index item_name on item (name)",
        ),
        ("V2__first_item", "insert into item (id, name) values (1, 'it''s; the first')"),
        ("V3__sizes", "alter table item add column size integer; update item set size = 7"),
        ("V4__twice", "create table item (id integer primary key)"),
    ];
    let migrations: Vec<_> = all[..last].iter().map(|(name, sql)| Migration::unapplied(name, sql).unwrap()).collect();
    Runner::new(&migrations)
}

/// The versions that are written down, and what the table has.
async fn found(backend: &Backend) -> (Vec<i64>, Vec<(String, Option<i64>)>) {
    let rows = backend.observer().query("select version from refinery_schema_history order by version", params![]);
    let versions = rows.await.unwrap().iter().map(|row| row.get(0).unwrap()).collect();
    let rows = backend.observer().query("select name, size from item", params![]).await.unwrap();
    (versions, rows.iter().map(|row| row.to().unwrap()).collect())
}

fn whole() -> (Vec<i64>, Vec<(String, Option<i64>)>) {
    (vec![1, 2, 3], vec![("it's; the first".into(), Some(7))])
}

test_on! {
    every_backend;

    async fn migrations_are_run_once(backend) {
        let db = &backend.db;
        let names = |report: Report| {
            report.applied_migrations().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(db.migrate(&runner(2)).await.unwrap()), ["V1__items", "V2__first_item"]);
        assert_eq!(names(db.migrate(&runner(3)).await.unwrap()), ["V3__sizes"]);
        assert!(names(db.migrate(&runner(3)).await.unwrap()).is_empty());
        assert_eq!(found(&backend).await, whole());
        backend.settled().await;
    }

    /// rules 13 and 53
    async fn a_migration_that_fails_is_told_with_its_cause(backend) {
        let error = backend.db.migrate(&runner(4)).await.unwrap_err();
        let refinery = StdError::source(&error).unwrap().downcast_ref::<RefineryError>().unwrap();
        assert!(matches!(refinery.kind(), Kind::Connection(..)), "{refinery:?}");
        assert_eq!(refinery.report().unwrap().applied_migrations().len(), 3);
        let cause = StdError::source(refinery).and_then(|cause| cause.downcast_ref::<Error>()).unwrap();
        assert_eq!((cause.kind(), error.code()), (ErrorKind::Server, cause.code()), "{cause}");
        if backend.choose(false, false, true) {
            let tables = backend.observer().query("select name from sqlite_master", params![]).await.unwrap();
            assert!(tables.is_empty(), "all of them are one transaction");
        } else {
            assert_eq!(found(&backend).await, whole());
        }
        // What was wrong is mended, and the next run goes on from there.
        backend.db.migrate(&runner(3)).await.unwrap();
        assert_eq!(found(&backend).await, whole());
        backend.settled().await;
    }

    /// rule 25
    async fn migrations_are_no_part_of_a_block(backend) {
        let block = backend.db.atomic(|| async { backend.db.migrate(&runner(1)).await.map(drop) });
        assert_eq!(block.await.unwrap_err().kind(), ErrorKind::NotDurable);
    }

    async fn of_three_databases_at_once_one_migrates(backend) {
        let mut replicas = JoinSet::new();
        for _ in 0..3 {
            let db = backend.builder().max_connections(2).build().unwrap();
            replicas.spawn(async move {
                let applied = db.migrate(&runner(3)).await.unwrap().applied_migrations().len();
                db.close().await;
                applied
            });
        }
        let mut applied = replicas.join_all().await;
        applied.sort_unstable();
        assert_eq!(applied, [0, 0, 3]);
        assert_eq!(found(&backend).await, whole());
    }

    async fn of_three_processes_at_once_one_migrates(backend) {
        let module = module_path!().split_once("::").unwrap().1.rsplit_once("::").unwrap().0;
        let children: Vec<_> = (0..3)
            .map(|_| {
                let mut command = Command::new(env::current_exe().unwrap());
                command.args(["--ignored", "--exact", "--nocapture", &format!("{module}::child")]).env(URL, backend.url());
                command.stdout(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut applied = Vec::new();
        for child in children {
            let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let (_, line) = said.split_once("@ ").unwrap_or_else(|| panic!("the child said {said:?}"));
            applied.push(line.lines().next().unwrap().to_owned());
        }
        applied.sort_unstable();
        assert_eq!(applied, ["0", "0", "3"]);
        assert_eq!(found(&backend).await, whole());
    }

    /// rule 37: the lock goes with the connection, and what was done stays as a whole
    async fn a_run_that_is_dropped_leaves_the_lock(backend) {
        for polls in [1, 2, 4, 8, 12, 16, 20] {
            let mut left = polls;
            let mut run = Box::pin(async { backend.db.migrate(&runner(3)).await.map(drop) });
            let until = poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                run.as_mut().poll(cx).map(drop)
            });
            until.await;
            drop(run);
            // On MySQL a migration may be there in part by now.
            if backend.choose(true, false, true) {
                backend.db.migrate(&runner(3)).await.unwrap();
                assert_eq!(found(&backend).await, whole());
                for table in ["item", "refinery_schema_history"] {
                    backend.observer().batch(&format!("drop table {table}")).await.unwrap();
                }
            }
        }
        backend.settled().await;
    }
}

/// A process that migrates. It is no test of its own.
#[test]
#[ignore = "the process that another test starts"]
fn child() {
    let Ok(url) = env::var(URL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Database::open(&url).unwrap();
        println!("@ {}", db.migrate(&runner(3)).await.unwrap().applied_migrations().len());
        db.close().await;
    });
}

test_on! {
    [postgres mariadb mysql9];

    /// The lock is waited for, whatever times the session has.
    async fn a_run_waits_for_the_other_however_long_it_takes(backend) {
        let url = backend.url();
        let db = if backend.is_postgres() {
            let options = "options=-c%20lock_timeout%3D50%20-c%20search_path%3D";
            Database::open(&url.replace("options=-c%20search_path%3D", options)).unwrap()
        } else {
            backend.builder().build().unwrap()
        };
        let lock = backend.choose(
            "select pg_advisory_lock(7954891260692098663)",
            "select get_lock(concat('nestling_', left(sha2(database(), 256), 40)), 0)",
            "",
        );
        let observer = backend.observer();
        let waiting = observer.connection(|| async {
            observer.query(lock, params![]).await?;
            let mut run = Box::pin(nestling::scope(async { db.migrate(&runner(3)).await.map(drop) }));
            let early = tokio::time::timeout(Duration::from_millis(300), run.as_mut()).await;
            assert!(early.is_err(), "{early:?}");
            Ok::<_, Error>(run)
        });
        let run = waiting.await.unwrap();
        run.await.unwrap();
        assert_eq!(found(&backend).await, whole());
        db.close().await;
    }
}

test_on! {
    [sqlite sqlite_on_one_thread];

    /// Longer than a writer waits for the write lock.
    async fn a_run_waits_for_the_writer_of_another_process(backend) {
        let path = backend.url().strip_prefix("sqlite://").unwrap();
        let other = Connection::open(path).unwrap();
        other.execute_batch("begin immediate; create table other (id integer)").unwrap();
        let db = backend.builder().busy_timeout(Duration::from_millis(20)).build().unwrap();
        let mut run = Box::pin(async { db.migrate(&runner(3)).await.map(drop) });
        let early = tokio::time::timeout(Duration::from_millis(300), run.as_mut()).await;
        assert!(early.is_err(), "{early:?}");
        other.execute_batch("commit").unwrap();
        run.await.unwrap();
        assert_eq!(found(&backend).await, whole());
    }
}

/// Behind a pooler that gives each transaction another session there is no lock of the session.
#[tokio::test]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn behind_a_pooler_there_are_no_migrations() {
    let backend = Backend::behind_pooler(&crate::test_servers::pgbouncer_url()).await;
    let db = Database::open(&format!("{}&pgbouncer=true", backend.url())).unwrap();
    let error = db.migrate(&runner(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

/// What `docs/migrations.md` shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "postgres"), ignore = "needs a server: tests/run.sh")]
async fn each_migration_is_a_transaction_behind_the_lock() {
    let wire = Wire::open().await;
    wire.db.connect().await.unwrap();
    let migrate = async || {
        wire.db.migrate(&runner(1)).await.map(drop).unwrap();
        // The lock ends with the reset of the session, at the return of the connection.
        wait_while!(wire.db.stats().idle == 0);
    };
    let (counts, _) = wire.cold(migrate).await;
    let texts = counts.queries();
    let begun =
        ["BEGIN; SELECT set_config", "COMMIT", "BEGIN", "CREATE TABLE IF NOT EXISTS refinery_schema_history", "COMMIT"];
    let applied = ["BEGIN", "create table item", "INSERT INTO refinery_schema_history", "COMMIT"];
    let wanted = [&begun[..], &applied[..], &["ROLLBACK", "CLOSE ALL; "]].concat();
    assert_eq!(texts.len(), wanted.len(), "{texts:?}");
    assert!(texts.iter().zip(wanted).all(|(text, begins)| text.starts_with(begins)), "{texts:?}");
}
