//! What every test has: a database of its own on one of the back ends, somebody who looks at the server from outside, and
//! a macro that runs a test on every back end.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    task::Poll,
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use nestling::{Database, DatabaseBuilder, Dialect, params};

use super::runtime::{Threads, run};
use crate::{proxy::Proxy, recorder::keep_listening, test_servers};

/// Makes of each `async fn name(backend) { .. }` a module of that name with one test for each back end of a set:
///
/// `test_on! { every_backend; /** rule 1 */ async fn a_row_is_kept(backend) { .. } }`
///
/// PostgreSQL comes with named statements and without; SQLite in a runtime of several threads, where a call may block its
/// thread, and in one of a single thread, where it may not. Without the feature of its driver the test of a server is
/// ignored, and `cargo test` says so. (`tests/run.sh --without-mysql` leaves out what ends in `::mysql9`.)
macro_rules! test_on {
    (every_backend; $($tests:tt)+) => {
        test_on! { [postgres postgres_without_names mariadb mysql9 sqlite sqlite_on_one_thread]; $($tests)+ }
    };
    (every_server; $($tests:tt)+) => { test_on! { [postgres postgres_without_names mariadb mysql9]; $($tests)+ } };
    (every_server_on_one_thread; $($tests:tt)+) => {
        test_on! { [postgres_on_one_thread mariadb_on_one_thread mysql9_on_one_thread]; $($tests)+ }
    };
    // For what listens on one thread, as a recorder does.
    (every_backend_on_one_thread; $($tests:tt)+) => {
        test_on! {
            [postgres_on_one_thread mariadb_on_one_thread mysql9_on_one_thread sqlite_on_one_thread]; $($tests)+
        }
    };
    (postgres_and_sqlite; $($tests:tt)+) => {
        test_on! { [postgres postgres_without_names sqlite sqlite_on_one_thread]; $($tests)+ }
    };
    (mysql_and_mariadb; $($tests:tt)+) => { test_on! { [mariadb mysql9]; $($tests)+ } };
    (sqlite; $($tests:tt)+) => { test_on! { [sqlite sqlite_on_one_thread]; $($tests)+ } };
    (sqlite_on_every_thread; $($tests:tt)+) => {
        test_on! { [sqlite_blocked_on sqlite_on_a_worker sqlite_on_one_thread]; $($tests)+ }
    };
    // A function that is there already, on servers and SQLite, on runtimes of several threads and of one.
    (every_server_and_runtime; $test:ident) => {
        test_on! { @all $test [postgres postgres_on_one_thread mariadb mariadb_on_one_thread mysql9 mysql9_on_one_thread] }
    };
    (every_backend_and_runtime; $test:ident) => {
        test_on! { every_server_and_runtime; $test }
        test_on! { @all $test [sqlite sqlite_on_one_thread] }
    };

    ($set:tt; $($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($backend: $crate::harness::Backend) $body

            test_on! { @all test $set }
        }
    )+};

    (@all $test:ident [$($variant:ident)+]) => { $(test_on! { @one $test $variant })+ };
    (@one $test:ident postgres) => { test_on! { @on "postgres" $test postgres Postgres Two } };
    (@one $test:ident postgres_without_names) => {
        test_on! { @on "postgres" $test postgres_without_names PostgresWithoutNames Two }
    };
    (@one $test:ident postgres_on_one_thread) => {
        test_on! { @on "postgres" $test postgres_on_one_thread Postgres One }
    };
    (@one $test:ident mariadb) => { test_on! { @on "mysql" $test mariadb Mariadb Two } };
    (@one $test:ident mariadb_on_one_thread) => { test_on! { @on "mysql" $test mariadb_on_one_thread Mariadb One } };
    (@one $test:ident mysql9) => { test_on! { @on "mysql" $test mysql9 Mysql Two } };
    (@one $test:ident mysql9_on_one_thread) => { test_on! { @on "mysql" $test mysql9_on_one_thread Mysql One } };
    (@one $test:ident sqlite) => { test_on! { @on "sqlite" $test sqlite Sqlite Two } };
    (@one $test:ident sqlite_on_one_thread) => { test_on! { @on "sqlite" $test sqlite_on_one_thread Sqlite One } };
    (@one $test:ident sqlite_blocked_on) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
        async fn sqlite_blocked_on() {
            $test($crate::harness::Backend::sqlite().await).await;
        }
    };
    (@one $test:ident sqlite_on_a_worker) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
        async fn sqlite_on_a_worker() {
            let backend = $crate::harness::Backend::sqlite().await;
            tokio::spawn($test(backend)).await.expect("it does not panic");
        }
    };

    // What is compiled for each variant is a call: the body of the test is compiled once.
    (@on $feature:literal $test:ident $variant:ident $server:ident $threads:ident) => {
        #[test]
        #[cfg_attr(not(feature = $feature), ignore = "needs a server: tests/run.sh")]
        fn $variant() {
            use $crate::{harness::{Server, run_on}, support::runtime::Threads};
            run_on(Server::$server, Threads::$threads, |backend| Box::pin($test(backend)));
        }
    };
}

