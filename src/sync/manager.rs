//! [`SyncManager`]: the calls of a [`Manager`] in blocking form, and the manager's own `sync` and `allow_sync`.

use super::{SyncDatabase, SyncModels};
use crate::{
    db::Database,
    error::{Error, Result},
    model::{
        Assignment, Children, Columns, IntoSelect, Manager, Model, PrefetchType, Prefetched,
        query::{Query, Rows, Select},
    },
};

/// A [`Manager`] for blocking calls, from [`Manager::sync`], [`Manager::allow_sync`] or a [`SyncDatabase`].
///
/// # Errors
/// What the asynchronous call returns, and `SyncNotAllowed` as [`SyncDatabase`] says.
#[derive(Debug, Clone)]
pub struct SyncManager {
    db: SyncDatabase,
}

impl Manager {
    /// The manager for code that blocks. It works inside of [`allow_sync`](Self::allow_sync) alone, for the task that called
    /// that; elsewhere its calls are `SyncNotAllowed` and send nothing.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// use nestling::{Database, ErrorKind, Manager, Model};
    ///
    /// #[derive(Debug, Model)]
    /// struct User {
    ///     id: i64,
    ///     name: String,
    /// }
    ///
    /// let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// let blocking = objects.sync();
    /// let refused = blocking.create([User::NAME.set("Ada")]);
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::SyncNotAllowed);
    /// let ada = objects.allow_sync(|_| blocking.create([User::NAME.set("Ada")]))?;
    /// assert_eq!(objects.get::<User>(User::ID.eq(ada.id)).await?.name, "Ada");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn sync(&self) -> SyncManager {
        SyncManager { db: SyncDatabase::of_permission(self.database()) }
    }

    /// Allows blocking calls for as long as a closure runs, and closes their connections at its end, in whatever way it
    /// ends. As [`Database::allow_sync`].
    ///
    /// # Panics
    /// With the panic of the closure, after the connections were closed.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// use nestling::{Database, Error, Manager, Model};
    ///
    /// #[derive(Debug, Model)]
    /// struct User {
    ///     id: i64,
    ///     #[model(unique)]
    ///     name: String,
    /// }
    ///
    /// let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text unique)").await?;
    /// let count = objects.allow_sync(|sync| {
    ///     sync.atomic(|| {
    ///         sync.create([User::NAME.set("Ada")])?;
    ///         sync.create_or_get([User::NAME.set("Ada")])?;
    ///         Ok::<_, Error>(())
    ///     })?;
    ///     sync.count(User::select())
    /// })?;
    /// assert_eq!(count, 1);
    /// # Ok(()) }
    /// ```
    pub fn allow_sync<T>(&self, body: impl FnOnce(&SyncManager) -> T) -> T {
        self.database().allow_sync(|db| body(&SyncManager::new(db.clone())))
    }
}

impl From<SyncDatabase> for SyncManager {
    fn from(db: SyncDatabase) -> Self {
        Self::new(db)
    }
}

impl SyncManager {
    /// A manager of this database.
    #[must_use]
    pub fn new(db: SyncDatabase) -> Self {
        Self { db }
    }

    /// The database, for blocking calls.
    #[must_use]
    pub fn database(&self) -> &SyncDatabase {
        &self.db
    }

    /// As [`SyncDatabase::even_in_transaction`].
    #[must_use]
    pub fn even_in_transaction(&self) -> Self {
        Self::new(self.db.even_in_transaction())
    }

    /// Makes a call of the manager on the current thread.
    fn wait<T>(&self, call: impl AsyncFnOnce(&Manager) -> Result<T>) -> Result<T> {
        self.db.wait(async |db: &Database| call(&Manager::new(db.clone())).await)
    }

    /// As [`Manager::get`].
    ///
    /// # Errors
    /// As [`Manager::get`], and as [`SyncManager`] says.
    pub fn get<M: Model>(&self, source: impl IntoSelect<M>) -> Result<M> {
        self.wait(async |objects| objects.get(source).await)
    }

    /// As [`Manager::get_or_none`].
    ///
    /// # Errors
    /// As [`Manager::get_or_none`], and as [`SyncManager`] says.
    pub fn get_or_none<M: Model>(&self, source: impl IntoSelect<M>) -> Result<Option<M>> {
        self.wait(async |objects| objects.get_or_none(source).await)
    }

    /// As [`Manager::create`].
    ///
    /// # Errors
    /// As [`Manager::create`], and as [`SyncManager`] says.
    pub fn create<M: Model>(&self, values: impl IntoIterator<Item = Assignment<M>>) -> Result<M> {
        self.wait(async |objects| objects.create(values).await)
    }

    /// As [`Manager::update`].
    ///
    /// # Errors
    /// As [`Manager::update`], and as [`SyncManager`] says.
    pub fn update<M: Model>(&self, row: &M) -> Result<u64> {
        self.wait(async |objects| objects.update(row).await)
    }

    /// As [`Manager::update_only`].
    ///
    /// # Errors
    /// As [`Manager::update_only`], and as [`SyncManager`] says.
    pub fn update_only<M: Model>(&self, row: &M, columns: impl Columns<M>) -> Result<u64> {
        self.wait(async |objects| objects.update_only(row, columns).await)
    }

    /// As [`Manager::delete`].
    ///
    /// # Errors
    /// As [`Manager::delete`], and as [`SyncManager`] says.
    pub fn delete<M: Model>(&self, row: &M) -> Result<u64> {
        self.wait(async |objects| objects.delete(row).await)
    }

