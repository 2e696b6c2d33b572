//! [`Children`]: what is fetched along with parents, as a tree of types, and how it is dealt out to them.

use std::{collections::HashMap, fmt, future::Future, marker::PhantomData, ops::Deref};

use smallvec::SmallVec;

use super::level::{ChildQuery, Level};
use crate::{
    db::Database,
    error::Result,
    model::{
        expr::{Column, Reference, SubQuery},
        query::Select,
        table::{Field, Model},
    },
};

/// A row, and what refers to it.
///
/// It derefs to the row, so that its fields can be read as if it were one.
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
/// let ann = objects.prefetch(Director::select().filter(Director::NAME.eq("Ann")), movies).await?.remove(0);
/// assert_eq!(ann.name, "Ann");
/// let Prefetched { row: director, children: movies } = ann;
/// assert_eq!((director.id, movies.len()), (1, 2));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefetched<R, C> {
    /// The row.
    pub row: R,
    /// What refers to it: a `Vec`, or a tuple of them. Empty if nothing does.
    pub children: C,
}

impl<R, C> Deref for Prefetched<R, C> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.row
    }
}

/// What is fetched along with rows of the model `P`: the rows of another model that refer to them, or a tuple of several
/// such.
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
/// let directed = Movie::DIRECTOR.children(Movie::select());
/// let edited = Movie::EDITOR.children(Movie::select());
/// let people = objects.prefetch(Director::select().order_by(Director::ID.asc()), (directed, edited)).await?;
/// let counts = people.iter().map(|Prefetched { children: (directed, edited), .. }| (directed.len(), edited.len()));
/// assert_eq!(counts.collect::<Vec<_>>(), [(2, 0), (0, 1)]);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that refers to `{P}`",
    note = "a foreign key of another model to `{P}` has `children(..)`; tuples of up to eight such can be given"
)]
pub trait Children<P: Model>: Send {
    /// What each parent gets.
    type Output: Send;

    /// Fetches them: one for each parent, in the order of the parents.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "how a level is asked for is nobody's business outside")]
    fn fetch(self, db: &Database, parents: Level<'_, P>) -> impl Future<Output = Result<Vec<Self::Output>>> + Send;
}

/// Rows of `M` that refer to rows of `P`. Made by [`Column::children`]. A parent gets a `Vec<M>`.
#[must_use = "children are fetched by a prefetch"]
pub struct ChildrenOf<P, M> {
    query: ChildQuery<M>,
    marker: PhantomData<fn() -> P>,
}

/// Rows of `M` that refer to rows of `P`, each with what refers to it in turn. Made by [`ChildrenOf::with`]. A parent gets
/// a `Vec` of [`Prefetched`].
#[must_use = "children are fetched by a prefetch"]
pub struct ChildrenWith<P, M, C> {
    of: ChildrenOf<P, M>,
    children: C,
}

impl<M: Model, T> Column<M, T>
where
    Self: Reference<From = M>,
{
    /// The rows of this model that refer to others by this foreign key, to be fetched along with those by
    /// [`Manager::prefetch`](crate::Manager::prefetch). Those of one parent come in the order of the query.
    ///
    /// A limit of the query counts over all parents. On MySQL, text that a collation takes for equal to a key, and that is
    /// written otherwise, does not find its parent.
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
    /// let movies = Movie::DIRECTOR.children(Movie::select().filter(Movie::TITLE.ne("Rain")));
    /// let directors = objects.prefetch(Director::select().order_by(Director::ID.asc()), movies).await?;
    /// assert_eq!((directors[0].children.len(), directors[1].children.len()), (1, 0));
    /// # Ok(()) }
    /// ```
    pub fn children(self, select: Select<M>) -> ChildrenOf<<Self as Reference>::To, M> {
        ChildrenOf { query: ChildQuery { select, column: self.index() }, marker: PhantomData }
    }
}

impl<P: Model, M: Model> ChildrenOf<P, M> {
    /// With what refers to these rows in turn: the children of another foreign key, or a tuple of several such.
    ///
    /// [`Manager::prefetch`](crate::Manager::prefetch) has an example.
    pub fn with<C: Children<M>>(self, children: C) -> ChildrenWith<P, M, C> {
        ChildrenWith { of: self, children }
    }
}

impl<P, M> fmt::Debug for ChildrenOf<P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildrenOf").field(&self.query.select).finish()
    }
}