/// What a test runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    Postgres,
    PostgresWithoutNames,
    Mariadb,
    Mysql,
    Sqlite,
}

/// Runs a test with a database of its own.
pub(crate) fn run_on(server: Server, threads: Threads, test: fn(Backend) -> LocalBoxFuture<'static, ()>) {
    let with_backend = async {
        let backend = match server {
            Server::Postgres => Backend::postgres().await,
            Server::PostgresWithoutNames => Backend::postgres_without_names().await,
            Server::Mariadb => Backend::mariadb().await,
            Server::Mysql => Backend::mysql().await,
            Server::Sqlite => Backend::sqlite().await,
        };
        test(backend).await;
    };
    run(threads, Box::pin(with_backend));
}

/// A database of one test's own.
pub(crate) struct Backend {
    /// The database under test.
    pub(crate) db: Database,
    url: String,
    /// Looks at the server from outside, by connections that are not those under test.
    pub(crate) observer: Database,
    /// Who we are at the server, so that tests that run at the same time do not see each other.
    pub(crate) name: String,
    /// No statement is to be kept at the server.
    is_nameless: bool,
    _folder: Option<Folder>,
}

impl Backend {
    pub(crate) async fn postgres() -> Self {
        let name = unique();
        let base = test_servers::postgres_url();
        let observer = Database::builder(&base).max_connections(2).build().expect("the URL of the test server");
        observer.batch(&format!("create schema {name}")).await.expect("a schema for the test");
        let join = if base.contains('?') { '&' } else { '?' };
        let url = format!("{base}{join}application_name={name}&options=-c%20search_path%3D{name}");
        let observer_url = format!("{base}{join}application_name={name}_observer&options=-c%20search_path%3D{name}");
        let observer = Database::builder(&observer_url).max_connections(2).build().expect("the URL of the test server");
        Self { db: Database::open(&url).expect("a valid URL"), url, observer, name, is_nameless: false, _folder: None }
    }

    /// A PostgreSQL where statements go without names, as they do behind a pooler.
    pub(crate) async fn postgres_without_names() -> Self {
        Self { is_nameless: true, ..Self::postgres().await }.with(|options| options)
    }

    /// A database of its own behind a pooler, which has sessions for each database apart. The observer is at the server.
    pub(crate) async fn behind_pooler(pooler: &str) -> Self {
        let name = unique();
        let base = test_servers::postgres_url();
        let admin = Database::builder(&base).max_connections(1).build().expect("the URL of the test server");
        admin.batch(&format!("create database {name}")).await.expect("a database for the test");
        let of = |base: &str, application: &str| {
            let (server, _) = base.rsplit_once('/').expect("a URL with a database");
            format!("{server}/{name}?application_name={application}")
        };
        let observer = Database::builder(&of(&base, &format!("{name}_observer"))).max_connections(2).build();
        let url = of(pooler, &name);
        let observer = observer.expect("the URL of the test server");
        Self { db: Database::open(&url).expect("a valid URL"), url, observer, name, is_nameless: false, _folder: None }
    }

    pub(crate) async fn mariadb() -> Self {
        Self::of_mysql(&test_servers::mysql_url()).await
    }

    pub(crate) async fn mysql() -> Self {
        Self::of_mysql(&test_servers::mysql9_url()).await
    }

