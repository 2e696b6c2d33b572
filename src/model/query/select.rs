//! [`Select`]: a typed SELECT.

use std::{fmt, marker::PhantomData};

use super::{
    model_stream::ModelStream,
    query::{Query, Rows, fetches, unread},
    select_ast::{Distinct, FromItem, Lock, LockKind, LockWait, SelectAst},
    selection::Selection,
};
use crate::{
    data::{
        params::Params,
        row::{FromRow, Row},
    },
    db::{Database, RowStream, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Condition, Expr, Node, Order, SubQuery},
        table::Model,
    },
};

/// A query for rows of the model `M`, each of which is read as an `R`.
///
/// # Examples
/// ```
/// # use nestling::{Database, Dialect, Model, Query};
/// # #[derive(Debug, Model)] struct Movie { id: i64, title: String, year: i32 }
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// # let db = Database::open("sqlite::memory:")?;
/// # db.batch("create table movie (id integer primary key, title text, year integer)").await?;
/// let films = [("M", 1931), ("Heat", 1995)].map(|(title, year)| [Movie::TITLE.set(title), Movie::YEAR.set(year)]);
/// Movie::insert_many(films).run_on(&db).await?;
/// let old = Movie::select().filter(Movie::YEAR.lt(1960)).order_by(Movie::TITLE.asc());
/// assert_eq!(old.clone().all(&db).await?[0].title, "M");
/// assert_eq!(old.clone().count(&db).await?, 1);
/// assert_eq!(old.columns((Movie::TITLE, Movie::YEAR)).first(&db).await?, Some(("M".to_owned(), 1931)));
/// assert_eq!(Movie::select().columns(Movie::YEAR.max()).one(&db).await?, Some(1995));
/// assert!(Movie::select().limit(3).sql(Dialect::Postgres)?.0.ends_with("LIMIT $1"));
/// # Ok(()) }
/// ```
#[must_use = "a query does nothing before it is run"]
pub struct Select<M, R = M> {
    pub(crate) ast: SelectAst,
    pub(crate) read: fn(&Row) -> Result<R>,
    marker: PhantomData<fn() -> M>,
}

impl<M, R> Clone for Select<M, R> {
    fn clone(&self) -> Self {
        Self { ast: self.ast.clone(), read: self.read, marker: self.marker }
    }
}

impl<M, R> fmt::Debug for Select<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ast.fmt(f)
    }
}

impl<M: Model> Select<M> {
    pub(crate) fn new() -> Self {
        Self::from_item(FromItem::of(M::TABLE))
    }

    pub(crate) fn from_item(from_item: FromItem) -> Self {
        Self { ast: SelectAst::new(from_item), read: |row| M::read(row, 0), marker: PhantomData }
    }
}

impl<M: Model, R> Select<M, R> {
    /// Adds a condition to WHERE. Several calls are joined by AND.
    pub fn filter(mut self, condition: impl Condition) -> Self {
        self.ast.filter = Some(Expr::both(self.ast.filter, condition.into()));
        self
    }

    /// Adds a column or expression to ORDER BY.
    pub fn order_by(mut self, order: Order) -> Self {
        self.ast.order.push(order);
        self
    }

    /// Limits the number of rows. `limit(0)` returns none.
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

    /// Selects these columns and expressions instead; a row is read as their tuple.
    pub fn columns<S: Selection>(mut self, selection: S) -> Select<M, S::Output> {
        self.ast.nodes = Vec::with_capacity(S::WIDTH);
        selection.nodes(&mut self.ast.nodes);
        self.reading(|row| S::read(row, 0))
    }

    /// Makes one row of those that are equal in these columns and expressions. What is selected are these, and aggregates.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Model, Query, query::functions::count};
    /// # #[derive(Model)] struct Movie { id: i64, year: i32 }
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # db.batch("create table movie (id integer primary key, year integer)").await?;
    /// Movie::insert_many([1962, 1962, 1999].map(|year| [Movie::YEAR.set(year)])).run_on(&db).await?;
    /// let busy = Movie::select().group_by(Movie::YEAR).having(count().gt(1)).columns((Movie::YEAR, count()));
    /// assert_eq!(busy.all(&db).await?, [(1962, 2)]);
    /// # Ok(()) }
    /// ```
    pub fn group_by(mut self, by: impl Selection) -> Self {
        by.nodes(&mut self.ast.group);
        self
    }

    /// Adds a condition to HAVING. Several calls are joined by AND.
    pub fn having(mut self, condition: impl Condition) -> Self {
        self.ast.having = Some(Expr::both(self.ast.having, condition.into()));
        self
    }

