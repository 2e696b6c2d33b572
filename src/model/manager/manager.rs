//! [`Manager`]: all that is done with models, as calls on one object that knows the database.

use crate::{
    db::Database,
    error::{Error, Result},
};

/// A database, and all that is done with models on it.
///
/// It is a handle, as [`Database`] is: clones cost next to nothing. Everything it does takes part in the block that the
/// task has open.
///
/// # Examples
/// ```
/// use nestling::{Database, Error, ForeignKey, Manager, Model};
///
/// #[derive(Debug, Model)]
/// struct Author {
///     id: i64,
///     #[model(unique)]
///     name: String,
/// }
///
/// #[derive(Debug, Model)]
/// struct Book {
///     id: i64,
///     title: String,
///     author: ForeignKey<Author>,
/// }
///
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let objects = Manager::new(Database::open("sqlite::memory:")?);
/// # let schema = "create table author (id integer primary key, name text unique);
/// #     create table book (id integer primary key, title text, author_id integer references author (id))";
/// # objects.database().batch(schema).await?;
/// objects
///     .atomic(|| async {
///         let ann = objects.create([Author::NAME.set("Ann")]).await?;
///         objects.create([Book::TITLE.set("Rain"), Book::AUTHOR.set(&ann)]).await?;
///         objects.create([Book::TITLE.set("Snow"), Book::AUTHOR.set(&ann)]).await
///     })
///     .await?;
///
/// let books = Book::AUTHOR.children(Book::select().order_by(Book::TITLE.desc()));
/// for author in objects.prefetch(Author::select(), books).await? {
///     let titles: Vec<&str> = author.children.iter().map(|book| &*book.title).collect();
///     assert_eq!((&*author.name, titles), ("Ann", vec!["Snow", "Rain"]));
/// }
/// # Ok(()) }
/// ```
///
/// One for the whole program can stand in a static. Nothing is connected before it is needed.
///
/// ```
/// use std::sync::LazyLock;
///
/// use nestling::{Database, Manager};
///
/// static OBJECTS: LazyLock<Manager> = LazyLock::new(|| {
///     let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".into());
///     Manager::new(Database::open(&url).expect("DATABASE_URL is a valid URL"))
/// });
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// OBJECTS.connect().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Manager {
    pub(super) db: Database,
}

impl From<Database> for Manager {
    fn from(db: Database) -> Self {
        Self::new(db)
    }
}

impl Manager {
    /// A manager of this database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// As [`Database::connect`].
    ///
    /// # Errors
    /// As [`Database::connect`].
    ///
    /// # Cancel safety
    /// As [`Database::connect`].
    pub async fn connect(&self) -> Result<()> {
        self.db.connect().await
    }

    /// As [`Database::close`].
    ///
    /// # Cancel safety
    /// As [`Database::close`].
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Runs `body` in a transaction, or in a savepoint if the task has one open, as [`Database::atomic`].
    ///
    /// # Errors
    /// As [`Database::atomic`].
    ///
    /// # Panics
    /// With the panic of the body, after this block was rolled back.
    ///
    /// # Cancel safety
    /// As [`Database::atomic`].
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, Manager};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// objects
    ///     .atomic(|| async {
    ///         assert_eq!(objects.database().depth(), 1);
    ///         objects.savepoint(|| async { assert_eq!(objects.database().depth(), 2); Ok::<_, Error>(()) }).await
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn atomic<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.db.atomic(body)
    }

    /// Runs `body` in the transaction that the task has open, or in a new one, as [`Database::transaction`].
    ///
    /// # Errors
    /// As [`Database::transaction`].
    ///
    /// # Panics
    /// With the panic of the body, after the transaction was rolled back.
    ///
    /// # Cancel safety
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn transaction<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db.transaction(body)
    }

    /// Runs `body` in a savepoint of the transaction that the task has open, as [`Database::savepoint`].
    ///
    /// # Errors
    /// As [`Database::savepoint`].
    ///
    /// # Panics
    /// With the panic of the body, after the savepoint was rolled back.
    ///
    /// # Cancel safety
    /// As [`Database::atomic`].
    #[track_caller]
    pub fn savepoint<F, Fut, T, E>(&self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.db.savepoint(body)
    }

    /// As [`savepoint`](Self::savepoint), with a name for the server, as [`Database::savepoint_named`].
    ///
    /// # Errors
    /// As [`Database::savepoint_named`].
    ///
    /// # Panics
    /// With the panic of the body, after the savepoint was rolled back.
    ///
    /// # Cancel safety
    /// As [`Database::atomic`].
    #[track_caller]
    pub fn savepoint_named<F, Fut, T, E>(&self, name: &str, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.db.savepoint_named(name, body)
    }
}
