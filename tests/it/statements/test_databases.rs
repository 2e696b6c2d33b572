//! A database for each test: made, migrated and dropped, by several tests and processes at once, and what is left of it behind a
//! test that fails, is dropped or is killed.

use std::{
    env,
    future::poll_fn,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
};

use nestling::{
    Database, Dialect, Error, ErrorKind, params,
    testing::{TestDatabase, error},
};
use tokio::task::JoinSet;

use crate::harness::Backend;

const URL: &str = "NESTLING_TEST_DATABASE_URL";
const FINGERPRINT: &str = "NESTLING_TEST_DATABASE_FINGERPRINT";
const TABLE: &str = "create table item (id integer primary key, name varchar(255) unique)";

/// The URL beside which databases are made.
fn base(backend: &Backend) -> String {
    if backend.is_postgres() { crate::test_servers::postgres_url() } else { backend.url().to_owned() }
}

/// Whether there is a database of this name.
async fn exists(backend: &Backend, name: &str) -> bool {
    let sql = match backend.db.dialect() {
        Dialect::Postgres => "select 1 from pg_database where datname = $1",
        Dialect::Mysql => "select 1 from information_schema.schemata where schema_name = $1",
        _ => return env::temp_dir().join(name).exists(),
    };
    !backend.observer().query(sql, params![name]).await.unwrap().is_empty()
}

/// The name of the database, as its URL has it.
fn name_of(db: &TestDatabase) -> String {
    let url = db.url();
    let at = url.find("nestling_test_").expect("the name of a test's database");
    url[at..].split(['/', '?']).next().unwrap().to_owned()
}

async fn migrate(db: Database) -> Result<(), Error> {
    db.batch(TABLE).await
}

/// All from one line, so that PostgreSQL has one template for them.
async fn create(url: &str) -> Result<TestDatabase, Error> {
    TestDatabase::create(url, migrate).await
}

async fn count(db: &Database) -> i64 {
    db.query_one("select count(*) from item", params![]).await.unwrap().get(0).unwrap()
}

/// Makes one, and counts how often something is migrated.
async fn counted(url: &str, fingerprint: &str, runs: &Arc<AtomicU32>) -> Result<TestDatabase, Error> {
    let runs = Arc::clone(runs);
    let builder = TestDatabase::builder(url).fingerprint(fingerprint).options(|options| options.max_connections(2));
    let created = builder.create(|db| async move {
        runs.fetch_add(1, Ordering::Relaxed);
        migrate(db).await
    });
    created.await
}

