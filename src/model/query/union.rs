//! [`Union`]: rows of several selects as one: UNION, UNION ALL, INTERSECT and EXCEPT.

use std::fmt;

use super::{
    model_stream::ModelStream,
    query::{Query, Rows, fetches, unread},
    select::{Select, count_rows, render},
    select_text::write_window,
};
use crate::{
    data::{params::Params, row::Row},
    db::{Database, RowStream, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Order, SubQuery, WriteQuery, write_from, write_order, write_rows_of},
        table::Model,
    },
};

/// A select that is part of a union.
#[derive(Clone)]
pub(crate) struct Member {
    query: SubQuery,
    /// Whether it has no order, limit or lock of its own.
    simple: bool,
}

/// A set operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetOperator {
    Distinct,
    All,
    Intersect,
    Except,
}

/// What can be part of a union of rows that are read as an `R`: a [`Select`] or a [`Union`].
#[expect(private_bounds, reason = "the trait is sealed: what a part is made of is nobody's business outside")]
pub trait Compound<R>: IntoMember {}

pub(crate) trait IntoMember {
    fn member(self) -> Member;
}

/// Rows of several queries, each of which is read as an `R`, as the first of the queries reads it.
///
/// Members are taken in the order in which they were added, whichever the operators: `a.union(b).intersect(c)` are the rows
/// of both `a.union(b)` and `c`.
///
/// # Examples
/// ```
/// # use nestling::{Database, Model, Query};
/// # #[derive(Model)] struct Actor { id: i64, name: String }
/// # #[derive(Model)] struct Writer { id: i64, name: String }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table actor (id integer primary key, name text)").await?;
/// # db.batch("create table writer (id integer primary key, name text)").await?;
/// Actor::insert([Actor::NAME.set("Welles")]).run_on(&db).await?;
/// Writer::insert_many([[Writer::NAME.set("Welles")], [Writer::NAME.set("Akins")]]).run_on(&db).await?;
/// let names = Actor::select().columns(Actor::NAME).union(Writer::select().columns(Writer::NAME));
/// assert_eq!(names.order_by(Actor::NAME.asc()).all(&db).await?, ["Akins", "Welles"]);
/// # Ok(()) }
/// ```
#[must_use = "a query does nothing before it is run"]
pub struct Union<R> {
    ast: UnionAst,
    read: fn(&Row) -> Result<R>,
}

/// The untyped syntax tree of a union.
#[derive(Clone)]
pub(crate) struct UnionAst {
    first: Member,
    rest: Vec<(SetOperator, Member)>,
    order: Vec<Order>,
    limit: Option<u64>,
    offset: Option<u64>,
}

impl<R> Clone for Union<R> {
    fn clone(&self) -> Self {
        Self { ast: self.ast.clone(), read: self.read }
    }
}

impl<R> fmt::Debug for Union<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Union").field("members", &(self.ast.rest.len() + 1)).finish_non_exhaustive()
    }
}

impl<M: Model, R> IntoMember for Select<M, R> {
    fn member(self) -> Member {
        let ast = self.ast;
        Member { simple: ast.is_simple(), query: SubQuery::with_names(ast) }
    }
}

impl<R> IntoMember for Union<R> {
    fn member(self) -> Member {
        Member { simple: false, query: SubQuery::new(self.ast, Vec::new(), None) }
    }
}

impl<M: Model, R> Compound<R> for Select<M, R> {}
impl<R> Compound<R> for Union<R> {}

impl Member {
    fn write(&self, to: &mut Writer) -> Result<()> {
        if self.simple { self.query.write(to) } else { write_rows_of("part", to, |to| self.query.write(to)) }
    }
}

impl WriteQuery for UnionAst {
    fn write(&self, to: &mut Writer) -> Result<()> {
        self.write_in_order(&self.order, to)
    }
}

impl UnionAst {
    fn write_in_order(&self, order: &[Order], to: &mut Writer) -> Result<()> {
        let [begin, end] = if to.can().brackets_in_unions { ["(", ")"] } else { ["", ""] };
        self.first.write(to)?;
        for (operator, member) in &self.rest {
            to.text(match operator {
                SetOperator::Distinct => " UNION ",
                SetOperator::All => " UNION ALL ",
                SetOperator::Intersect => " INTERSECT ",
                SetOperator::Except => " EXCEPT ",
            });
            to.text(begin);
            member.write(to)?;
            to.text(end);
        }
        write_order(order, to)?;
        write_window(self.limit, self.offset, to);
        Ok(())
    }
}

