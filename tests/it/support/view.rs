//! The server's own view of the database under test: open transactions, sessions, locks, running statements.

use std::time::{Duration, Instant};

use nestling::{Database, Dialect, params};

use crate::harness::Backend;

/// How long the server and the pool may take until they are what they must become: more than a busy machine needs, less than what
/// must be ended takes by itself.
const SETTLES: Duration = Duration::from_secs(25);

impl Backend {
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
            let sql = format!("select count(*) from {} where db = $1", self.sessions().await);
            let row = self.observer.query_one(&sql, params![self.name.clone()]).await.expect("the server's sessions");
            let observers = i64::try_from(self.observer.stats().connections).expect("a small number");
            return row.get::<i64>(0).expect("a count") - observers;
        }
        let sql = "select count(*) from pg_stat_activity where application_name = $1";
        let row = self.observer.query_one(sql, params![self.name.clone()]).await.expect("the server's activity");
        row.get(0).expect("a count")
    }

    /// The query that lists the sessions of the database under test, all but the observer's own. None on SQLite.
    pub(crate) async fn sessions_query(&self) -> Option<String> {
        let name = &self.name;
        match self.db.dialect() {
            Dialect::Postgres => {
                Some(format!("select pid::bigint from pg_stat_activity where application_name = '{name}'"))
            }
            Dialect::Mysql => Some(format!(
                "select cast(id as signed) from {} where db = '{name}' and id <> connection_id()",
                self.sessions().await
            )),
            _ => None,
        }
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
    /// If that does not come in that time.
    pub(crate) async fn settled(&self) {
        self.settled_with(&self.db).await;
    }

    /// As [`settled`](Self::settled), where another handle than the backend's own is at work on its database.
    pub(crate) async fn settled_with(&self, db: &Database) {
        let start = Instant::now();
        loop {
            let stats = db.stats();
            let open = self.open_at_server().await;
            if open == 0 && stats.connections == stats.idle && stats.transactions == 0 && stats.waiting == 0 {
                return;
            }
            assert!(start.elapsed() < SETTLES, "not settled: {open} open at the server, {stats:?}");
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

    /// Waits until no lock is left: a statement's own is gone somewhat later than its answer is there. Not on SQLite.
    pub(crate) async fn no_locks_left(&self, what: &str) {
        let start = Instant::now();
        while self.locks_at_server().await > 0 {
            assert!(start.elapsed() < SETTLES, "{what}: a lock is left at the server");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many sessions of the database under test run a statement that is like `pattern`. Not on SQLite.
    pub(crate) async fn count_running(&self, pattern: &str) -> i64 {
        if self.is_mysql() {
            let table = self.sessions().await;
            let sql = &format!("select count(*) from {table} where db = $1 and info like $2 and id <> connection_id()");
            let row = self.observer.query_one(sql, params![self.name.clone(), pattern]).await.expect("the processes");
            return row.get(0).expect("a count");
        }
        let sql = "select count(*) from pg_stat_activity \
                   where application_name = $1 and state = 'active' and query like $2";
        let row = self.observer.query_one(sql, params![self.name.clone(), pattern]).await.expect("the activity");
        row.get(0).expect("a count")
    }

    /// Waits until no statement of the test that matches is at work: the server says so somewhat later than it answers. Not
    /// on SQLite.
    pub(crate) async fn none_running(&self, pattern: &str) {
        let start = Instant::now();
        while self.count_running(pattern).await > 0 {
            assert!(start.elapsed() < SETTLES, "the server is still at work on {pattern}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the server sees so many sessions of the database under test. Not on SQLite.
    pub(crate) async fn sessions_come_to(&self, wanted: u64) {
        self.sessions_come_to_those(|| wanted).await;
    }

    /// Waits until the server sees as many sessions as `db` has connections: a connection that somebody has begun to make
    /// may still be added while one waits. Not on SQLite.
    pub(crate) async fn sessions_are_those_of(&self, db: &Database) {
        self.sessions_come_to_those(|| db.stats().connections).await;
    }

    async fn sessions_come_to_those(&self, wanted: impl Fn() -> u64) {
        let start = Instant::now();
        loop {
            let seen = self.sessions_at_server().await;
            let wanted = wanted();
            if u64::try_from(seen) == Ok(wanted) {
                return;
            }
            assert!(start.elapsed() < SETTLES, "{seen} sessions at the server instead of {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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
        let ours = format!("select id from {} where db = $1 and id <> connection_id()", self.sessions().await);
        let ours = self.observer.query(&ours, params![self.name.clone()]).await.expect("the server's sessions");
        let ours: Vec<u64> = ours.iter().map(|row| row.get(0).expect("a number")).collect();
        threads.filter(|id| ours.contains(id)).count().try_into().expect("a small number")
    }

    /// The table of the server's sessions. MySQL's own `processlist` fails altogether while any session sends bytes that are
    /// no text.
    async fn sessions(&self) -> &'static str {
        if self.is_mariadb().await {
            return "information_schema.processlist";
        }
        "(select processlist_id as id, processlist_db as db, processlist_info as info from performance_schema.threads) as p"
    }

    /// Whether the server is MariaDB, by its own word.
    pub(crate) async fn is_mariadb(&self) -> bool {
        let row = self.observer.query_one("select version()", params![]).await.expect("the server's version");
        row.get::<String>(0).expect("a version").contains("MariaDB")
    }

    /// What the sessions of the database under test are at, as the server of MySQL or MariaDB sees it: the texts of
    /// running statements.
    pub(crate) async fn running_at_server(&self) -> Vec<String> {
        let table = self.sessions().await;
        let sql = &format!(
            "select info from {table} where db = $1 and info is not null and id <> connection_id() order by id"
        );
        let rows = self.observer.query(sql, params![self.name.clone()]).await.expect("the server's processes");
        // What is NULL by now has come to its end while the row was read.
        rows.iter().filter_map(|row| row.get::<Option<String>>(0).expect("a text")).collect()
    }

    /// Waits until a statement whose text has `part` in it runs at the server, or none does.
    ///
    /// # Panics
    /// If that does not come in that time.
    pub(crate) async fn runs_at_server(&self, part: &str, wanted: bool) {
        let start = Instant::now();
        while self.running_at_server().await.iter().any(|text| text.contains(part)) != wanted {
            assert!(start.elapsed() < SETTLES, "{part}: running is not {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
