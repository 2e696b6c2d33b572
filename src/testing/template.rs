//! Templates of PostgreSQL: a database that is migrated once, and copied for each test of all processes that want the same.
//!
//! A template that is whole takes no connections, and its comment tells when it was made. Advisory locks of the database of
//! the URL keep processes apart: whoever copies a template shares its lock, and whoever makes or drops it has it alone.

use super::{
    database_name::{hash, is_old, seconds},
    test_server::TestServer,
};
use crate::{
    data::value::Value,
    db::Database,
    error::{Error, Result},
};

const PREFIX: &str = "nestling_template_";

/// A template, by its name and by the number of its lock.
pub(super) struct Template {
    name: String,
    lock: i64,
}

impl Template {
    /// That of a schema, beside the database of a URL.
    pub(super) fn of(url: &str, schema: u64) -> Self {
        Self::named(hash(url) >> 32, hash((url, schema)))
    }

    /// Templates belong to a URL, as their locks do.
    fn named(url: u64, key: u64) -> Self {
        Self { name: format!("{PREFIX}{url:x}_{key:x}"), lock: key.cast_signed() }
    }

    fn parse(name: &str, url: &str) -> Option<Self> {
        let (of, key) = name.strip_prefix(PREFIX)?.split_once('_')?;
        (of == format!("{:x}", hash(url) >> 32))
            .then(|| u64::from_str_radix(key, 16).ok())?
            .map(|key| Self::named(hash(url) >> 32, key))
    }

    /// Makes `copy` of the template, which is made first where it is missing.
    pub(super) async fn copy<F, Fut, E>(&self, server: &TestServer, copy: &str, migrate: F) -> Result<(), E>
    where
        F: FnOnce(Database) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        let db = &server.db;
        // The locks are those of the session, and end with its return to the pool.
        db.connection(|| async {
            self.call(db, "pg_advisory_lock_shared").await?;
            if !self.is_whole(db).await? {
                self.call(db, "pg_advisory_unlock_shared").await?;
                self.call(db, "pg_advisory_lock").await?;
                if !self.is_whole(db).await? {
                    self.make(server, migrate).await?;
                }
                self.call(db, "pg_advisory_lock_shared").await?;
                self.call(db, "pg_advisory_unlock").await?;
            }
            Ok(db.batch(&format!("create database {copy} template {}", self.name)).await?)
        })
        .await
    }

    async fn make<F, Fut, E>(&self, server: &TestServer, migrate: F) -> Result<(), E>
    where
        F: FnOnce(Database) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        // One that was begun and not ended.
        server.drop(&self.name).await?;
        server.create(&self.name).await?;
        migrated(&server.url_of(&self.name), migrate).await?;
        server.db.batch(&format!("comment on database {} is '{}'", self.name, seconds())).await?;
        Ok(server.db.batch(&format!("alter database {} allow_connections false", self.name)).await?)
    }

    async fn is_whole(&self, db: &Database) -> Result<bool> {
        let sql = "select exists (select from pg_database where datname = $1 and not datallowconn)";
        db.query_one(sql, [Value::from(self.name.as_str())]).await?.get(0)
    }

    async fn call(&self, db: &Database, function: &str) -> Result<()> {
        db.query(&format!("select {function}($1)"), [Value::from(self.lock)]).await.map(drop)
    }
}

/// Runs the migrations on a database, and closes it.
pub(super) async fn migrated<F, Fut, E>(url: &str, migrate: F) -> Result<(), E>
where
    F: FnOnce(Database) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: From<Error>,
{
    let db = Database::open(url)?;
    let result = migrate(db.clone()).await;
    db.close().await;
    result
}

/// Drops the templates of this URL that are a day old, or that nobody has ended, unless they are in use.
pub(super) async fn drop_stale(server: &TestServer, url: &str) -> Result<()> {
    for template in stale(&server.db, PREFIX).await?.iter().filter_map(|name| Template::parse(name, url)) {
        server
            .db
            .connection(|| async {
                let lock = server.db.query_one("select pg_try_advisory_lock($1)", [Value::from(template.lock)]).await?;
                // Who had the lock may have made it whole meanwhile.
                if lock.get(0)? && stale(&server.db, &template.name).await?.contains(&template.name) {
                    server.drop(&template.name).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(())
}

/// The templates whose names begin so that are a day old, or that nobody has ended.
async fn stale(db: &Database, prefix: &str) -> Result<Vec<String>> {
    let sql = "select datname::text, not datallowconn, shobj_description(oid, 'pg_database') from pg_database
               where starts_with(datname, $1) and pg_get_userbyid(datdba) = current_user";
    let mut names = Vec::new();
    for row in db.query(sql, [Value::from(prefix)]).await? {
        let (name, is_whole, made): (String, bool, Option<String>) = row.to()?;
        if !is_whole || made.and_then(|made| made.parse().ok()).is_some_and(is_old) {
            names.push(name);
        }
    }
    Ok(names)
}
