//! [`Select`]: a typed SELECT.

use std::{fmt, marker::PhantomData};

use sea_query::SelectStatement;

use super::{
    expr::Expr,
    model_stream::ModelStream,
    order::Order,
    parts::{Origin, Parts},
    query::Query,
    selection::Selection,
    traits::Model,
};
use crate::{
    db::{Database, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    params::Params,
    row::{FromRow, Row},
};

/// A query for rows of the model `M`, each of which is read as an `R`.
#[must_use = "a query does nothing before it is run"]
pub struct Select<M, R = M> {
    pub(super) parts: Parts,
    pub(super) read: fn(&Row) -> Result<R>,
    marker: PhantomData<fn() -> M>,
}

impl<M, R> Clone for Select<M, R> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone(), read: self.read, marker: self.marker }
    }
}

impl<M, R> fmt::Debug for Select<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.fmt(f)
    }
}

impl<M: Model> Select<M> {
    pub(super) fn new() -> Self {
        Self::from_origin(Origin::of(M::TABLE))
    }

    pub(super) fn from_origin(origin: Origin) -> Self {
        Self { parts: Parts::new(origin), read: |row| M::read(row, 0), marker: PhantomData }
    }
}

impl<M: Model, R> Select<M, R> {
    /// Only rows for which the condition holds. Called again, both must hold.
    pub fn filter(mut self, condition: impl Into<Expr<bool>>) -> Self {
        self.parts.filter = Some(Expr::both(self.parts.filter, condition.into()));
        self
    }

    /// Orders the rows, behind any order given before.
    pub fn order_by(mut self, order: Order) -> Self {
        self.parts.order.push(order);
        self
    }

    /// At most so many rows. `limit(0)` is no row at all.
    pub fn limit(mut self, rows: u64) -> Self {
        self.parts.limit = Some(rows);
        self
    }

    /// Leaves out so many rows, with or without a limit.
    pub fn offset(mut self, rows: u64) -> Self {
        self.parts.offset = Some(rows);
        self
    }

    /// Takes back a limit and an offset.
    pub fn clear_limit(mut self) -> Self {
        (self.parts.limit, self.parts.offset) = (None, None);
        self
    }

    /// Selects these columns and expressions in place of what was selected before; a row is read as their tuple.
    pub fn columns<S: Selection>(mut self, selection: S) -> Select<M, S::Output> {
        self.parts.nodes = Vec::with_capacity(S::WIDTH);
        selection.nodes(&mut self.parts.nodes);
        self.reading(|row| S::read(row, 0))
    }

    /// Reads each row as a `T`, by the names of its columns or by their order, as `T` has it.
    pub fn into<T: FromRow>(self) -> Select<M, T> {
        self.reading(T::from_row)
    }

    fn reading<T>(self, read: fn(&Row) -> Result<T>) -> Select<M, T> {
        Select { parts: self.parts, read, marker: PhantomData }
    }

    /// Whether a limit or an offset says how many rows there are.
    pub(super) fn is_limited(&self) -> bool {
        self.parts.limit.is_some() || self.parts.offset.is_some()
    }

    /// The statement of sea_query.
    pub(super) fn statement(&self, dialect: Dialect) -> Result<SelectStatement> {
        self.parts.statement(dialect)
    }

    /// At most one row.
    fn single(mut self) -> Self {
        self.parts.limit = Some(self.parts.limit.map_or(1, |limit| limit.min(1)));
        self
    }

    /// How many rows there are, with the limit, the offset and all else of the query.
    ///
    /// [`clear_limit`](Self::clear_limit) counts without the limit.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn count(self, db: &Database) -> Result<u64> {
        let (sql, params) = written(db.dialect(), &self.parts.count(db.dialect())?);
        let outcome = db.send(&sql, &params).await?;
        let none = || Error::new(ErrorKind::NoRow, "COUNT returned no row").with_statement(&sql);
        outcome.rows.first().ok_or_else(none)?.get(0)
    }

    /// Whether there is a row.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn exists(self, db: &Database) -> Result<bool> {
        let (sql, params) = written(db.dialect(), &self.single().parts.rows(db.dialect())?);
        Ok(!db.send(&sql, &params).await?.rows.is_empty())
    }
}

/// The text of a statement.
pub(super) fn written(dialect: Dialect, statement: &SelectStatement) -> (String, Params) {
    let mut to = Writer::new(dialect);
    to.select(statement);
    to.finish()
}

impl<M: Model, R: Send> Select<M, R> {
    /// All rows.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn all(self, db: &Database) -> Result<Vec<R>> {
        let (sql, params) = self.sql(db.dialect())?;
        db.send(&sql, &params).await?.rows.iter().map(self.read).collect()
    }

    /// The rows one by one, with flat memory.
    ///
    /// # Errors
    /// As [`Query::run_on`]; errors that come later come out of the stream.
    ///
    /// # Cancel safety
    /// As [`Database::execute`]. The stream itself can be dropped at any point.
    pub async fn stream(self, db: &Database) -> Result<ModelStream<R>> {
        let (sql, params) = self.sql(db.dialect())?;
        Ok(ModelStream::new(db.send_stream(&sql, &params).await?, self.read))
    }

    /// The first row, or `None`.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn first(self, db: &Database) -> Result<Option<R>> {
        let mut rows = self.single().all(db).await?;
        Ok(rows.pop())
    }

    /// The first row.
    ///
    /// # Errors
    /// `NoRow`, naming the model and the SQL, if there is none; else as [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn one(self, db: &Database) -> Result<R> {
        let this = self.single();
        let (sql, params) = this.sql(db.dialect())?;
        let rows = db.send(&sql, &params).await?.rows;
        let none = || Error::new(ErrorKind::NoRow, format!("no {} was found", M::TABLE.model)).with_statement(&sql);
        (this.read)(rows.first().ok_or_else(none)?)
    }

    /// The value of the first row: `None` if there is no row, `Some(None)` if it is NULL.
    ///
    /// So the select is for one column or expression; of several, their tuple comes.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn scalar(self, db: &Database) -> Result<Option<R>> {
        self.first(db).await
    }
}

impl<M: Model, R: Send> Query for Select<M, R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        self.all(db).await
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        Ok(written(dialect, &self.statement(dialect)?))
    }
}
