//! What every test has: a database of its own on one of the back ends, somebody who looks at the server from outside, and
//! a macro that runs a test on every back end.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use nestling::{Database, DatabaseBuilder, Dialect, params};

use crate::{proxy::Proxy, servers};

/// Runs a test on every back end: on PostgreSQL, MariaDB and MySQL, on SQLite where it may block (a multi-thread runtime),
/// and on SQLite where it may not (a current-thread one).
macro_rules! on_every_backend {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($backend: $crate::harness::Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                test($crate::harness::Backend::postgres().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                test($crate::harness::Backend::mariadb().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql9() {
                test($crate::harness::Backend::mysql().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                test($crate::harness::Backend::sqlite().await).await;
            }

            #[tokio::test]
            async fn sqlite_on_one_thread() {
                test($crate::harness::Backend::sqlite().await).await;
            }
        }
    )+};
}

/// Runs a test on MariaDB and on MySQL. (`tests/run.sh --without-mysql` leaves out what ends in `::mysql9`.)
macro_rules! on_mysql_and_mariadb {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($backend: $crate::harness::Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                test($crate::harness::Backend::mariadb().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql9() {
                test($crate::harness::Backend::mysql().await).await;
            }
        }
    )+};
}

/// Runs a test on every back end that is a server: on PostgreSQL, MariaDB and MySQL.
macro_rules! on_every_server {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn test($backend: $crate::harness::Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                test($crate::harness::Backend::postgres().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                test($crate::harness::Backend::mariadb().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql9() {
                test($crate::harness::Backend::mysql().await).await;
            }
        }
    )+};
}

/// A database of one test's own.
pub(crate) struct Backend {
    /// The database under test.
    pub(crate) db: Database,
    url: String,
    /// Looks at the server from outside, by connections that are not those under test.
    observer: Database,
    /// Who we are at the server, so that tests that run at the same time do not see each other.
    name: String,
    _folder: Option<Folder>,
}

impl Backend {
    pub(crate) async fn postgres() -> Self {
        let name = unique();
        let base = servers::postgres_url();
        let observer = Database::builder(&base).max_connections(2).build().expect("the URL of the test server");
        observer.batch(&format!("create schema {name}")).await.expect("a schema for the test");
        let join = if base.contains('?') { '&' } else { '?' };
        let url = format!("{base}{join}application_name={name}&options=-c%20search_path%3D{name}");
        let observer_url = format!("{base}{join}application_name={name}_observer&options=-c%20search_path%3D{name}");
        let observer = Database::builder(&observer_url).max_connections(2).build().expect("the URL of the test server");
        Self { db: Database::open(&url).expect("a valid URL"), url, observer, name, _folder: None }
    }

    pub(crate) async fn mariadb() -> Self {
        Self::of_mysql(&servers::mysql_url()).await
    }

    pub(crate) async fn mysql() -> Self {
        Self::of_mysql(&servers::mysql9_url()).await
    }

    /// A database of its own at a MySQL or MariaDB server.
    pub(crate) async fn of_mysql(base: &str) -> Self {
        let name = unique();
        let admin = Database::builder(base).max_connections(1).build().expect("the URL of the test server");
        admin.batch(&format!("create database {name}")).await.expect("a database for the test");
        let (server, _) = base.rsplit_once('/').expect("a URL with a database");
        let url = format!("{server}/{name}");
        let observer = Database::builder(&url).max_connections(2).build().expect("the URL of the test server");
        Self { db: Database::open(&url).expect("a valid URL"), url, observer, name, _folder: None }
    }

