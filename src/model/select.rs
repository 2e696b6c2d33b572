//! [`Select`]: a typed SELECT.

use std::fmt;

use sea_query::{Query as Build, SelectStatement, TableName};

use super::{
    expr::Expr,
    node::{Node, Source, iden},
    query::Query,
    selection::Selection,
    traits::Model,
};
use crate::{
    db::{Database, Render as _},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    params::Params,
    row::Row,
};

/// What rows are ordered by. Made by `asc()` and `desc()` of a column or an expression.
#[derive(Debug, Clone)]
pub struct Order {
    node: Node,
    order: sea_query::Order,
}

impl Order {
    pub(super) fn new(node: Node, order: sea_query::Order) -> Self {
        Self { node, order }
    }
}

/// A query for rows of the model `M`, each of which is read as an `R`.
#[must_use = "a query does nothing before it is run"]
pub struct Select<M, R = M> {
    parts: Parts,
    read: fn(&Row) -> Result<R>,
    marker: std::marker::PhantomData<fn() -> M>,
}

/// What a select is made of, whatever its type.
#[derive(Debug, Clone, Default)]
struct Parts {
    /// What is selected; nothing for the whole model.
    nodes: Vec<Node>,
    filter: Option<Expr<bool>>,
    order: Vec<Order>,
    limit: Option<u64>,
    offset: Option<u64>,
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
        Self { parts: Parts::default(), read: |row| M::read(row, 0), marker: std::marker::PhantomData }
    }
}

impl<M: Model, R> Select<M, R> {
    /// Only rows for which the condition holds. Called again, both must hold.
    pub fn filter(mut self, condition: impl Into<Expr<bool>>) -> Self {
        let condition = condition.into();
        self.parts.filter = Some(match self.parts.filter {
            Some(before) => before & condition,
            None => condition,
        });
        self
    }

    /// Orders the rows, behind any order given before.
    pub fn order_by(mut self, order: Order) -> Self {
        self.parts.order.push(order);
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.parts.limit = Some(rows);
        self
    }

    /// Leaves out so many rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.parts.offset = Some(rows);
        self
    }

    /// Selects these columns and expressions in place of what was selected before; a row is read as their tuple.
    pub fn columns<S: Selection>(self, selection: S) -> Select<M, S::Output> {
        let mut parts = Parts { nodes: Vec::with_capacity(S::WIDTH), ..self.parts };
        selection.nodes(&mut parts.nodes);
        Select { parts, read: |row| S::read(row, 0), marker: std::marker::PhantomData }
    }

    /// Whether a limit or an offset says how many rows there are.
    pub(super) fn is_limited(&self) -> bool {
        self.parts.limit.is_some() || self.parts.offset.is_some()
    }

    /// The statement of sea_query.
    pub(super) fn statement(&self, dialect: Dialect) -> Result<SelectStatement> {
        let Parts { nodes, filter, order, limit, offset } = &self.parts;
        let table = M::TABLE;
        let mut select = Build::select();
        select.from(TableName(table.schema.map(|schema| iden(schema).into()), iden(table.name)));
        if nodes.is_empty() {
            let source = Source::of(table);
            for column in table.columns {
                select.expr(Node::Column(source.clone(), column.name).render(dialect)?);
            }
        }
        for node in nodes {
            select.expr(node.render(dialect)?);
        }
        if let Some(filter) = filter {
            select.and_where(filter.node.render(dialect)?);
        }
        for Order { node, order } in order {
            select.order_by_expr(node.render(dialect)?, order.clone());
        }
        limit.map(|limit| select.limit(limit));
        offset.map(|offset| select.offset(offset));
        Ok(select)
    }
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
        let rows = db.run(&self.statement(db.dialect())?).await?.rows;
        rows.iter().map(self.read).collect()
    }

    /// The first row, or `None`.
    ///
    /// # Errors
    /// As [`Query::run_on`].
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    pub async fn first(self, db: &Database) -> Result<Option<R>> {
        let mut rows = self.limit(1).all(db).await?;
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
        let this = self.limit(1);
        let sql = this.sql(db.dialect())?.0;
        let none = || Error::new(ErrorKind::NoRow, format!("no {} was found", M::TABLE.model)).with_statement(&sql);
        this.first(db).await?.ok_or_else(none)
    }
}

impl<M: Model, R: Send> Query for Select<M, R> {
    type Output = Vec<R>;

    async fn run_on(self, db: &Database) -> Result<Vec<R>> {
        self.all(db).await
    }

    fn sql(&self, dialect: Dialect) -> Result<(String, Params)> {
        self.statement(dialect)?.render(dialect)
    }
}
