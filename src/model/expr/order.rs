//! [`Order`]: what rows are ordered by.

use super::{
    node::{Node, Operation},
    operator::{Precedence, listed},
};
use crate::{db::Writer, error::Result};

/// Which way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Asc,
    Desc,
}

/// Where NULL stands.
#[derive(Debug, Clone, Copy)]
enum Nulls {
    First,
    Last,
}

/// What rows are ordered by. Made by `asc()` and `desc()` of a column or an expression.
///
/// Where NULL stands is up to the database: PostgreSQL puts it behind all values, MySQL and SQLite ahead of them.
/// [`nulls_first`](Self::nulls_first) and [`nulls_last`](Self::nulls_last) say it for all of them.
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

    /// NULL ahead of all values.
    pub fn nulls_first(self) -> Self {
        Self { nulls: Some(Nulls::First), ..self }
    }

    /// NULL behind all values.
    pub fn nulls_last(self) -> Self {
        Self { nulls: Some(Nulls::Last), ..self }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// For the rows of a union, which have columns of no table.
    pub(crate) fn of_union(self) -> Self {
        match self.node {
            Node::Column(_, def) => Self { node: Node::Name(def.name.into()), ..self },
            _ => self,
        }
    }

    fn write(&self, to: &mut Writer) -> Result<()> {
        let Self { node, direction, nulls } = self;
        // Where there are no words for it, whether it is NULL comes first.
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

/// Writes what rows are ordered by, if anything.
pub(crate) fn write_order(orders: &[Order], to: &mut Writer) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    to.text(" ORDER BY ");
    listed(orders, to, Order::write)
}
