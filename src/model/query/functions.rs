//! Functions of SQL that are not a method of one column: `count()`, `exists(..)`, `case()` and others.
//!
//! A function of one operand is a method of [`Column`](crate::model::Column) and [`Expr`]: `User::AGE.max()`,
//! `User::NAME.lower()`.

use std::borrow::Cow;

use super::select::Select;
use crate::model::{
    expr::{Condition, Expr, Node, Operand, Operation, RowParts, RowValue, SubQuery},
    table::{Field, Model},
};
#[cfg(feature = "chrono")]
use crate::{
    data::crates::{DateTime, Utc},
    model::table::Stored,
};

/// The number of rows: `COUNT(*)`.
pub fn count() -> Expr<i64> {
    Expr::new(Node::Text("COUNT(*)"))
}

/// Whether a query has a row. The query may refer to tables of the outer query.
///
/// # Examples
/// ```
/// # use nestling::{Dialect, ForeignKey, Model, Query, query::functions::exists};
/// # #[derive(Model)] struct Director { id: i64 }
/// # #[derive(Model)] struct Movie { id: i64, director: ForeignKey<Director> }
/// let films = Movie::select().filter(Movie::DIRECTOR.eq(Director::ID));
/// let idle = Director::select().filter(!exists(films));
/// assert!(idle.sql(Dialect::Sqlite)?.0.contains("NOT EXISTS"));
/// # Ok::<_, nestling::Error>(())
/// ```
pub fn exists<M: Model, R>(query: Select<M, R>) -> Expr<bool> {
    // No two columns have one name, as it may have to be a derived table.
    let query = SubQuery::with_names(query.ast);
    Expr::new(Node::apply(Operation::Exists, [Node::Query(query)]))
}

/// A value as an expression, where no column beside it has its type.
#[expect(clippy::needless_pass_by_value, reason = "a value is what an expression is made of")]
pub fn value<T: Field>(value: T) -> Expr<T> {
    Expr::new(Node::Value(value.to_value()).typed(T::TYPE))
}

/// Raw SQL, whose value is read as a `T`. Nothing in it is escaped: never make it from input of a user.
pub fn sql<T>(text: impl Into<Cow<'static, str>>) -> Expr<T> {
    Expr::new(Node::Sql(text.into()))
}

/// The expression of the query that [`Expr::named`] gave this alias: in ORDER BY, and in GROUP BY where the database
/// allows it.
pub fn name<T>(name: impl Into<Cow<'static, str>>) -> Expr<T> {
    Expr::new(Node::Name(name.into()))
}

/// The moment at which the transaction began on PostgreSQL, and the statement on the others.
#[cfg(feature = "chrono")]
pub fn now() -> Expr<DateTime<Utc>> {
    Expr::new(Node::Now(Stored::Native))
}

/// The first of two that is not NULL.
pub fn coalesce<T>(first: impl Into<Expr<Option<T>>>, second: impl Operand<T>) -> Expr<T> {
    let first = first.into().node;
    let second = second.into_node().in_form_of(&first);
    Expr::new(Node::call("COALESCE", [first, second]))
}

/// A row value, which is compared as a whole: by the first column, then by the next.
///
/// # Examples
/// The page behind a row:
/// ```
/// # use nestling::{Dialect, Model, Query, query::functions::row};
/// # #[derive(Model)] struct Movie { id: i64, year: i32 }
/// let page = Movie::select().filter(row((Movie::YEAR, Movie::ID)).gt((1962, 7))).order_by(Movie::YEAR.asc());
/// assert!(page.sql(Dialect::Sqlite)?.0.contains(r#"("movie"."year", "movie"."id") > (?, ?)"#));
/// # Ok::<_, nestling::Error>(())
/// ```
pub fn row<P: RowParts>(parts: P) -> RowValue<P::Types> {
    parts.into_row()
}

/// Begins a `CASE`: the value of the first condition that holds.
///
/// # Examples
/// ```
/// # use nestling::{Database, Model, Query, query::functions::case};
/// # #[derive(Model)] struct Movie { id: i64, year: i32 }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table movie (id integer primary key, year integer)").await?;
/// Movie::insert_many([[Movie::YEAR.set(1931)], [Movie::YEAR.set(1994)]]).run_on(&db).await?;
/// let age = case::<String>().when(Movie::YEAR.lt(1960), "old").otherwise("new");
/// assert_eq!(Movie::select().order_by(Movie::ID.asc()).columns(age).all(&db).await?, ["old", "new"]);
/// # Ok(()) }
/// ```
pub fn case<T: Field>() -> Case<T> {
    Case { nodes: Vec::new(), marker: std::marker::PhantomData }
}

/// A builder of `CASE`. Made by [`case`].
#[must_use = "it is an expression only when it is ended"]
#[derive(Debug)]
pub struct Case<T> {
    /// Conditions and values in turn.
    nodes: Vec<Node>,
    marker: std::marker::PhantomData<fn() -> T>,
}

impl<T: Field> Case<T> {
    /// The value, if the condition holds and none before it.
    pub fn when(mut self, condition: impl Condition, value: impl Operand<T>) -> Self {
        self.nodes.extend([condition.into().node, value.into_node().typed(T::TYPE)]);
        self
    }

    /// The value, if no condition holds.
    pub fn otherwise(mut self, value: impl Operand<T>) -> Expr<T> {
        self.nodes.push(value.into_node().typed(T::TYPE));
        Expr::new(Node::Apply(Operation::Case, self.nodes))
    }

    /// NULL, if no condition holds.
    pub fn end(self) -> Expr<Option<T>> {
        Expr::new(Node::Apply(Operation::Case, self.nodes))
    }
}

/// A call of a function by its name, whose value is read as a `T`. The name is not escaped.
///
/// # Examples
/// ```
/// # use nestling::{Dialect, Model, Query, query::functions::function};
/// # #[derive(Model)] struct Movie { id: i64, title: String }
/// let sound = function::<String>("soundex", [Movie::TITLE.expr()]);
/// let sql = Movie::select().columns(sound).sql(Dialect::Postgres)?.0;
/// assert_eq!(sql, r#"SELECT soundex("movie"."title") FROM "movie""#);
/// # Ok::<_, nestling::Error>(())
/// ```
pub fn function<T>(name: &'static str, args: impl IntoIterator<Item = impl IntoArgument>) -> Expr<T> {
    Expr::new(Node::call(name, args.into_iter().map(IntoArgument::argument)))
}

/// An argument of [`function`]: an expression of any type.
pub trait IntoArgument {
    /// The expression without its type.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "what an expression is made of is nobody's business outside")]
    fn argument(self) -> Node;
}

impl<T> IntoArgument for Expr<T> {
    #[expect(private_interfaces, reason = "as in the trait")]
    fn argument(self) -> Node {
        self.node
    }
}