impl<P, M, C: fmt::Debug> fmt::Debug for ChildrenWith<P, M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildrenWith").field("of", &self.of).field("children", &self.children).finish()
    }
}

/// The children of all parents of a level.
struct Found<M> {
    /// In the order of the query.
    rows: Vec<M>,
    /// The number of the parent of each.
    owners: Vec<usize>,
    /// The query that finds them.
    query: SubQuery,
}

impl<P: Model<Key: Field>, M: Model> ChildrenOf<P, M> {
    async fn find(self, db: &Database, parents: &Level<'_, P>) -> Result<Found<M>> {
        let column = self.query.column;
        let (rows, query) = self.query.rows(db, parents).await?;
        let mut places: HashMap<&P::Key, SmallVec<[usize; 1]>> = HashMap::with_capacity(parents.keys.len());
        for (place, key) in parents.keys.iter().enumerate() {
            places.entry(key).or_default().push(place);
        }
        let mut found = Found { rows: Vec::with_capacity(rows.len()), owners: Vec::with_capacity(rows.len()), query };
        for row in rows {
            // A child without a parent, or of a parent that was committed after the parents were read, is left out.
            let Some(key) = row.get::<Option<P::Key>>(column)? else { continue };
            for &place in places.get(&key).into_iter().flatten() {
                found.rows.push(M::read(&row, 0)?);
                found.owners.push(place);
            }
        }
        Ok(found)
    }
}

/// Groups rows by parent, in their order.
fn by_parent<T>(parents: usize, rows: impl IntoIterator<Item = T>, owners: Vec<usize>) -> Vec<Vec<T>> {
    let mut counts = vec![0_usize; parents];
    for &owner in &owners {
        counts[owner] += 1;
    }
    let mut lists: Vec<Vec<T>> = counts.into_iter().map(Vec::with_capacity).collect();
    for (row, owner) in rows.into_iter().zip(owners) {
        lists[owner].push(row);
    }
    lists
}

impl<P: Model<Key: Field>, M: Model> Children<P> for ChildrenOf<P, M> {
    type Output = Vec<M>;

    #[expect(private_interfaces, reason = "as in the trait")]
    async fn fetch(self, db: &Database, parents: Level<'_, P>) -> Result<Vec<Vec<M>>> {
        let found = self.find(db, &parents).await?;
        Ok(by_parent(parents.keys.len(), found.rows, found.owners))
    }
}

impl<P: Model<Key: Field>, M: Model, C: Children<M>> Children<P> for ChildrenWith<P, M, C> {
    type Output = Vec<Prefetched<M, C::Output>>;

    #[expect(private_interfaces, reason = "as in the trait")]
    async fn fetch(self, db: &Database, parents: Level<'_, P>) -> Result<Vec<Self::Output>> {
        let Found { rows, owners, query } = self.of.find(db, &parents).await?;
        let keys: Vec<M::Key> = rows.iter().map(M::key).collect();
        let lists = self.children.fetch(db, Level { keys: &keys, query, by: parents.by }).await?;
        let rows = rows.into_iter().zip(lists).map(|(row, children)| Prefetched { row, children });
        Ok(by_parent(parents.keys.len(), rows, owners))
    }
}

/// `Children` for tuples: a list for each.
macro_rules! tuples {
    ($(($($type:ident $at:tt),+))+) => {$(
        impl<P: Model, $($type: Children<P>),+> Children<P> for ($($type,)+) {
            type Output = ($($type::Output,)+);

            #[expect(private_interfaces, reason = "as in the trait")]
            async fn fetch(self, db: &Database, parents: Level<'_, P>) -> Result<Vec<Self::Output>> {
                let mut lists = ($(self.$at.fetch(db, parents.clone()).await?.into_iter(),)+);
                let next = |_: &P::Key| Some(($(lists.$at.next()?,)+));
                Ok(parents.keys.iter().map_while(next).collect())
            }
        }
    )+};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}
