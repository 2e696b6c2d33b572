//! Aggregates, casts and the functions of numbers, as methods of columns and expressions.

use super::{
    cast::cast,
    column::{Column, methods},
    expr::Expr,
    node::{Node, Operation, write_call, write_each},
    number::{Number, Ordered},
    operator::Precedence,
};
use crate::{
    db::Writer,
    driver::Dialect,
    error::Result,
    model::table::{ColumnType, Field, Model},
};

methods! {
    [T]
    /// `COUNT`: the number of rows in which the value is not NULL.
    fn count(self) -> Expr<i64> {
        Expr::new(Node::call("COUNT", [self.node]))
    }

    /// `COUNT(DISTINCT …)`: the number of different values, without NULL.
    fn count_distinct(self) -> Expr<i64> {
        Expr::new(Node::custom(write_count_distinct, [self.node]))
    }

    /// `CAST(… AS …)`. A value that may be NULL must be cast to an `Option`.
    fn cast<U: Field>(self) -> Expr<U> {
        Expr::new(Node::apply(Operation::Cast(U::TYPE), [self.node]))
    }

    /// The same value as an `Option`, for the nullable side of a LEFT JOIN.
    fn nullable(self) -> Expr<Option<T>> {
        Expr::new(self.node)
    }
}

methods! {
    [T: Ordered]
    /// The least value, or NULL if there is none.
    fn min(self) -> Expr<T::Null> {
        Expr::new(Node::call("MIN", [self.node]))
    }

    /// The greatest value, or NULL if there is none.
    fn max(self) -> Expr<T::Null> {
        Expr::new(Node::call("MAX", [self.node]))
    }
}

/// On PostgreSQL a sum of bigint is numeric, and one of real is real.
fn write_sum<T: Number>(args: &[Node], _: Precedence, to: &mut Writer) -> Result<()> {
    let sum = |to: &mut Writer| write_call("SUM", args, to);
    match <T::Sum as Field>::TYPE {
        ty @ (ColumnType::I64 | ColumnType::F64) if to.dialect() == Dialect::Postgres => cast(ty, to, sum),
        _ => sum(to),
    }
}

fn write_count_distinct(args: &[Node], _: Precedence, to: &mut Writer) -> Result<()> {
    to.text("COUNT(DISTINCT ");
    write_each(args, Precedence::Lowest, to)?;
    to.text(")");
    Ok(())
}

methods! {
    [T: Number]
    /// The sum, or NULL if there is no value. The sum of integers is an `i64`.
    fn sum(self) -> Expr<Option<T::Sum>> {
        Expr::new(Node::custom(write_sum::<T>, [self.node]))
    }

    /// The average, or NULL if there is no value.
    fn avg(self) -> Expr<Option<f64>> {
        Expr::new(Node::apply(Operation::Cast(ColumnType::F64), [Node::call("AVG", [self.node])]))
    }

    /// The absolute value.
    fn abs(self) -> Expr<T> {
        Expr::new(Node::call("ABS", [self.node]))
    }

    /// The value rounded to a whole number. How a half is rounded depends on the database.
    fn round(self) -> Expr<T> {
        // SQLite would return a float for an integer.
        Expr::new(if T::TYPE.is_integer() { self.node } else { Node::call("ROUND", [self.node]) })
    }
}
