//! What columns and expressions of any type can do: aggregates, casts, names; and the functions of numbers.

use sea_query::{Expr as Sea, Func};

use super::{
    cast::cast,
    column::Column,
    expr::{Expr, one},
    field::{ColumnType, Field},
    node::Node,
    number::{Number, Ordered, is_integer},
    selection::Named,
    traits::Model,
};
use crate::{driver::Dialect, error::Result};

methods! {
    [T]
    /// In how many rows it is not NULL.
    fn count(self) -> Expr<i64> {
        Expr::new(Node::apply(|_, args| Func::count(one(args)).into(), [self.node]))
    }

    /// How many different values it has, NULL not counted.
    fn count_distinct(self) -> Expr<i64> {
        Expr::new(Node::apply(|_, args| Func::count_distinct(one(args)).into(), [self.node]))
    }

    /// It as another type: `CAST(… AS …)`. What may be NULL must be cast to an `Option`.
    fn cast<U: Field>(self) -> Expr<U> {
        Expr::new(Node::try_apply(|dialect, args| cast(dialect, one(args), U::TYPE), [self.node]))
    }

    /// It with NULL, as it may be in a LEFT JOIN.
    fn nullable(self) -> Expr<Option<T>> {
        Expr::new(self.node)
    }

    /// It under a name: for [`functions::name`](crate::functions::name) to speak of, and for
    /// [`Select::into`](crate::Select::into) to read by.
    fn named(self, name: impl Into<std::borrow::Cow<'static, str>>) -> Named<T> {
        Named::new(self, name.into())
    }
}

methods! {
    [T: Ordered]
    /// The least value, or NULL if there is none.
    fn min(self) -> Expr<T::Null> {
        Expr::new(Node::apply(|_, args| Func::min(one(args)).into(), [self.node]))
    }

    /// The greatest value, or NULL if there is none.
    fn max(self) -> Expr<T::Null> {
        Expr::new(Node::apply(|_, args| Func::max(one(args)).into(), [self.node]))
    }
}

/// PostgreSQL makes a numeric of a sum of bigint, and a real of one of real.
fn sum<T: Number>(dialect: Dialect, args: Vec<Sea>) -> Result<Sea> {
    let sum = Func::sum(one(args)).into();
    match <T::Sum as Field>::TYPE {
        ty @ (ColumnType::I64 | ColumnType::F64) if dialect == Dialect::Postgres => cast(dialect, sum, ty),
        _ => Ok(sum),
    }
}

methods! {
    [T: Number]
    /// The sum, or NULL if there is no value. That of integers is an `i64`.
    fn sum(self) -> Expr<Option<T::Sum>> {
        Expr::new(Node::try_apply(sum::<T>, [self.node]))
    }

    /// The average, or NULL if there is no value.
    fn avg(self) -> Expr<Option<f64>> {
        let make = |dialect, args| cast(dialect, Func::avg(one(args)).into(), ColumnType::F64);
        Expr::new(Node::try_apply(make, [self.node]))
    }

    /// It without its sign.
    fn abs(self) -> Expr<T> {
        Expr::new(Node::apply(|_, args| Func::abs(one(args)).into(), [self.node]))
    }

    /// It as a whole number. Which way a half goes is up to the database.
    fn round(self) -> Expr<T> {
        // SQLite would make a float of an integer.
        let make = |_, args| if is_integer(T::TYPE) { one(args) } else { Func::round(one(args)).into() };
        Expr::new(Node::apply(make, [self.node]))
    }
}
