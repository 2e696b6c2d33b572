//! [`Order`]: what rows are ordered by.

use sea_query::{NullOrdering, SelectStatement};

use super::node::Node;
use crate::{driver::Dialect, error::Result};

/// What rows are ordered by. Made by `asc()` and `desc()` of a column or an expression.
///
/// Where NULL stands is up to the database: PostgreSQL puts it behind all values, MySQL and SQLite ahead of them.
/// [`nulls_first`](Self::nulls_first) and [`nulls_last`](Self::nulls_last) say it for all of them.
#[derive(Debug, Clone)]
#[must_use = "it does nothing before it is given to a query"]
pub struct Order {
    node: Node,
    order: sea_query::Order,
    nulls: Option<NullOrdering>,
}

impl Order {
    pub(super) fn new(node: Node, order: sea_query::Order) -> Self {
        Self { node, order, nulls: None }
    }

    /// NULL ahead of all values.
    pub fn nulls_first(self) -> Self {
        Self { nulls: Some(NullOrdering::First), ..self }
    }

    /// NULL behind all values.
    pub fn nulls_last(self) -> Self {
        Self { nulls: Some(NullOrdering::Last), ..self }
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// For the rows of a union, which have columns of no table.
    pub(super) fn of_union(self) -> Self {
        match self.node {
            Node::Column(_, def) => Self { node: Node::Name(def.name.into()), ..self },
            _ => self,
        }
    }

    pub(super) fn render(&self, dialect: Dialect, select: &mut SelectStatement) -> Result<()> {
        let Self { node, order, nulls } = self;
        let expr = node.render(dialect)?;
        match nulls {
            Some(nulls) => select.order_by_expr_with_nulls(expr, order.clone(), *nulls),
            None => select.order_by_expr(expr, order.clone()),
        };
        Ok(())
    }
}