/// The operators, of selects and of unions.
macro_rules! operators {
    ($([$($generics:tt)*] $type:ty;)+) => {$(
        impl<$($generics)*> $type {
            /// UNION: the rows of both queries, without duplicates.
            pub fn union(self, other: impl Compound<R>) -> Union<R> {
                Union::of(self.read, self.member_of(SetOperator::Distinct), SetOperator::Distinct, other.member())
            }

            /// UNION ALL: the rows of both queries, with duplicates.
            pub fn union_all(self, other: impl Compound<R>) -> Union<R> {
                Union::of(self.read, self.member_of(SetOperator::All), SetOperator::All, other.member())
            }

            /// INTERSECT: the rows that both queries have.
            pub fn intersect(self, other: impl Compound<R>) -> Union<R> {
                Union::of(self.read, self.member_of(SetOperator::Intersect), SetOperator::Intersect, other.member())
            }

            /// EXCEPT: the rows that the other query does not have.
            pub fn except(self, other: impl Compound<R>) -> Union<R> {
                Union::of(self.read, self.member_of(SetOperator::Except), SetOperator::Except, other.member())
            }
        }
    )+};
}

operators! {
    [M: Model, R] Select<M, R>;
    [R] Union<R>;
}

impl<M: Model, R> Select<M, R> {
    fn member_of(self, _: SetOperator) -> UnionAst {
        UnionAst::of(self.member())
    }
}

impl UnionAst {
    fn of(first: Member) -> Self {
        Self { first, rest: Vec::new(), order: Vec::new(), limit: None, offset: None }
    }
}

impl<R> Union<R> {
    /// The union to which a member is added by `operator`. INTERSECT binds closer than the others in some databases
    /// only, so the members before it become one.
    fn member_of(self, operator: SetOperator) -> UnionAst {
        let UnionAst { rest, order, limit, offset, .. } = &self.ast;
        let ended = !order.is_empty() || limit.is_some() || offset.is_some();
        let mixed = matches!(operator, SetOperator::Intersect) && !rest.is_empty();
        if ended || mixed { UnionAst::of(self.member()) } else { self.ast }
    }

    fn of(read: fn(&Row) -> Result<R>, mut ast: UnionAst, operator: SetOperator, other: Member) -> Self {
        ast.rest.push((operator, other));
        Self { ast, read }
    }

    /// Adds a column or expression to ORDER BY: columns of the first query, or by [`name`](crate::query::functions::name).
    pub fn order_by(mut self, order: Order) -> Self {
        self.ast.order.push(order.of_union());
        self
    }

    /// Limits the number of rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.ast.limit = Some(rows);
        self
    }

    /// Skips rows, with or without a limit.
    pub fn offset(mut self, rows: u64) -> Self {
        self.ast.offset = Some(rows);
        self
    }

    /// Removes the limit and the offset.
    pub fn clear_limit(mut self) -> Self {
        (self.ast.limit, self.ast.offset) = (None, None);
        self
    }

    fn single(mut self) -> Self {
        self.ast.limit = Some(self.ast.limit.map_or(1, |limit| limit.min(1)));
        self
    }

    /// The number of rows.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn count(self, db: &Database) -> Result<u64> {
        let (sql, params) = render(db.dialect(), |to| {
            to.text("SELECT COUNT(*)");
            write_from("counted", to, |to| self.ast.write_in_order(&[], to))
        })?;
        count_rows(db, &sql, &params).await
    }

    /// Whether there is a row.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn exists(self, db: &Database) -> Result<bool> {
        let (sql, params) = render(db.dialect(), |to| self.single().ast.write_in_order(&[], to))?;
        Ok(!db.send(&sql, &params).await?.rows.is_empty())
    }
}

impl<R: Send + 'static> Union<R> {
    async fn rows(&self, db: &Database) -> Result<Vec<Row>> {
        let (sql, params) = self.sql(db.dialect())?;
        Ok(db.send(&sql, &params).await?.rows)
    }

    async fn read_all(&self, db: &Database) -> Result<Vec<R>> {
        let (sql, params) = self.sql(db.dialect())?;
        db.read(&sql, &params, self.read).await
    }

    async fn row_stream(&self, db: &Database) -> Result<(RowStream, String)> {
        let (sql, params) = self.sql(db.dialect())?;
        Ok((db.send_stream(&sql, &params).await?, sql))
    }

    #[expect(clippy::unused_self, reason = "the calls that fetch rows are the same for every operator of query")]
    fn no_row_message(&self) -> &'static str {
        "the union has no row"
    }
}

fetches!([R: Send + 'static] Union<R>, |query, db| query.count(db).await);

impl<R: Send + 'static> Query for Union<R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        self.all(db).await
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        render(dialect, |to| self.ast.write(to))
    }
}
