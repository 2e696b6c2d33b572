//! [`TestDatabase`]: a database for one test, made and migrated at its beginning and dropped at its end.

use std::{fmt, ops::Deref, panic::Location};

use super::{
    database_name::{Reserved, hash, program},
    template::{self, Template, migrated},
    test_server::TestServer,
};
use crate::{
    db::{Database, DatabaseBuilder},
    driver::Dialect,
    error::Error,
};

/// A database of one test's own: for what a [`sandbox`](Database::sandbox) cannot show, such as transactions at the same time and
/// what happens at COMMIT.
///
/// It is made beside the database of a URL, has its migrations, and is a [`Database`] by its `Deref`. At the end of the test
/// [`drop_database`](Self::drop_database) drops it.
///
/// - **PostgreSQL**: a copy of a template, which is migrated once for all tests and processes that want the same. The user must
///   be allowed to create databases. Version 13 or newer.
/// - **MySQL, MariaDB**: a new database, migrated each time.
/// - **SQLite**: a file in a folder of its own below the temporary one, migrated each time; with `sqlite::memory:` a database in
///   memory.
///
/// # What is left behind
/// A database that was not dropped, as its test has panicked or was killed, is dropped by a later creation at the same
/// server: if its process has ended, which a process knows of those of its own machine; if its value was dropped without
/// a panic; or if it is more than a day old. That of a test that has failed is there for a look until then. Templates
/// are dropped when they are more than a day old. Names of databases begin with `nestling_test_`, those of templates with
/// `nestling_template_`.
///
/// # Examples
/// ```
/// use nestling::{Database, Error, params, testing::TestDatabase};
///
/// async fn migrate(db: Database) -> Result<(), Error> {
///     db.batch("create table account (name text primary key, balance integer not null)").await
/// }
///
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// # let url = "sqlite://app.db";
/// let db = TestDatabase::create(url, migrate).await?;
/// db.execute("insert into account values ('ada', 70)", params![]).await?;
/// db.drop_database().await
/// # }
/// ```
#[must_use = "it is there for one test"]
pub struct TestDatabase {
    db: Database,
    server: String,
    url: String,
    name: Reserved,
}

/// Options for a [`TestDatabase`].
#[must_use = "nothing is made before `create`"]
pub struct TestDatabaseBuilder {
    server: String,
    fingerprint: Option<u64>,
    options: Box<dyn Fn(DatabaseBuilder) -> DatabaseBuilder + Send + Sync>,
}

impl TestDatabase {
    /// Makes a database beside that of the URL, and has it migrated.
    ///
    /// On PostgreSQL `migrate` runs if there is no template of it yet. Templates go by the URL, the program, as it was built, and the
    /// line of this call: let all tests call one function of yours that calls this. What a program reads while it
    /// runs, as migrations in files, is told by [`fingerprint`](TestDatabaseBuilder::fingerprint).
    ///
    /// # Errors
    /// Those of `migrate`; `Config` for a URL that is not valid; those of the server, whose user may not be allowed to create databases.
    ///
    /// # Cancel safety
    /// Dropped, it leaves a database that the next creation drops.
    #[track_caller]
    pub fn create<F, Fut, E>(url: &str, migrate: F) -> impl Future<Output = Result<Self, E>>
    where
        F: FnOnce(Database) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        Self::builder(url).create(migrate)
    }

    /// Options for a database beside that of the URL.
    pub fn builder(url: &str) -> TestDatabaseBuilder {
        TestDatabaseBuilder { server: url.to_owned(), fingerprint: None, options: Box::new(|options| options) }
    }

    /// The database: for a service that takes one.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// The URL of the database: for a service that takes one, or a process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes the database, and drops it, though others may be connected to it.
    ///
    /// # Errors
    /// Those of the server, or of the file system.
    ///
    /// # Cancel safety
    /// Dropped, it may leave the database to the next creation.
    pub async fn drop_database(self) -> Result<(), Error> {
        self.db.close().await;
        let server = TestServer::new(&self.server)?;
        let dropped = server.drop(self.name.name()).await;
        server.db.close().await;
        dropped
    }
}

impl Deref for TestDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.db
    }
}

impl TestDatabaseBuilder {
    /// What the migrations are, for PostgreSQL: databases of one URL with the same fingerprint are copies of one template, whatever
    /// program makes them. Defaults to the program, as it was built, and the line of the call.
    pub fn fingerprint(mut self, migrations: impl AsRef<[u8]>) -> Self {
        self.fingerprint = Some(hash(migrations.as_ref()));
        self
    }

    /// Sets options of the database that the test gets. Migrations run without them, but for those of a database in memory.
    pub fn options(mut self, set: impl Fn(DatabaseBuilder) -> DatabaseBuilder + Send + Sync + 'static) -> Self {
        self.options = Box::new(set);
        self
    }

    /// Makes the database, as [`TestDatabase::create`] does.
    ///
    /// # Errors
    /// As [`TestDatabase::create`].
    ///
    /// # Cancel safety
    /// As [`TestDatabase::create`].
    #[track_caller]
    pub fn create<F, Fut, E>(self, migrate: F) -> impl Future<Output = Result<TestDatabase, E>>
    where
        F: FnOnce(Database) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        let at = Location::caller();
        async move {
            let schema = self.fingerprint.unwrap_or_else(|| hash((program(), at.to_string())));
            self.create_of(schema, migrate).await
        }
    }

    async fn create_of<F, Fut, E>(self, schema: u64, migrate: F) -> Result<TestDatabase, E>
    where
        F: FnOnce(Database) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        let server = TestServer::new(&self.server)?;
        server.drop_stale().await?;
        let name = Reserved::new();
        let url = server.url_of(name.name());
        let db = (self.options)(Database::builder(&url)).build()?;
        if server.db.dialect() == Dialect::Postgres {
            template::drop_stale(&server, &self.server).await?;
            Template::of(&self.server, schema).copy(&server, name.name(), migrate).await?;
        } else {
            server.create(name.name()).await?;
            if server.is_memory() {
                migrate(db.clone()).await?;
            } else {
                migrated(&url, migrate).await?;
            }
        }
        server.db.close().await;
        Ok(TestDatabase { db, server: self.server, url, name })
    }
}

/// Without the URLs, which may have a password.
impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { db, server: _, url: _, name } = self;
        f.debug_struct("TestDatabase").field("db", db).field("name", &name.name()).finish_non_exhaustive()
    }
}

/// Without the URL, which may have a password.
impl fmt::Debug for TestDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server: _, fingerprint, options: _ } = self;
        f.debug_struct("TestDatabaseBuilder").field("fingerprint", fingerprint).finish_non_exhaustive()
    }
}
