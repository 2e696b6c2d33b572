//! [`Prefetch`]: a prefetch that is awaited, made by [`Manager::prefetch`](crate::Manager::prefetch).

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use super::{
    children::{Children, Prefetched},
    level::{Level, PrefetchType},
};
use crate::{
    db::Database,
    error::{Error, Result},
    model::{expr::SubQuery, query::Select, table::Model},
};

/// A prefetch that is ready to run: awaiting it runs it. Made by [`Manager::prefetch`](crate::Manager::prefetch).
#[must_use = "a prefetch does nothing before it is awaited"]
pub struct Prefetch<'a, P, C> {
    db: &'a Database,
    parents: Select<P>,
    children: C,
    by: PrefetchType,
}

impl<'a, P: Model, C: Children<P>> Prefetch<'a, P, C> {
    pub(crate) fn new(db: &'a Database, parents: Select<P>, children: C) -> Self {
        Self { db, parents, children, by: PrefetchType::default() }
    }

    /// How children are queried. Defaults to [`PrefetchType::Keys`]. The result is the same.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, ForeignKey, Manager, Model, model::{PrefetchType, Prefetched}};
    /// # #[derive(Debug, Model)] struct Director { id: i64, name: String }
    /// # #[derive(Debug, Model)] struct Movie {
    /// #     id: i64, title: String, director: ForeignKey<Director>, editor: Option<ForeignKey<Director>>,
    /// # }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table director (id integer primary key, name text);
    /// #     create table movie (id integer primary key, title text, director_id integer, editor_id integer);
    /// #     insert into director values (1, 'Ann'), (2, 'Bob');
    /// #     insert into movie values (1, 'Rain', 1, 2), (2, 'Snow', 1, null)").await?;
    /// let movies = Movie::DIRECTOR.children(Movie::select());
    /// let directors = objects.prefetch(Director::select().limit(1), movies).by(PrefetchType::Where).await?;
    /// assert_eq!(directors[0].children.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn by(mut self, by: PrefetchType) -> Self {
        self.by = by;
        self
    }

    async fn run(self) -> Result<Vec<Prefetched<P, C::Output>>> {
        let Self { db, parents, children, by } = self;
        let rows = parents.clone().all(db).await?;
        let keys: Vec<P::Key> = rows.iter().map(P::key).collect();
        let query = SubQuery::of(parents.ast);
        let lists = children.fetch(db, Level { keys: &keys, query, by }).await?;
        Ok(rows.into_iter().zip(lists).map(|(row, children)| Prefetched { row, children }).collect())
    }
}

impl<'a, P: Model, C: Children<P> + 'a> IntoFuture for Prefetch<'a, P, C> {
    type Output = Result<Vec<Prefetched<P, C::Output>>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<P, C: fmt::Debug> fmt::Debug for Prefetch<'_, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { db: _, parents, children, by } = self;
        f.debug_struct("Prefetch")
            .field("parents", parents)
            .field("children", children)
            .field("by", by)
            .finish_non_exhaustive()
    }
}