    pub(crate) async fn sqlite() -> Self {
        let name = unique();
        let folder = Folder::new(&name);
        let url = format!("sqlite://{}", folder.0.join("test.db").display());
        let observer = Database::builder(&url).max_connections(2).busy_timeout(Duration::ZERO).build();
        let db = Database::open(&url).expect("a valid URL");
        Self { db, observer: observer.expect("a valid URL"), url, name, _folder: Some(folder) }
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
        Database::builder(&self.url)
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
        if self.is_mysql() {
            // MySQL has no RETURNING: a statement that writes and returns rows calls this.
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

    /// How many transactions of the database under test the server itself sees open.
    pub(crate) async fn open_at_server(&self) -> i64 {
        if self.is_postgres() {
            let sql = "select count(*) from pg_stat_activity where application_name = $1 and xact_start is not null";
            let row = self.observer.query_one(sql, params![self.name.clone()]).await.expect("the server's activity");
            return row.get(0).expect("a count");
        }
        if self.is_mysql() {
            return self.open_at_innodb().await;
        }
        // Whoever has a write transaction open keeps others from beginning one.
        let free = self.observer.build_transaction().eager().atomic(|| async { Ok::<_, nestling::Error>(()) }).await;
        i64::from(free.is_err())
    }

    /// How many sessions of the database under test the server itself sees. Not on SQLite.
    pub(crate) async fn sessions_at_server(&self) -> i64 {
        if self.is_mysql() {
            let sql = "select count(*) from information_schema.processlist where db = $1";
            let row = self.observer.query_one(sql, params![self.name.clone()]).await.expect("the server's sessions");
            let observers = i64::try_from(self.observer.stats().connections).expect("a small number");
            return row.get::<i64>(0).expect("a count") - observers;
        }
        let sql = "select count(*) from pg_stat_activity where application_name = $1";
        let row = self.observer.query_one(sql, params![self.name.clone()]).await.expect("the server's activity");
        row.get(0).expect("a count")
    }

    /// Ends all sessions of the database under test, as an administrator would. PostgreSQL only.
    pub(crate) async fn terminate_sessions(&self) -> i64 {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1";
        let row = self.observer.query_one(sql, params![self.name.clone()]).await.expect("sessions end");
        row.get(0).expect("a count")
    }

    /// Waits until the server sees no transaction of the database under test, and all its connections are idle.
    ///
    /// # Panics
    /// If that does not come within five seconds.
    pub(crate) async fn settled(&self) {
        let start = Instant::now();
        loop {
            let stats = self.db.stats();
            let open = self.open_at_server().await;
            if open == 0 && stats.connections == stats.idle && stats.transactions == 0 && stats.waiting == 0 {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "not settled: {open} open at the server, {stats:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many locks sessions of the database under test hold or wait for; on MySQL and MariaDB, where only open
    /// transactions have any, how many of these. Not on SQLite.
    pub(crate) async fn locks_at_server(&self) -> i64 {
        if self.is_mysql() {
            return self.open_at_innodb().await;
        }
        let sql = "select count(*) from pg_locks join pg_stat_activity using (pid) where application_name = $1";
        let row = self.observer.query_one(sql, params![self.name.clone()]).await.expect("the server's locks");
        row.get(0).expect("a count")
    }

    /// How many sessions of the database under test run a statement that is like `pattern`. Not on SQLite.
    pub(crate) async fn count_running(&self, pattern: &str) -> i64 {
        if self.is_mysql() {
            let sql = "select count(*) from information_schema.processlist
                       where db = $1 and info like $2 and id <> connection_id()";
            let row = self.observer.query_one(sql, params![self.name.clone(), pattern]).await.expect("the processes");
            return row.get(0).expect("a count");
        }
        let sql = "select count(*) from pg_stat_activity \
                   where application_name = $1 and state = 'active' and query like $2";
        let row = self.observer.query_one(sql, params![self.name.clone(), pattern]).await.expect("the activity");
        row.get(0).expect("a count")
    }

    /// Waits until the server sees so many sessions of the database under test. Not on SQLite.
    pub(crate) async fn sessions_come_to(&self, wanted: u64) {
        let start = Instant::now();
        loop {
            let seen = self.sessions_at_server().await;
            if u64::try_from(seen) == Ok(wanted) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{seen} sessions at the server instead of {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether the server is MariaDB, by its own word.
    pub(crate) async fn is_mariadb(&self) -> bool {
        let row = self.observer.query_one("select version()", params![]).await.expect("the server's version");
        row.get::<String>(0).expect("a version").contains("MariaDB")
    }

    /// What the sessions of the database under test are at, as the server of MySQL or MariaDB sees it: the texts of
    /// running statements.
    pub(crate) async fn running_at_server(&self) -> Vec<String> {
        let sql = "select info from information_schema.processlist
                   where db = $1 and info is not null and id <> connection_id() order by id";
        let rows = self.observer.query(sql, params![self.name.clone()]).await.expect("the server's processes");
        rows.iter().map(|row| row.get(0).expect("a text")).collect()
    }

    /// Waits until a statement whose text has `part` in it runs at the server, or none does.
    ///
    /// # Panics
    /// If that does not come within five seconds.
    pub(crate) async fn runs_at_server(&self, part: &str, wanted: bool) {
        let start = Instant::now();
        while self.running_at_server().await.iter().any(|text| text.contains(part)) != wanted {
            assert!(start.elapsed() < Duration::from_secs(5), "{part}: running is not {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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

    /// By InnoDB's report: the table `innodb_trx` is a copy that grows older for as long as it is looked at more often
    /// than ten times a second, by whomever.
    async fn open_at_innodb(&self) -> i64 {
        let report = self.observer.query_one("show engine innodb status", params![]).await.expect("InnoDB's report");
        let report: String = report.get(2).expect("a text");
        let open = report
            .split("---TRANSACTION ")
            .skip(1)
            .filter(|part| part.lines().next().is_some_and(|line| line.contains(", ACTIVE")));
        let threads = open.filter_map(|part| part.split_once("thread id ")?.1.split(',').next()?.parse::<u64>().ok());
        let ours = "select id from information_schema.processlist where db = $1 and id <> connection_id()";
        let ours = self.observer.query(ours, params![self.name.clone()]).await.expect("the server's sessions");
        let ours: Vec<u64> = ours.iter().map(|row| row.get(0).expect("a number")).collect();
        threads.filter(|id| ours.contains(id)).count().try_into().expect("a small number")
    }
}

fn unique() -> String {
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