    /// SELECT DISTINCT: no two rows are equal in all selected columns.
    pub fn distinct(mut self) -> Self {
        self.ast.distinct = Distinct::Whole;
        self
    }

    /// DISTINCT ON: of rows that are equal in these columns, the first in the order of the query. PostgreSQL only.
    pub fn distinct_on(mut self, on: impl Selection) -> Self {
        let mut nodes = Vec::new();
        on.nodes(&mut nodes);
        self.ast.distinct = Distinct::On(nodes);
        self
    }

    /// Locks the rows until the transaction ends: no other can change or lock them.
    ///
    /// SQLite has no locks on rows and leaves the clause out: a transaction that may write has the whole database to
    /// itself there, unless it was begun as read-only.
    pub fn for_update(self) -> Self {
        self.lock(LockKind::Update)
    }

    /// Locks the rows until the transaction ends: no other can change them. SQLite: as [`for_update`](Self::for_update).
    pub fn for_share(self) -> Self {
        self.lock(LockKind::Share)
    }

    /// SKIP LOCKED: leaves out rows that another transaction has locked. Implies `for_update` if there is no lock yet.
    pub fn skip_locked(self) -> Self {
        self.waiting(LockWait::SkipLocked)
    }

    /// NOWAIT: fails if another transaction has locked a row. Implies `for_update` if there is no lock yet.
    pub fn nowait(self) -> Self {
        self.waiting(LockWait::Nowait)
    }

    fn lock(mut self, kind: LockKind) -> Self {
        let wait = self.ast.lock.map_or(LockWait::Wait, |lock| lock.wait);
        self.ast.lock = Some(Lock { kind, wait });
        self
    }

    fn waiting(mut self, wait: LockWait) -> Self {
        let kind = self.ast.lock.map_or(LockKind::Update, |lock| lock.kind);
        self.ast.lock = Some(Lock { kind, wait });
        self
    }

    /// The one column of the query as an expression: the value of its row, or NULL if there is none. The query may refer to
    /// tables of the outer query.
    pub fn into_expr(self) -> Expr<R> {
        Expr::new(Node::Query(SubQuery::of(self.ast)))
    }

    /// Reads each row as a `T`, by the names of its columns or by their order, as `T` has it.
    pub fn into<T: FromRow>(self) -> Select<M, T> {
        self.reading(T::from_row)
    }

    fn reading<T>(self, read: fn(&Row) -> Result<T>) -> Select<M, T> {
        Select { ast: self.ast, read, marker: PhantomData }
    }

    /// Whether a limit or an offset says how many rows there are.
    pub(crate) fn is_limited(&self) -> bool {
        self.ast.is_limited()
    }

    /// At most one row.
    fn single(mut self) -> Self {
        self.ast.limit = Some(self.ast.limit.map_or(1, |limit| limit.min(1)));
        self
    }

    /// The number of rows, with the limit, the offset and all other clauses of the query.
    ///
    /// [`clear_limit`](Self::clear_limit) counts without the limit.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn count(self, db: &Database) -> Result<u64> {
        let (sql, params) = render(db.dialect(), |to| self.ast.write_count(to))?;
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
        let (sql, params) = render(db.dialect(), |to| self.single().ast.write_rows(to))?;
        Ok(!db.send(&sql, &params).await?.rows.is_empty())
    }
}

/// Renders a statement for a dialect.
pub(crate) fn render(dialect: Dialect, write: impl FnOnce(&mut Writer) -> Result<()>) -> Result<(String, Params)> {
    let mut to = Writer::new(dialect);
    write(&mut to)?;
    Ok(to.finish())
}

/// Runs a statement that counts rows.
pub(crate) async fn count_rows(db: &Database, sql: &str, params: &Params) -> Result<u64> {
    let outcome = db.send(sql, params).await?;
    let none = || Error::new(ErrorKind::NoRow, "COUNT returned no row").with_statement(sql);
    outcome.rows.first().ok_or_else(none)?.get(0)
}

impl<M: Model, R: Send + 'static> Select<M, R> {
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

    #[expect(clippy::unused_self, reason = "the calls that fetch rows are the same for every kind of query")]
    fn no_row_message(&self) -> String {
        format!("no {} was found", M::TABLE.model)
    }
}

fetches!([M: Model, R: Send + 'static] Select<M, R>, |query, db| query.count(db).await);

impl<M: Model, R: Send + 'static> Query for Select<M, R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        self.all(db).await
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        // Every select by key has one text, which the server prepares once.
        render(dialect, |to| if self.ast.is_by_key() { self.ast.write_by_key(to) } else { self.ast.write(to) })
    }
}
