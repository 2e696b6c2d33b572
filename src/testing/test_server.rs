//! [`TestServer`]: where the databases of tests are made and dropped: beside the database of a URL, or in the temporary folder.

use std::{env, fs, path::PathBuf};

use super::database_name::{PREFIX, is_stale};
use crate::{
    data::value::Value,
    db::Database,
    driver::Dialect,
    error::{Error, Result},
};

/// A connection to the database of a URL, beside which others are made.
pub(super) struct TestServer {
    pub(super) db: Database,
    url: String,
}

impl TestServer {
    pub(super) fn new(url: &str) -> Result<Self> {
        Ok(Self { db: Database::builder(url).max_connections(1).build()?, url: url.to_owned() })
    }

    /// Whether each opening makes a database of its own.
    pub(super) fn is_memory(&self) -> bool {
        self.db.dialect() == Dialect::Sqlite && self.url.ends_with(":memory:")
    }

    /// The URL of the database of this name.
    pub(super) fn url_of(&self, name: &str) -> String {
        match self.db.dialect() {
            Dialect::Sqlite if self.is_memory() => self.url.clone(),
            // `%` begins an escape in URLs.
            Dialect::Sqlite => {
                let path = folder(name).join("test.db");
                format!("sqlite://{}", path.to_string_lossy().replace('%', "%25").replace('?', "%3f"))
            }
            _ => with_database(&self.url, name),
        }
    }

    pub(super) async fn create(&self, name: &str) -> Result<()> {
        match self.db.dialect() {
            Dialect::Sqlite if self.is_memory() => Ok(()),
            Dialect::Sqlite => fs::create_dir(folder(name)).map_err(Error::other),
            _ => self.db.batch(&format!("create database {name}")).await,
        }
    }

    /// Drops a database, if it is there, though somebody may use it.
    pub(super) async fn drop(&self, name: &str) -> Result<()> {
        match self.db.dialect() {
            Dialect::Postgres => self.db.batch(&format!("drop database if exists {name} with (force)")).await,
            _ => self.drop_unused(name).await,
        }
    }

    async fn drop_unused(&self, name: &str) -> Result<()> {
        match self.db.dialect() {
            Dialect::Sqlite if self.is_memory() => Ok(()),
            Dialect::Sqlite => fs::remove_dir_all(folder(name)).map_err(Error::other),
            _ => self.db.batch(&format!("drop database if exists {name}")).await,
        }
    }

    /// Drops what nobody wants any more.
    pub(super) async fn drop_stale(&self) -> Result<()> {
        for name in self.names().await?.iter().filter(|name| is_stale(name)) {
            // Two processes may do so at the same time, and somebody may look at it: then the next creation tries again.
            let _ = self.drop_unused(name).await;
        }
        Ok(())
    }

    /// The databases that may be those of tests, and our own.
    async fn names(&self) -> Result<Vec<String>> {
        let sql = match self.db.dialect() {
            Dialect::Postgres => {
                "select datname::text from pg_database where starts_with(datname, $1) and pg_get_userbyid(datdba) = current_user"
            }
            Dialect::Mysql => "select schema_name from information_schema.schemata where instr(schema_name, $1) = 1",
            _ if self.is_memory() => return Ok(Vec::new()),
            _ => {
                let entries = fs::read_dir(env::temp_dir()).map_err(Error::other)?;
                return Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect());
            }
        };
        self.db.query(sql, [Value::from(PREFIX)]).await?.iter().map(|row| row.get(0)).collect()
    }
}

fn folder(name: &str) -> PathBuf {
    env::temp_dir().join(name)
}

/// The URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let host = url[start..].split('/').next().unwrap_or_default();
    // A question mark ahead of it is the password's.
    let start = start + host.rfind('@').map_or(0, |at| at + 1);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let options = url[end..].find('?').map_or("", |at| &url[end + at..]);
    format!("{}/{name}{options}", &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_database() {
        for (url, other) in [
            (
                "postgres://ada:x%2fy@host:5433/orders?sslmode=disable",
                "postgres://ada:x%2fy@host:5433/new?sslmode=disable",
            ),
            ("postgres://ada:what?@host/orders", "postgres://ada:what?@host/new"),
            ("postgres://host", "postgres://host/new"),
            ("postgres:///orders?host=/run/postgresql", "postgres:///new?host=/run/postgresql"),
            ("mysql://root@[::1]:3307/orders?x=a@b", "mysql://root@[::1]:3307/new?x=a@b"),
        ] {
            assert_eq!(with_database(url, "new"), other);
        }
    }
}