    /// As [`Manager::delete`] with `recursive()`, and with `delete_nullable()` if that is said.
    ///
    /// # Errors
    /// As [`Manager::delete`], and as [`SyncManager`] says.
    pub fn delete_recursive<M: Model>(&self, row: &M, delete_nullable: bool) -> Result<u64> {
        self.wait(async |objects| {
            let delete = objects.delete(row).recursive();
            if delete_nullable { delete.delete_nullable().await } else { delete.await }
        })
    }

    /// As [`Manager::get_or_create`].
    ///
    /// # Errors
    /// As [`Manager::get_or_create`], and as [`SyncManager`] says.
    pub fn get_or_create<M: Model>(
        &self,
        values: impl IntoIterator<Item = Assignment<M>>,
        defaults: impl IntoIterator<Item = Assignment<M>>,
    ) -> Result<(M, bool)> {
        self.wait(async |objects| objects.get_or_create(values, defaults).await)
    }

    /// As [`Manager::create_or_get`].
    ///
    /// # Errors
    /// As [`Manager::create_or_get`], and as [`SyncManager`] says.
    pub fn create_or_get<M: Model>(&self, values: impl IntoIterator<Item = Assignment<M>>) -> Result<(M, bool)> {
        self.wait(async |objects| objects.create_or_get(values).await)
    }

    /// As [`Manager::bulk_create`].
    ///
    /// # Errors
    /// As [`Manager::bulk_create`], and as [`SyncManager`] says.
    pub fn bulk_create<M: Model>(&self, rows: &[M]) -> Result<Vec<M::Key>> {
        self.wait(async |objects| objects.bulk_create(rows).await)
    }

    /// As [`Manager::execute`].
    ///
    /// # Errors
    /// As [`Manager::execute`], and as [`SyncManager`] says.
    pub fn execute<Q: Query>(&self, query: Q) -> Result<Q::Output> {
        self.wait(async |objects| objects.execute(query).await)
    }

    /// As [`Manager::prefetch`].
    ///
    /// # Errors
    /// As [`Manager::prefetch`], and as [`SyncManager`] says.
    pub fn prefetch<P: Model, C: Children<P>>(
        &self,
        parents: Select<P>,
        children: C,
    ) -> Result<Vec<Prefetched<P, C::Output>>> {
        self.prefetch_by(PrefetchType::default(), parents, children)
    }

    /// As [`Manager::prefetch`] in the way that is asked for.
    ///
    /// # Errors
    /// As [`Manager::prefetch`], and as [`SyncManager`] says.
    pub fn prefetch_by<P: Model, C: Children<P>>(
        &self,
        by: PrefetchType,
        parents: Select<P>,
        children: C,
    ) -> Result<Vec<Prefetched<P, C::Output>>> {
        self.wait(async |objects| objects.prefetch(parents, children).by(by).await)
    }

    /// As [`Manager::count`].
    ///
    /// # Errors
    /// As [`Manager::count`], and as [`SyncManager`] says.
    pub fn count(&self, query: impl Rows) -> Result<u64> {
        self.wait(async |objects| objects.count(query).await)
    }

    /// As [`Manager::scalar`].
    ///
    /// # Errors
    /// As [`Manager::scalar`], and as [`SyncManager`] says.
    pub fn scalar<Q: Rows>(&self, query: Q) -> Result<Option<Q::Row>> {
        self.wait(async |objects| objects.scalar(query).await)
    }

    /// As [`Manager::iterate`]: rows one by one, with memory that does not grow with their number. What is said of
    /// [`SyncDatabase::stream`] holds here too.
    ///
    /// # Errors
    /// As [`Manager::iterate`], and as [`SyncManager`] says.
    pub fn iterate<Q: Rows>(&self, query: Q) -> Result<SyncModels<Q::Row>> {
        let rows = self.wait(async |objects| objects.iterate(query).await)?;
        Ok(SyncModels::new(self.db.clone(), rows))
    }

    /// As [`SyncDatabase::connect`].
    ///
    /// # Errors
    /// As [`SyncDatabase::connect`].
    pub fn connect(&self) -> Result<()> {
        self.db.connect()
    }

    /// As [`SyncDatabase::close`].
    pub fn close(&self) {
        self.db.close();
    }

    /// As [`SyncDatabase::atomic`].
    ///
    /// # Errors
    /// As [`SyncDatabase::atomic`].
    ///
    /// # Panics
    /// With the panic of the body, after this block was rolled back.
    pub fn atomic<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.db.atomic(body)
    }

    /// As [`SyncDatabase::transaction`].
    ///
    /// # Errors
    /// As [`SyncDatabase::transaction`].
    ///
    /// # Panics
    /// With the panic of the body, after the transaction was rolled back, or marked.
    pub fn transaction<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.db.transaction(body)
    }

    /// As [`SyncDatabase::savepoint`].
    ///
    /// # Errors
    /// As [`SyncDatabase::savepoint`].
    ///
    /// # Panics
    /// With the panic of the body, after the savepoint was rolled back.
    pub fn savepoint<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.db.savepoint(body)
    }

    /// As [`SyncDatabase::savepoint_named`].
    ///
    /// # Errors
    /// As [`SyncDatabase::savepoint_named`].
    ///
    /// # Panics
    /// With the panic of the body, after the savepoint was rolled back.
    pub fn savepoint_named<T, E>(&self, name: &str, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error> + 'static,
    {
        self.db.savepoint_named(name, body)
    }
}
