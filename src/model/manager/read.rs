//! The calls of the manager that read.

use super::{manager::Manager, source::IntoSelect};
use crate::{
    error::Result,
    model::{
        prefetch::{Children, Prefetch},
        query::{ModelStream, Query, Rows, Select},
        table::Model,
    },
};

impl Manager {
    /// One row: by a condition, by several that must all hold, by a foreign key, or by a query.
    ///
    /// Where several rows fit, it is the first one, in the order of the query. No more than that row is fetched. Conditions
    /// do not tell the model: `let user: User = …` or `get::<User>(…)` does.
    ///
    /// # Errors
    /// `NoRow`, naming the model and the SQL, if there is none; else as [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ErrorKind, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String, age: i32 }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text, age integer)").await?;
    /// let made = objects.create([User::NAME.set("ada"), User::AGE.set(36)]).await?;
    ///
    /// let by_key: User = objects.get(User::ID.eq(made.id)).await?;
    /// let by_conditions: User = objects.get((User::NAME.eq("ada"), User::AGE.gt(30))).await?;
    /// let by_query = objects.get(User::select().filter(User::NAME.eq("ada"))).await?;
    /// assert!(by_key == made && by_conditions == made && by_query == made);
    ///
    /// let none = objects.get::<User>(User::NAME.eq("bob")).await.unwrap_err();
    /// assert_eq!((none.kind(), none.to_string()), (ErrorKind::NoRow, "no User was found".into()));
    /// # Ok(()) }
    /// ```
    pub async fn get<M: Model>(&self, source: impl IntoSelect<M>) -> Result<M> {
        source.into_select().one(&self.db).await
    }

    /// As [`get`](Self::get), with `None` if there is no such row.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// assert_eq!(objects.get_or_none::<User>(User::NAME.eq("ada")).await?, None);
    /// # Ok(()) }
    /// ```
    pub async fn get_or_none<M: Model>(&self, source: impl IntoSelect<M>) -> Result<Option<M>> {
        source.into_select().first(&self.db).await
    }

    /// Runs any typed query: rows of a select, keys of an insert, how many rows an update or a delete was about, rows of
    /// whatever returns them.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// let ids = objects.execute(User::insert_many([[User::NAME.set("ada")], [User::NAME.set("bob")]])).await?;
    /// assert_eq!(ids, [1, 2]);
    /// let users = objects.execute(User::select().order_by(User::NAME.desc())).await?;
    /// assert_eq!((users.len(), &*users[0].name), (2, "bob"));
    /// assert_eq!(objects.execute(User::delete().filter(User::ID.eq(1))).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn execute<Q: Query>(&self, query: Q) -> Result<Q::Output> {
        query.run_on(&self.db).await
    }

    /// How many rows a query gives, with all that it has: limit, offset, distinct, groups.
    /// [`clear_limit`](Select::clear_limit) leaves out the limit and the offset.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// # for name in ["a", "b", "c"] { objects.create([User::NAME.set(name)]).await?; }
    /// let first_two = User::select().limit(2);
    /// assert_eq!(objects.count(first_two.clone()).await?, 2);
    /// assert_eq!(objects.count(first_two.clear_limit()).await?, 3);
    /// # Ok(()) }
    /// ```
    pub async fn count(&self, query: impl Rows) -> Result<u64> {
        query.count_on(&self.db).await
    }

    /// The first row of a query: the value of its one column, or the tuple of several. `None` if there is no row; a NULL is
    /// a `None` within.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String, age: Option<i32> }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text, age integer)").await?;
    /// assert_eq!(objects.scalar(User::select().columns(User::AGE)).await?, None);
    /// objects.create([User::NAME.set("ada"), User::AGE.set(None)]).await?;
    /// assert_eq!(objects.scalar(User::select().columns(User::AGE)).await?, Some(None));
    /// let whole = objects.scalar(User::select().columns((User::NAME, User::AGE))).await?;
    /// assert_eq!(whole, Some(("ada".into(), None)));
    /// # Ok(()) }
    /// ```
    pub async fn scalar<Q: Rows>(&self, query: Q) -> Result<Option<Q::Row>> {
        query.first_on(&self.db).await
    }

    /// The rows of a query one by one, with memory that does not grow with their number.
    ///
    /// Inside a block the stream has its turn until it ends or is dropped: other statements of the block wait.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); errors that come later come out of the stream.
    ///
    /// # Cancel safety
    /// As [`Database::stream`](crate::Database::stream).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// # for name in ["a", "b", "c"] { objects.create([User::NAME.set(name)]).await?; }
    /// let mut users = objects.iterate(User::select()).await?;
    /// let mut names = String::new();
    /// while let Some(user) = users.next().await {
    ///     names += &user?.name;
    /// }
    /// assert_eq!(names, "abc");
    /// # Ok(()) }
    /// ```
    pub async fn iterate<Q: Rows>(&self, query: Q) -> Result<ModelStream<Q::Row>> {
        query.stream_on(&self.db).await
    }

    /// Fetches rows with those that refer to them, any levels deep: one query for each model (of very many parents one
    /// for each part, see [`PrefetchType::Keys`](crate::model::PrefetchType::Keys)). Awaiting it runs it.
    ///
    /// The parents come in the order of their query, and each has its children in the order of theirs; who has none gets an
    /// empty list. [`by`](Prefetch::by) tells how the children are queried; the result is the same. A tuple of children
    /// gives a tuple of lists. Of rows that others write meanwhile, each query sees what there is at its time: in a
    /// transaction that reads repeatably they see the same.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ForeignKey, Manager, Model, model::PrefetchType};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, Model)] struct Director { id: i64, name: String }
    /// # #[derive(Debug, Model)] struct Movie { id: i64, title: String, director: ForeignKey<Director> }
    /// # #[derive(Debug, Model)] struct Award { id: i64, name: String, movie: ForeignKey<Movie> }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table director (id integer primary key, name text);
    /// #     create table movie (id integer primary key, title text, director_id integer);
    /// #     create table award (id integer primary key, name text, movie_id integer);
    /// #     insert into director values (1, 'Ann'), (2, 'Bob'); insert into movie values (1, 'Rain', 1), (2, 'Snow', 1);
    /// #     insert into award values (1, 'gold', 2)").await?;
    /// let awards = Award::MOVIE.children(Award::select());
    /// let movies = Movie::DIRECTOR.children(Movie::select().order_by(Movie::TITLE.asc())).with(awards);
    /// let directors = objects.prefetch(Director::select().order_by(Director::NAME.asc()), movies).await?;
    ///
    /// assert_eq!(directors[0].name, "Ann");
    /// assert_eq!(directors[0].children[1].title, "Snow");
    /// assert_eq!(directors[0].children[1].children[0].name, "gold");
    /// assert!(directors[1].children.is_empty());
    ///
    /// let movies = Movie::DIRECTOR.children(Movie::select());
    /// let joined = objects.prefetch(Director::select(), movies).by(PrefetchType::Join).await?;
    /// assert_eq!(joined[0].children.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn prefetch<P: Model, C: Children<P>>(&self, parents: Select<P>, children: C) -> Prefetch<'_, P, C> {
        Prefetch::new(&self.db, parents, children)
    }
}
