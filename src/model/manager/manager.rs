//! [`Manager`]: all that is done with models, as calls on one object that knows the database.

use std::ops::Deref;

use crate::db::Database;

/// A database, and all that is done with models on it.
///
/// It is a handle, as [`Database`] is: clones cost next to nothing. Everything it does takes part in the block that the
/// task has open.
///
/// It dereferences to its [`Database`]: blocks, hooks, streams, statistics are called on it, and `&Manager` is taken where a
/// `&Database` is, as in [`Select::all`](crate::query::Select::all). Three names mean models on a manager:
/// [`execute`](Self::execute), [`sync`](Self::sync) and [`allow_sync`](Self::allow_sync). Those of the database are behind
/// [`database`](Self::database).
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
/// # objects.batch(schema).await?;
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
/// let rain = Book::select().filter(Book::TITLE.eq("Rain")).all(&objects).await?;
/// assert_eq!(rain.len(), 1);
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

impl Deref for Manager {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.db
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
}
