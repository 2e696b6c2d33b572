//! `delete` of the manager: a row by its key, alone or with all that refers to it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use super::{manager::Manager, recursive};
use crate::{
    db::Database,
    error::Result,
    model::{
        expr::{Expr, is_key},
        query::Query as _,
        table::{Key as _, Model},
    },
};

impl Manager {
    /// Deletes the row that has the key of `row`; awaiting it runs it. What comes of it is the number of rows deleted: 1, or
    /// 0 if it was gone already.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ErrorKind, ForeignKey, Manager, Model};
    /// # #[derive(Debug, Model)] struct Author { id: i64, name: String }
    /// # #[derive(Debug, Model)] struct Book { id: i64, author: ForeignKey<Author>, editor: Option<ForeignKey<Author>> }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table author (id integer primary key, name text);
    /// #     create table book (id integer primary key, author_id integer not null references author (id),
    /// #                        editor_id integer references author (id));
    /// #     insert into author values (1, 'Ann'), (2, 'Bob'); insert into book values (1, 1, 2), (2, 1, null)").await?;
    /// let book = objects.get(Book::by_key(2)).await?;
    /// assert_eq!(objects.delete(&book).await?, 1);
    /// assert_eq!(objects.delete(&book).await?, 0);
    /// # Ok(()) }
    /// ```
    pub fn delete<M: Model>(&self, row: &M) -> DeleteRow<'_, M> {
        DeleteRow { db: &self.db, key: row.key() }
    }
}

/// The delete of a row. Made by [`Manager::delete`]; awaiting it runs it.
#[must_use = "nothing is deleted before it is awaited"]
pub struct DeleteRow<'a, M: Model> {
    db: &'a Database,
    key: M::Key,
}

/// The delete of a row with all that refers to it. Made by [`DeleteRow::recursive`]; awaiting it runs it.
#[must_use = "nothing is deleted before it is awaited"]
pub struct RecursiveDelete<'a, M: Model> {
    row: DeleteRow<'a, M>,
    delete_nullable: bool,
}

impl<'a, M: Model> DeleteRow<'a, M> {
    /// Deletes what refers to the row as well, and what refers to that, ahead of it. References that may be NULL become
    /// NULL, and their rows stay.
    ///
    /// The foreign keys are read from the catalogue of the database, those of tables without a model too. It happens as a
    /// whole, in a block of its own. Rows to be deleted are locked first, so that no new row refers to them.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ErrorKind, ForeignKey, Manager, Model};
    /// # #[derive(Debug, Model)] struct Author { id: i64, name: String }
    /// # #[derive(Debug, Model)] struct Book { id: i64, author: ForeignKey<Author>, editor: Option<ForeignKey<Author>> }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table author (id integer primary key, name text);
    /// #     create table book (id integer primary key, author_id integer not null references author (id),
    /// #                        editor_id integer references author (id));
    /// #     insert into author values (1, 'Ann'), (2, 'Bob'); insert into book values (1, 1, 2), (2, 1, null)").await?;
    /// let bob = objects.get(Author::by_key(2)).await?;
    /// objects.delete(&bob).recursive().await?;
    /// assert_eq!(objects.get(Book::by_key(1)).await?.editor, None);
    ///
    /// let ann = objects.get(Author::by_key(1)).await?;
    /// objects.delete(&ann).recursive().await?;
    /// assert_eq!(objects.count(Book::select()).await?, 0);
    /// # Ok(()) }
    /// ```
    pub fn recursive(self) -> RecursiveDelete<'a, M> {
        RecursiveDelete { row: self, delete_nullable: false }
    }

    async fn run(self) -> Result<u64> {
        let Self { db, key } = self;
        M::delete().filter(Expr::new(is_key(M::TABLE, key.values()))).run_on(db).await
    }
}

impl<M: Model> RecursiveDelete<'_, M> {
    /// Deletes rows whose reference may be NULL too, in place of setting it so.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ErrorKind, ForeignKey, Manager, Model};
    /// # #[derive(Debug, Model)] struct Author { id: i64, name: String }
    /// # #[derive(Debug, Model)] struct Book { id: i64, author: ForeignKey<Author>, editor: Option<ForeignKey<Author>> }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table author (id integer primary key, name text);
    /// #     create table book (id integer primary key, author_id integer not null references author (id),
    /// #                        editor_id integer references author (id));
    /// #     insert into author values (1, 'Ann'), (2, 'Bob'); insert into book values (1, 1, 2), (2, 1, null)").await?;
    /// let bob = objects.get(Author::by_key(2)).await?;
    /// objects.delete(&bob).recursive().delete_nullable().await?;
    /// assert!(objects.get_or_none(Book::by_key(1)).await?.is_none());
    /// # Ok(()) }
    /// ```
    pub fn delete_nullable(mut self) -> Self {
        self.delete_nullable = true;
        self
    }

    async fn run(self) -> Result<u64> {
        let Self { row: DeleteRow { db, key }, delete_nullable } = self;
        let found = db.atomic(|| recursive::delete::<M>(db, &key, delete_nullable)).await?;
        Ok(found.into())
    }
}

impl<'a, M: Model> IntoFuture for DeleteRow<'a, M> {
    type Output = Result<u64>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<u64>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<'a, M: Model> IntoFuture for RecursiveDelete<'a, M> {
    type Output = Result<u64>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<u64>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<M: Model> fmt::Debug for DeleteRow<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteRow").field("model", &M::TABLE.model).finish_non_exhaustive()
    }
}

impl<M: Model> fmt::Debug for RecursiveDelete<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, delete_nullable } = self;
        f.debug_struct("RecursiveDelete").field("row", row).field("delete_nullable", delete_nullable).finish()
    }
}
