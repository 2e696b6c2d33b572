//! The condition of keyset pagination: that a row comes behind another in an order. Used by `Select::after`.

use super::{
    compare::{comparison_sides, equal},
    node::{Node, Operation, Write, two},
    operator::{Operator, Precedence},
    order::{Direction, Nulls, Order},
};
use crate::{data::value::Value, db::Writer, driver::Dialect, error::Result, model::table::ColumnDef};

/// A column of the order, and the value that it has in the row that is behind us.
struct Step<'a> {
    order: &'a Order,
    column: &'static ColumnDef,
    value: Value,
}

/// The columns of an order, if it has no other expressions.
pub(crate) fn columns_of(orders: &[Order]) -> Option<Vec<(&Node, &'static ColumnDef)>> {
    let column = |order: &'_ Order| if let Node::Column(_, def) = order.node() { Some(*def) } else { None };
    orders.iter().map(|order| Some((order.node(), column(order)?))).collect()
}

/// The condition that a row comes behind the one with these values, of which there are as many as items of the order.
pub(crate) fn behind(orders: &[Order], columns: &[&'static ColumnDef], values: Vec<Value>) -> Option<Node> {
    let steps: Vec<Step<'_>> =
        orders.iter().zip(columns).zip(values).map(|((order, column), value)| Step { order, column, value }).collect();
    // (a > 1) OR (a = 1 AND b > 2) OR …, and a >= 1, by which an index is entered.
    let alternatives = steps.iter().enumerate().map(|(at, step)| {
        let same = steps[..at].iter().map(Step::same).reduce(Node::and);
        same.map_or_else(|| step.later(), |same| same.and(step.later()))
    });
    let condition = alternatives.reduce(Node::or)?;
    let bound = steps.first().filter(|_| steps.len() > 1).and_then(Step::not_earlier);
    Some(bound.map_or_else(|| condition.clone(), |bound| bound.and(condition.clone())))
}

impl Step<'_> {
    fn compared(&self, operator: Operator) -> Node {
        Node::binary(operator, comparison_sides(self.order.node().clone(), Node::Value(self.value.clone())))
    }

    fn same(&self) -> Node {
        equal(self.order.node().clone(), Node::Value(self.value.clone()))
    }

    /// That the column comes behind the value, NULLs where the order has them.
    fn later(&self) -> Node {
        let greater = match self.order.direction() {
            Direction::Asc => Operator::Greater,
            Direction::Desc => Operator::Less,
        };
        if !self.column.null {
            return self.compared(greater);
        }
        let test = |operation| Node::apply(operation, [self.order.node().clone()]);
        let (first, last) = if self.value.is_null() {
            (test(Operation::IsNotNull), Node::Text("(1 = 0)"))
        } else {
            (self.compared(greater), self.compared(greater).or(test(Operation::IsNull)))
        };
        match (self.order.nulls(), self.order.direction()) {
            (Some(Nulls::First), _) => first,
            (Some(Nulls::Last), _) => last,
            (None, Direction::Asc) => Node::custom(NULLS_OF_ASC, [first, last]),
            (None, Direction::Desc) => Node::custom(NULLS_OF_DESC, [first, last]),
        }
    }

    /// That the column is the value or comes behind it, where that is one comparison.
    fn not_earlier(&self) -> Option<Node> {
        (!self.column.null).then(|| {
            self.compared(match self.order.direction() {
                Direction::Asc => Operator::GreaterOrEqual,
                Direction::Desc => Operator::LessOrEqual,
            })
        })
    }
}

/// PostgreSQL has NULL for the greatest value, the others for the least.
const NULLS_OF_ASC: Write = |args, outer, to| write_nulls(args, to.dialect() != Dialect::Postgres, outer, to);
const NULLS_OF_DESC: Write = |args, outer, to| write_nulls(args, to.dialect() == Dialect::Postgres, outer, to);

fn write_nulls(args: &[Node], are_first: bool, outer: Precedence, to: &mut Writer) -> Result<()> {
    let [first, last] = two(args);
    if are_first { first } else { last }.write_in(outer, to)
}