test_on! {
    [postgres mariadb mysql9 sqlite sqlite_on_one_thread];

    /// rule 79
    async fn a_test_has_a_database_of_its_own(backend) {
        let url = base(&backend);
        let (one, other) = (create(&url).await.unwrap(), create(&url).await.unwrap());
        let name = name_of(&one);
        assert_ne!(name, name_of(&other));
        one.atomic(|| one.execute("insert into item values (1, 'x')", params![])).await.unwrap();
        assert_eq!((count(&one).await, count(&other).await), (1, 0));
        let by_url = Database::open(one.url()).unwrap();
        assert_eq!(count(&by_url).await, 1);
        by_url.close().await;
        assert!(exists(&backend, &name).await);
        for db in [one, other] {
            db.drop_database().await.unwrap();
        }
        assert!(!exists(&backend, &name).await);
    }

    /// rule 79
    async fn tests_at_the_same_time_do_not_meet(backend) {
        let url = base(&backend);
        let runs = Arc::default();
        let mut tests = JoinSet::new();
        for number in 0..6_i64 {
            let (url, runs, fingerprint) = (url.clone(), Arc::clone(&runs), format!("the same in {}", backend.name()));
            tests.spawn(async move {
                let db = counted(&url, &fingerprint, &runs).await.unwrap();
                db.execute("insert into item values ($1, 'x')", params![number]).await.unwrap();
                let found: i64 = db.query_one("select id from item", params![]).await.unwrap().get(0).unwrap();
                assert_eq!(found, number);
                db.drop_database().await.unwrap();
            });
        }
        while let Some(test) = tests.join_next().await {
            test.unwrap();
        }
        assert_eq!(runs.load(Ordering::Relaxed), if backend.is_postgres() { 1 } else { 6 });
    }

    /// rule 79: a value that is dropped leaves its database to the next creation, unless a panic has dropped it.
    async fn a_database_that_was_not_dropped_is_dropped_by_the_next_creation(backend) {
        let url = base(&backend);
        let left = create(&url).await.unwrap();
        let name = name_of(&left);
        assert!(exists(&backend, &name).await);
        left.close().await;
        drop(left);
        let failed = tokio::spawn({
            let url = url.clone();
            async move {
                let db = create(&url).await.unwrap();
                db.close().await;
                std::panic::panic_any(name_of(&db));
            }
        });
        let failed = failed.await.unwrap_err().into_panic().downcast::<String>().unwrap();
        let next = create(&url).await.unwrap();
        assert!(!exists(&backend, &name).await);
        assert!(exists(&backend, &failed).await, "that of a test that has failed is left for a look");
        next.drop_database().await.unwrap();
    }

    /// rule 79
    async fn migrations_that_fail_are_told_and_tried_again(backend) {
        let url = base(&backend);
        let wrong = |db: Database| async move {
            db.batch(TABLE).await?;
            Err::<(), _>(error(ErrorKind::Other))
        };
        let failed = TestDatabase::builder(&url).fingerprint(backend.name()).create(wrong).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Other);
        let db = counted(&url, backend.name(), &Arc::default()).await.unwrap();
        assert_eq!(count(&db).await, 0);
        db.drop_database().await.unwrap();
    }

    /// rule 79: whatever the await at which a creation is dropped: the next one has its database, and drops what was left.
    async fn a_creation_may_be_dropped(backend) {
        let url = base(&backend);
        for polls in [1, 3, 6, 10, 15, 21] {
            let (runs, fingerprint) = (Arc::default(), format!("{} dropped {polls}", backend.name()));
            let mut creation = Box::pin(counted(&url, &fingerprint, &runs));
            let mut left = polls;
            let until = poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                creation.as_mut().poll(cx).map(drop)
            });
            until.await;
            drop(creation);
            let db = counted(&url, &fingerprint, &Arc::default()).await.unwrap();
            assert_eq!(count(&db).await, 0);
            db.drop_database().await.unwrap();
        }
    }

    /// rule 79: a process that is killed leaves its database to the next one; and processes share a template.
    async fn databases_of_a_process_that_has_ended_are_dropped(backend) {
        let url = base(&backend);
        let module = module_path!().split_once("::").unwrap().1.rsplit_once("::").unwrap().0;
        let children: Vec<_> = (0..3)
            .map(|_| {
                let mut command = Command::new(env::current_exe().unwrap());
                command.args(["--ignored", "--exact", "--nocapture", &format!("{module}::child")]).env(URL, &url).env(FINGERPRINT, backend.name());
                command.stdout(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let (mut left, mut migrated) = (Vec::new(), 0);
        for child in children {
            let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let (_, line) = said.split_once("@ ").unwrap_or_else(|| panic!("the child said {said:?}"));
            let (runs, name) = line.lines().next().unwrap().split_once(' ').unwrap();
            migrated += runs.parse::<u32>().unwrap();
            left.push(name.to_owned());
        }
        assert_eq!(migrated, if backend.is_postgres() { 1 } else { 3 });
        let next = create(&url).await.unwrap();
        for name in left {
            assert!(!exists(&backend, &name).await, "{name}");
        }
        next.drop_database().await.unwrap();
    }
}

/// The process that leaves its database behind. It is no test of its own.
#[test]
#[ignore = "the process that another test starts"]
fn child() {
    let Ok(url) = env::var(URL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let runs = Arc::default();
        let db = counted(&url, &env::var(FINGERPRINT).unwrap(), &runs).await.unwrap();
        assert_eq!(count(&db).await, 0);
        println!("@ {} {}", runs.load(Ordering::Relaxed), name_of(&db));
        // As if it were killed: nothing of it is dropped.
        std::process::exit(0);
    });
}

test_on! {
    [postgres];

    /// rule 79: what is a day old is dropped, wherever it was made; templates too.
    async fn what_is_old_is_dropped(backend) {
        let url = base(&backend);
        let (named, runs) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicU32::new(0)));
        let create = || {
            let (named, runs) = (Arc::clone(&named), Arc::clone(&runs));
            TestDatabase::builder(&url).fingerprint(backend.name()).create(|db| async move {
                runs.fetch_add(1, Ordering::Relaxed);
                let name: String = db.query_one("select current_database()::text", params![]).await?.get(0)?;
                *named.lock().unwrap() = name;
                migrate(db).await
            })
        };
        let first = create().await.unwrap();
        let second = create().await.unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        let template = named.lock().unwrap().clone();
        let refused = Database::open(&first.url().replace(&name_of(&first), &template)).unwrap();
        assert_eq!(refused.connect().await.unwrap_err().kind(), ErrorKind::Connect, "nobody changes a template");
        backend.observer().batch(&format!("comment on database {template} is '1000000'")).await.unwrap();
        let foreign = format!("nestling_test_{:x}_1_1_{:08x}", 1_000_000, std::process::id());
        backend.observer().batch(&format!("create database {foreign}")).await.unwrap();
        let third = create().await.unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 2, "the template was made anew");
        assert!(!exists(&backend, &foreign).await);
        for db in [first, second, third] {
            assert_eq!(count(&db).await, 0);
            db.drop_database().await.unwrap();
        }
    }
}

test_on! {
    [sqlite sqlite_on_one_thread];

    /// rule 79
    async fn a_database_in_memory_has_its_migrations(backend) {
        let db = TestDatabase::create("sqlite::memory:", migrate).await.unwrap();
        assert_eq!((count(&db).await, db.url()), (0, "sqlite::memory:"));
        db.drop_database().await.unwrap();
        drop(backend);
    }
}
