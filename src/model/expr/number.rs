//! [`Number`]: the numeric types, and the operators `+`, `-`, `*`, `/` and `%` on columns and expressions of them.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use super::{
    cast::cast,
    column::Column,
    expr::Expr,
    node::{Node, Operation, two, write_binary},
    operand::Operand,
    operator::{Operator, Precedence},
};
use crate::{
    data::crates::{DateTime, Decimal, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc},
    db::Writer,
    driver::Dialect,
    error::Result,
    model::table::{ColumnType, Field, Model},
};

/// A numeric type: integers, floats and decimals, and options of them.
///
/// SQLite has no decimals: they are stored as text, compared by a collation, and computed with as floats.
#[diagnostic::on_unimplemented(message = "`{Self}` is no number that SQL can reckon with")]
pub trait Number: Ordered {
    /// The type of a sum.
    type Sum: Field;
}

/// A type with a least and a greatest value in SQL: numbers, text, dates and times, and options of them.
#[diagnostic::on_unimplemented(message = "there is no least or greatest `{Self}` in SQL")]
pub trait Ordered: Field {
    /// The type itself, with NULL.
    type Null: Field;
}

impl<T: Ordered> Ordered for Option<T> {
    type Null = Self;
}

/// `Ordered` for types without NULL.
macro_rules! ordered {
    ($($type:ty),+ $(,)?) => {$(
        impl Ordered for $type {
            type Null = Option<$type>;
        }
    )+};
}

ordered! {
    i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, Decimal, String, NaiveDate, NaiveTime, NaiveDateTime, DateTime<Utc>,
    DateTime<FixedOffset>,
}

/// `Number` for a type, with the type of its sum.
macro_rules! numbers {
    ($($type:ty => $sum:ty),+ $(,)?) => {$(
        impl Number for $type {
            type Sum = $sum;
        }
    )+};
}

numbers! {
    i8 => i64, i16 => i64, i32 => i64, i64 => i64, u8 => i64, u16 => i64, u32 => i64, u64 => u64,
    f32 => f64, f64 => f64, Decimal => Decimal,
}

impl<T: Number> Number for Option<T> {
    type Sum = T::Sum;
}

/// Division. `/` of two integers is a decimal on MySQL, while the others truncate, as Rust does. SQLite takes a decimal
/// without a fraction for an integer.
fn divide<T: Number>(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Mysql if T::TYPE.is_integer() => write_binary(Operator::DivideWhole, args, outer, to),
        Dialect::Sqlite if T::TYPE == ColumnType::Decimal => {
            let [left, right] = two(args);
            let float = |_, to: &mut Writer| cast(ColumnType::F64, to, |to| left.write(to));
            Operator::Divide.write(outer, to, float, |outer, to| right.write_in(outer, to))
        }
        _ => write_binary(Operator::Divide, args, outer, to),
    }
}

/// An operator on columns and on expressions.
macro_rules! operators {
    ($($trait:ident $name:ident, $form:expr;)+) => {$(
        impl<T: Number, R: Operand<T>> $trait<R> for Expr<T> {
            type Output = Self;

            fn $name(self, other: R) -> Self {
                Self::new(Node::apply($form, [self.node, other.into_node()]))
            }
        }

        impl<M: Model, T: Number, R: Operand<T>> $trait<R> for Column<M, T> {
            type Output = Expr<T>;

            fn $name(self, other: R) -> Expr<T> {
                $trait::$name(self.expr(), other)
            }
        }
    )+};
}

operators! {
    Add add, Operation::Binary(Operator::Add);
    Sub sub, Operation::Binary(Operator::Subtract);
    Mul mul, Operation::Binary(Operator::Multiply);
    Div div, Operation::Custom(divide::<T>);
    Rem rem, Operation::Binary(Operator::Modulo);
}

impl<T: Number> Neg for Expr<T> {
    type Output = Self;

    fn neg(self) -> Self {
        // `0 - x`: `-` before a negative number would begin a comment.
        Self::new(Node::binary(Operator::Subtract, [Node::Text("0"), self.node]))
    }
}

impl<M: Model, T: Number> Neg for Column<M, T> {
    type Output = Expr<T>;

    fn neg(self) -> Expr<T> {
        -self.expr()
    }
}