    /// A database of its own at a MySQL or MariaDB server.
    pub(crate) async fn of_mysql(base: &str) -> Self {
        let name = unique();
        let admin = Database::builder(base).max_connections(1).build().expect("the URL of the test server");
        admin.batch(&format!("create database {name}")).await.expect("a database for the test");
        let (server, _) = base.rsplit_once('/').expect("a URL with a database");
        let url = format!("{server}/{name}");
        let observer = Database::builder(&url).max_connections(2).build().expect("the URL of the test server");
        Self { db: Database::open(&url).expect("a valid URL"), url, observer, name, is_nameless: false, _folder: None }
    }

    pub(crate) async fn sqlite() -> Self {
        let name = unique();
        let folder = Folder::new(&name);
        let url = format!("sqlite://{}", folder.0.join("test.db").display());
        let observer = Database::builder(&url).max_connections(2).busy_timeout(Duration::ZERO).build();
        let db = Database::open(&url).expect("a valid URL");
        Self { db, observer: observer.expect("a valid URL"), url, name, is_nameless: false, _folder: Some(folder) }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.db.dialect() == Dialect::Postgres
    }

    pub(crate) fn is_mysql(&self) -> bool {
        self.db.dialect() == Dialect::Mysql
    }

    /// The URL of the database under test.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Options for another handle to the same database.
    pub(crate) fn builder(&self) -> DatabaseBuilder {
        let options = Database::builder(&self.url);
        if self.is_nameless { options.statement_cache_capacity(0) } else { options }
    }

    /// Puts a database with other options in place of the one under test.
    pub(crate) fn with(mut self, options: impl FnOnce(DatabaseBuilder) -> DatabaseBuilder) -> Self {
        self.db = options(self.builder()).build().expect("valid options");
        self
    }

    /// The database seen from outside: what is committed, and nothing else.
    pub(crate) fn observer(&self) -> &Database {
        &self.observer
    }

    /// A table `item (id integer primary key, name text unique)`, made from outside.
    pub(crate) async fn with_items(self) -> Self {
        let name = if self.is_mysql() { "varchar(255) collate utf8mb4_bin" } else { "text" };
        let sql = format!("create table item (id integer primary key, name {name} unique)");
        self.observer.batch(&sql).await.expect("the table of the test");
        self
    }

    /// MySQL has no RETURNING: a statement that writes an item and returns a row calls this function. Nothing elsewhere.
    pub(crate) async fn with_put(self) -> Self {
        if self.is_mysql() {
            let put = "create function put(id int, name varchar(255)) returns int deterministic modifies sql data
                       begin insert into item values (id, name); return id; end";
            self.observer.batch(put).await.expect("the function of the test");
        }
        self
    }

    /// The names of all committed items, sorted.
    pub(crate) async fn items(&self) -> Vec<String> {
        let rows = self.observer.query("select name from item order by name", params![]).await.expect("the items");
        rows.iter().map(|row| row.get(0).expect("a name")).collect()
    }

    /// The name of the database or schema under test.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The database under test behind a proxy.
    pub(crate) fn behind_proxy(self) -> (Self, Proxy) {
        self.behind_proxy_with(|options| options)
    }

    /// The database under test behind a proxy, with other options.
    pub(crate) fn behind_proxy_with(
        mut self,
        options: impl FnOnce(DatabaseBuilder) -> DatabaseBuilder,
    ) -> (Self, Proxy) {
        let proxy = Proxy::before(&self.url);
        self.url = proxy.url_for(&self.url);
        (self.with(options), proxy)
    }
}

impl Backend {
    /// What is said differently on PostgreSQL, on MySQL and MariaDB, and on SQLite.
    pub(crate) fn choose<T>(&self, postgres: T, mysql: T, sqlite: T) -> T {
        match self.db.dialect() {
            Dialect::Postgres => postgres,
            Dialect::Mysql => mysql,
            _ => sqlite,
        }
    }

    /// A returning clause of an INSERT, where the server has such.
    pub(crate) async fn returning(&self, columns: &str) -> String {
        if self.is_mysql() && !self.is_mariadb().await { String::new() } else { format!(" returning {columns}") }
    }
}

fn unique() -> String {
    keep_listening();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("nestling_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over in a temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Inserts an item into the table of [`Backend::with_items`].
pub(crate) async fn insert(db: &Database, id: i64, name: &str) -> nestling::Result<u64> {
    db.execute("insert into item values ($1, $2)", params![id, name]).await
}

/// Polls a future once, in the current task.
pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
