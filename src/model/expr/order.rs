//! [`Order`]: an item of ORDER BY.

use super::{
    node::{Node, Operation},
    operator::{Precedence, listed},
};
use crate::{db::Writer, error::Result};

/// ASC or DESC.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Asc,
    Desc,
}

/// NULLS FIRST or NULLS LAST.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nulls {
    First,
    Last,
}

/// An item of ORDER BY. Made by `asc()` and `desc()` of a column or an expression.
///
/// The place of NULL depends on the database: PostgreSQL puts it after all values, MySQL and SQLite before them.
/// [`nulls_first`](Self::nulls_first) and [`nulls_last`](Self::nulls_last) set it for all of them.
#[derive(Debug, Clone)]
#[must_use = "it does nothing before it is given to a query"]
pub struct Order {
    node: Node,
    direction: Direction,
    nulls: Option<Nulls>,
}

impl Order {
    pub(crate) fn new(node: Node, direction: Direction) -> Self {
        Self { node, direction, nulls: None }
    }

    /// NULL before all values.
    pub fn nulls_first(self) -> Self {
        Self { nulls: Some(Nulls::First), ..self }
    }

    /// NULL after all values.
    pub fn nulls_last(self) -> Self {
        Self { nulls: Some(Nulls::Last), ..self }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// Where NULL is, if that is not left to the database.
    pub(crate) fn nulls(&self) -> Option<Nulls> {
        self.nulls
    }

    /// The item without its table, for the rows of a union.
    pub(crate) fn of_union(self) -> Self {
        match self.node {
            Node::Column(_, def) => Self { node: Node::Name(def.name.into()), ..self },
            _ => self,
        }
    }

    fn write(&self, to: &mut Writer) -> Result<()> {
        let Self { node, direction, nulls } = self;
        // Without the syntax, `x IS NULL` is an item ahead of `x`.
        if let Some(nulls) = nulls.filter(|_| !to.can().orders_nulls) {
            Operation::IsNull.write(std::slice::from_ref(node), Precedence::Lowest, to)?;
            to.text(match nulls {
                Nulls::First => " DESC, ",
                Nulls::Last => " ASC, ",
            });
        }
        node.write(to)?;
        to.text(match direction {
            Direction::Asc => " ASC",
            Direction::Desc => " DESC",
        });
        to.text(match nulls.filter(|_| to.can().orders_nulls) {
            None => "",
            Some(Nulls::First) => " NULLS FIRST",
            Some(Nulls::Last) => " NULLS LAST",
        });
        Ok(())
    }
}

/// Writes ORDER BY, if there are items.
pub(crate) fn write_order(orders: &[Order], to: &mut Writer) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    to.text(" ORDER BY ");
    listed(orders, to, Order::write)
}
