//! [`Backend`]: a database server, and the conductor's own connection to it: it makes the tables, and looks at what a run
//! has left in them.

use std::{fs, path::PathBuf};

use agent::{ACCOUNTS, Outcome, SCALE, WIDE_ROWS};
use anyhow::{Context, Result, bail};
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};

use crate::processes::Processes;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    Postgres,
    MariaDb,
    Sqlite,
}

impl Backend {
    pub(crate) const ALL: [Self; 3] = [Self::Postgres, Self::MariaDb, Self::Sqlite];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }
}

/// The conductor's own connection.
pub(crate) enum Admin {
    Postgres(tokio_postgres::Client),
    MariaDb(Box<mysql_async::Conn>),
    Sqlite(rusqlite::Connection),
}

/// A server that is ready to be measured.
pub(crate) struct Server {
    pub(crate) url: String,
    /// By its unix socket; nothing for SQLite, which is no server.
    pub(crate) socket_url: Option<String>,
    processes: Option<Processes>,
    pub(crate) version: String,
    pub(crate) admin: Admin,
    /// What the tables held when they were looked at last.
    seen: Outcome,
}

/// Rows of `entry` from which on the table is emptied.
const FULL: u64 = 20_000;

const ACCOUNT: &str = "create table account (id bigint primary key, balance bigint not null)";
const WIDE: &str = "create table wide (id bigint primary key, account bigint not null, name varchar(100) not null, \
    note varchar(100), amount bigint not null, ratio double precision not null, code integer not null, active boolean not null)";

/// `entry`, whose key the database makes.
fn entry(backend: Backend) -> String {
    let id = match backend {
        Backend::Postgres => "bigserial primary key",
        Backend::MariaDb => "bigint primary key auto_increment",
        Backend::Sqlite => "integer primary key",
    };
    format!("create table entry (id {id}, account bigint not null, amount bigint not null, note varchar(100) not null)")
}

/// Fills `account` and `wide`; `numbers` is a table expression of `n` from 1 to the number of rows.
fn fill(backend: Backend) -> [String; 2] {
    let numbers = |count: i64| match backend {
        Backend::Postgres => format!("generate_series(1, {count}) as s(n)"),
        Backend::MariaDb => format!("(select seq as n from seq_1_to_{count}) as s"),
        Backend::Sqlite => format!(
            "(with recursive s(n) as (select 1 union all select n + 1 from s where n < {count}) select n from s) as s"
        ),
    };
    let (name, division) = match backend {
        Backend::MariaDb => ("concat('name ', n)", "n / 8e0"),
        Backend::Postgres => ("'name ' || n", "n / 8.0::float8"),
        Backend::Sqlite => ("'name ' || n", "n / 8.0"),
    };
    [
        format!("insert into account select n, n * {SCALE} from {}", numbers(ACCOUNTS)),
        format!(
            "insert into wide select n, n % 1000 + 1, {name}, case when n % 3 = 0 then null else 'a note on it' end, \
             n * 17, {division}, n % 97, n % 2 = 0 from {}",
            numbers(WIDE_ROWS)
        ),
    ]
}

impl Server {
    /// Connects, and makes the tables anew. For SQLite the URL names the file.
    pub(crate) async fn prepare(backend: Backend, url: &str) -> Result<Self> {
        let admin = match backend {
            Backend::Postgres => {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
                tokio::spawn(connection);
                Admin::Postgres(client)
            }
            Backend::MariaDb => {
                Admin::MariaDb(Box::new(mysql_async::Conn::new(mysql_async::Opts::from_url(url)?).await?))
            }
            Backend::Sqlite => {
                let path = PathBuf::from(url.strip_prefix("sqlite://").context("the URL of a SQLite file")?);
                let connection = rusqlite::Connection::open(path)?;
                connection.pragma_update(None, "journal_mode", "wal")?;
                Admin::Sqlite(connection)
            }
        };
        let mut server = Self {
            url: url.into(),
            socket_url: None,
            processes: None,
            version: String::new(),
            admin,
            seen: Outcome { entries: 0, balance: 0 },
        };
        let version = match backend {
            Backend::Postgres => "show server_version",
            Backend::MariaDb => "select version()",
            Backend::Sqlite => "select sqlite_version()",
        };
        server.version = server.text(version).await?;
        server.find().await?;
        for table in ["entry", "account", "wide"] {
            server.run(&format!("drop table if exists {table}")).await?;
        }
        for statement in [ACCOUNT, WIDE, &entry(backend)].into_iter().chain(fill(backend).iter().map(String::as_str)) {
            server.run(statement).await.with_context(|| statement.to_owned())?;
        }
        // Statistics, and on PostgreSQL no vacuum by itself in the middle of a run.
        match backend {
            Backend::Postgres => {
                server.run("alter table account set (autovacuum_enabled = off, fillfactor = 50)").await?;
                server.run("alter table entry set (autovacuum_enabled = off)").await?;
                server.run("vacuum full account").await?;
                server.run("vacuum analyze").await?;
            }
            Backend::MariaDb => server.run("analyze table account, wide, entry").await?,
            Backend::Sqlite => server.run("analyze").await?,
        }
        Ok(server)
    }

