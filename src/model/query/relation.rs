//! [`Relation`]: a table of FROM: the table of a model, the table under an alias, or a derived table with the same columns.

use std::{borrow::Cow, fmt, marker::PhantomData};

use super::{
    select::Select,
    select_ast::FromItem,
    selection::{SelectItem, Selection},
};
use crate::{
    data::{
        cell::{Cell, FromCell, Mismatch},
        row::Row,
    },
    error::Result,
    model::{
        expr::{Column, Expr, Node, Qualifier, SubQuery},
        table::Model,
    },
};

/// The table of the model `M` in a query, under its own name or an alias; or a derived table with the same columns.
///
/// Made by [`Model::relation`], [`Model::alias`] and [`Select::as_relation`]. Selected, it is the whole model.
///
/// # Examples
/// ```
/// # use nestling::{Database, ForeignKey, Model, Query};
/// # #[derive(Model)] struct User { id: i64, name: String, boss: Option<ForeignKey<User>> }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table user (id integer primary key, name text, boss_id integer)").await?;
/// # db.batch("insert into user values (1, 'ada', null), (2, 'bob', 1)").await?;
/// let boss = User::alias("boss");
/// let pairs = User::select().join_as(User::BOSS, &boss).columns((User::NAME, boss.col(User::NAME)));
/// assert_eq!(pairs.all(&db).await?, [("bob".to_owned(), "ada".to_owned())]);
/// # Ok(()) }
/// ```
#[must_use = "it does nothing before it is given to a query"]
pub struct Relation<M> {
    pub(crate) from_item: FromItem,
    marker: PhantomData<fn() -> M>,
}

impl<M> Clone for Relation<M> {
    fn clone(&self) -> Self {
        Self { from_item: self.from_item.clone(), marker: PhantomData }
    }
}

impl<M> fmt::Debug for Relation<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.from_item.fmt(f)
    }
}

impl<M: Model> Relation<M> {
    pub(crate) fn table() -> Self {
        Self { from_item: FromItem::of(M::TABLE), marker: PhantomData }
    }

    pub(crate) fn named(name: Cow<'static, str>) -> Self {
        let from_item = FromItem { qualifier: Qualifier::Alias(name), ..FromItem::of(M::TABLE) };
        Self { from_item, marker: PhantomData }
    }

    /// A column of the relation.
    pub fn col<T>(&self, column: Column<M, T>) -> Expr<T> {
        Expr::new(Node::Column(self.from_item.qualifier.clone(), column.def()))
    }

    /// A select of its rows.
    pub fn select(&self) -> Select<M> {
        Select::from_item(self.from_item.clone())
    }

    /// The whole model as an `Option`, for the nullable side of a LEFT JOIN.
    pub fn optional(&self) -> Optional<M> {
        Optional(self.clone())
    }
}

impl<M: Model> Select<M> {
    /// The query as a derived table, to be selected from or joined under this alias.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query};
    /// # #[derive(Model)] struct Movie { id: i64, year: i32 }
    /// let newest = Movie::select().order_by(Movie::YEAR.desc()).limit(3).as_relation("newest");
    /// let first = newest.select().order_by(newest.col(Movie::ID).asc());
    /// assert!(first.sql(Dialect::Sqlite)?.0.contains(r#"FROM (SELECT "#));
    /// # Ok::<_, nestling::Error>(())
    /// ```
    pub fn as_relation(self, name: impl Into<Cow<'static, str>>) -> Relation<M> {
        let query = SubQuery::of(self.ast);
        let from_item = FromItem { table: M::TABLE, qualifier: Qualifier::Alias(name.into()), query: Some(query) };
        Relation { from_item, marker: PhantomData }
    }
}

impl<M: Model> Selection for Relation<M> {
    type Output = M;
    const WIDTH: usize = M::TABLE.columns.len();

    #[expect(private_interfaces, reason = "as in the trait")]
    fn nodes(self, out: &mut Vec<SelectItem>) {
        self.from_item.selected(out);
    }

    fn read(row: &Row, first: usize) -> Result<M> {
        M::read(row, first)
    }
}

impl<M: Model> Selection for &Relation<M> {
    type Output = M;
    const WIDTH: usize = M::TABLE.columns.len();

    #[expect(private_interfaces, reason = "as in the trait")]
    fn nodes(self, out: &mut Vec<SelectItem>) {
        self.from_item.selected(out);
    }

    fn read(row: &Row, first: usize) -> Result<M> {
        M::read(row, first)
    }
}

/// A whole model that may be NULL. Made by [`Relation::optional`].
#[derive(Debug)]
#[must_use = "it does nothing before it is given to a query"]
pub struct Optional<M>(Relation<M>);

/// Whether a cell is NULL, whatever its type.
struct IsNull(bool);

impl<'r> FromCell<'r> for IsNull {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        Ok(Self(matches!(cell, Cell::Null)))
    }
}

impl<M: Model> Selection for Optional<M> {
    type Output = Option<M>;
    const WIDTH: usize = M::TABLE.columns.len();

    #[expect(private_interfaces, reason = "as in the trait")]
    fn nodes(self, out: &mut Vec<SelectItem>) {
        self.0.from_item.selected(out);
    }

    fn read(row: &Row, first: usize) -> Result<Option<M>> {
        // The key of an existing row is never NULL.
        let key = M::TABLE.primary_key.first().map_or(first, |column| first + column);
        let IsNull(gone) = row.get(key)?;
        if gone { Ok(None) } else { M::read(row, first).map(Some) }
    }
}
