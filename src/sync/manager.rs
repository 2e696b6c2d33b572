//! [`SyncManager`]: the calls of a [`Manager`] in blocking form, and the manager's own `sync` and `allow_sync`.

use super::{SyncDatabase, SyncModels};
use crate::{
    db::Database,
    error::{Error, Result},
    model::{
        Assignment, Children, Columns, IntoSelect, Manager, Model, Prefetched,
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
    /// A blocking manager that works inside of [`allow_sync`](Self::allow_sync) only, on the task that called it.
    /// Elsewhere its calls are `SyncNotAllowed` and send nothing.
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
        SyncManager { db: SyncDatabase::with_permission(self.database()) }
    }

    /// Allows blocking calls while a closure runs, as [`Database::allow_sync`] does.
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

    /// Runs asynchronous calls of a manager on the current thread, as [`SyncDatabase::blocking`] does: for calls that
    /// have no blocking form here.
    ///
    /// # Errors
    /// Those of the closure, and as [`SyncManager`] says.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model, sync::SyncManager};
    /// # #[derive(Debug, Model)] struct User { id: i64, name: String }
    /// # fn main() -> nestling::Result<()> {
    /// let objects = SyncManager::from(Database::open("sqlite::memory:")?.sync());
    /// # objects.database().batch("create table user (id integer primary key, name text)")?;
    /// let users: Vec<User> = ["ada", "bob"].map(|name| User { id: 0, name: name.into() }).into();
    /// assert_eq!(objects.blocking(async |objects| objects.bulk_create(&users).await)?, [1, 2]);
    /// # Ok(()) }
    /// ```
    pub fn blocking<T, E: From<Error>>(&self, call: impl AsyncFnOnce(&Manager) -> Result<T, E>) -> Result<T, E> {
        self.db.blocking(async |db: &Database| call(&Manager::new(db.clone())).await)
    }

    /// As [`Manager::delete`] with [`recursive`](crate::model::DeleteRow::recursive).
    ///
    /// # Errors
    /// As [`Manager::delete`], and as [`SyncManager`] says.
    pub fn delete_recursive<M: Model>(&self, row: &M, delete_nullable: bool) -> Result<u64> {
        self.blocking(async |objects| {
            let delete = objects.delete(row).recursive();
            if delete_nullable { delete.delete_nullable().await } else { delete.await }
        })
    }

    /// As [`Manager::iterate`]: rows one by one, with memory that does not grow with their number. What is said of
    /// [`SyncDatabase::stream`] holds here too.
    ///
    /// # Errors
    /// As [`Manager::iterate`], and as [`SyncManager`] says.
    pub fn iterate<Q: Rows>(&self, query: Q) -> Result<SyncModels<Q::Row>> {
        let rows = self.blocking(async |objects| objects.iterate(query).await)?;
        Ok(SyncModels::new(self.db.clone(), rows))
    }

    /// As [`SyncDatabase::close`].
    pub fn close(&self) {
        self.db.close();
    }
}

/// Defines the blocking form of calls of the [`Manager`].
macro_rules! calls {
    ($(fn $name:ident $(<$($type:ident: $bound:path),+>)? ($($arg:ident: $given:ty),*) -> $out:ty;)+) => {
        impl SyncManager {$(
            #[doc = concat!("As [`Manager::", stringify!($name), "`].")]
            ///
            /// # Errors
            #[doc = concat!("As [`Manager::", stringify!($name), "`], and as [`SyncManager`] says.")]
            pub fn $name $(<$($type: $bound),+>)? (&self, $($arg: $given),*) -> Result<$out> {
                self.blocking(async |objects| objects.$name($($arg),*).await)
            }
        )+}
    };
}

calls! {
    fn get<M: Model>(source: impl IntoSelect<M>) -> M;
    fn get_or_none<M: Model>(source: impl IntoSelect<M>) -> Option<M>;
    fn create<M: Model>(values: impl IntoIterator<Item = Assignment<M>>) -> M;
    fn get_or_create<M: Model>(
        values: impl IntoIterator<Item = Assignment<M>>,
        defaults: impl IntoIterator<Item = Assignment<M>>
    ) -> (M, bool);
    fn create_or_get<M: Model>(values: impl IntoIterator<Item = Assignment<M>>) -> (M, bool);
    fn update<M: Model>(row: &M) -> u64;
    fn update_only<M: Model>(row: &M, columns: impl Columns<M>) -> u64;
    fn delete<M: Model>(row: &M) -> u64;
    fn execute<Q: Query>(query: Q) -> Q::Output;
    fn count(query: impl Rows) -> u64;
    fn scalar<Q: Rows>(query: Q) -> Option<Q::Row>;
    fn prefetch<P: Model, C: Children<P>>(parents: Select<P>, children: C) -> Vec<Prefetched<P, C::Output>>;
    fn connect() -> ();
}

/// Forwards blocks to the [`SyncDatabase`].
macro_rules! blocks {
    ($($name:ident($($arg:ident: $given:ty)?);)+) => {
        impl SyncManager {$(
            #[doc = concat!("As [`SyncDatabase::", stringify!($name), "`].")]
            ///
            /// # Errors
            #[doc = concat!("As [`SyncDatabase::", stringify!($name), "`].")]
            ///
            /// # Panics
            /// With the panic of the body, after the block was rolled back, or the transaction that it had joined was
            /// marked.
            #[track_caller]
            pub fn $name<T, E>(&self, $($arg: $given,)? body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
            where
                E: From<Error> + 'static,
            {
                self.db.$name($($arg,)? body)
            }
        )+}
    };
}

blocks! {
    atomic();
    transaction();
    savepoint();
    savepoint_named(name: &str);
}