    /// Finds its processes and its unix socket. It runs on this machine.
    async fn find(&mut self) -> Result<()> {
        match self.admin {
            Admin::Postgres(_) => {
                let backend = self.number("select pg_backend_pid()::bigint").await?;
                self.processes = Some(Processes::of_child(backend.try_into()?)?);
                let folder = self.text("select split_part(current_setting('unix_socket_directories'), ',', 1)").await?;
                let config: tokio_postgres::Config = self.url.parse()?;
                let (user, database) = (config.get_user().context("a user")?, config.get_dbname().context("a name")?);
                let port = config.get_ports().first().context("a port")?;
                self.socket_url = Some(format!("postgres:///{database}?host={folder}&port={port}&user={user}"));
            }
            Admin::MariaDb(_) => {
                let path = self.text("select @@pid_file").await?;
                let id = fs::read_to_string(&path).with_context(|| path.clone())?;
                self.processes = Some(Processes::of(id.trim().parse().context(path)?));
                let socket = self.text("select @@socket").await?;
                self.socket_url = Some(format!("{}?socket={socket}", self.url));
            }
            Admin::Sqlite(_) => {}
        }
        Ok(())
    }

    /// How long its processes have been on the processor, in nanoseconds.
    pub(crate) fn processor_time(&self) -> Result<u64> {
        self.processes.map_or(Ok(0), Processes::time)
    }

    /// Runs statements without results.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<()> {
        match &mut self.admin {
            Admin::Postgres(client) => client.batch_execute(sql).await?,
            Admin::MariaDb(connection) => connection.query_drop(sql).await?,
            Admin::Sqlite(connection) => connection.execute_batch(sql)?,
        }
        Ok(())
    }

    async fn text(&mut self, sql: &str) -> Result<String> {
        Ok(match &mut self.admin {
            Admin::Postgres(client) => client.query_one(sql, &[]).await?.try_get(0)?,
            Admin::MariaDb(connection) => connection.query_first(sql).await?.context("one row")?,
            Admin::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0))?,
        })
    }

    async fn number(&mut self, sql: &str) -> Result<u64> {
        let number: i64 = match &mut self.admin {
            Admin::Postgres(client) => client.query_one(sql, &[]).await?.try_get(0)?,
            Admin::MariaDb(connection) => connection.query_first(sql).await?.context("one row")?,
            Admin::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0))?,
        };
        Ok(number.try_into()?)
    }

    async fn look(&mut self) -> Result<Outcome> {
        let balance = match self.admin {
            Admin::Postgres(_) => "select sum(balance)::bigint from account",
            Admin::MariaDb(_) => "select cast(sum(balance) as signed) from account",
            Admin::Sqlite(_) => "select sum(balance) from account",
        };
        let entries = self.number("select count(*) from entry").await?;
        Ok(Outcome { entries, balance: self.number(balance).await? })
    }

    /// Takes note of what the tables hold; empties `entry` when it has grown long.
    pub(crate) async fn before_run(&mut self) -> Result<()> {
        self.seen = self.look().await?;
        if self.seen.entries > FULL {
            self.empty().await?;
        }
        Ok(())
    }

    /// Empties `entry`.
    pub(crate) async fn empty(&mut self) -> Result<()> {
        let sql = if matches!(self.admin, Admin::Sqlite(_)) { "delete from entry" } else { "truncate table entry" };
        self.run(sql).await?;
        self.seen = self.look().await?;
        Ok(())
    }

    /// Checks that so many operations have left what they must.
    pub(crate) async fn after_run(&mut self, each: Outcome, ops: u64) -> Result<()> {
        let now = self.look().await?;
        let grown = Outcome {
            entries: now.entries.wrapping_sub(self.seen.entries),
            balance: now.balance.wrapping_sub(self.seen.balance),
        };
        let wanted = Outcome { entries: each.entries * ops, balance: each.balance * ops };
        if grown != wanted {
            bail!("{ops} operations left {grown:?} instead of {wanted:?}");
        }
        Ok(())
    }
}
