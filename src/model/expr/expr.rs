//! [`Expr`]: an expression of SQL with a Rust type, and the operators that all types have.

use std::{
    fmt,
    marker::PhantomData,
    ops::{BitAnd, BitOr, Not},
};

use super::{
    compare::{comparison_sides, equal, unequal},
    node::{Node, Operation},
    operand::{InOperand, Operand, operand},
    operator::Operator,
    order::{Direction, Order},
};
use crate::data::value::Value;

/// An expression of SQL whose value is read as a `T`.
///
/// Columns are expressions, and so are operators and functions of them. An `Expr<bool>` is a condition: conditions are
/// joined by `&` and `|`, and negated by `!`.
///
/// # NULL
/// In SQL a comparison with NULL is neither true nor false but NULL, and rows are selected only where a condition is true.
/// - `None` from Rust asks for NULL itself: `eq(None)` is `IS NULL`, `ne(None)` is `IS NOT NULL`, and a `None` in the
///   list of `in_` or `not_in` counts in the same way.
/// - `ne("x")` and `not_in(["x"])` do not hold where the column is NULL. Add `| column.is_null()` where they should.
/// - `not_in(query)` holds for no row at all if the query has a NULL among its values. Filter those out in the query, or use
///   `!exists(..)`.
/// - Operators and functions of a NULL are NULL. The types of Rust say whether a column can be NULL; for the nullable
///   side of a LEFT JOIN use `nullable()`.
/// - `in_([])` is false and `not_in([])` is true, for NULL as well.
///
/// # Examples
/// ```
/// # use nestling::{Dialect, Model, Query};
/// # #[derive(Model)] struct Movie { id: i64, title: String, rating: Option<f64> }
/// let good = Movie::RATING.ge(8.0) | Movie::RATING.eq(None) & !Movie::TITLE.starts_with("The ");
/// assert!(Movie::select().filter(good).sql(Dialect::Sqlite)?.0.contains("IS NULL"));
/// # Ok::<_, nestling::Error>(())
/// ```
#[must_use = "an expression does nothing before it is given to a query"]
pub struct Expr<T> {
    pub(crate) node: Node,
    marker: PhantomData<fn() -> T>,
}

impl<T> Expr<T> {
    pub(crate) fn new(node: Node) -> Self {
        Self { node, marker: PhantomData }
    }
}

impl<T> Clone for Expr<T> {
    fn clone(&self) -> Self {
        Self::new(self.node.clone())
    }
}

impl<T> fmt::Debug for Expr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

impl Expr<bool> {
    /// Joins two conditions by AND, if there is a first one.
    pub(crate) fn both(before: Option<Self>, condition: Self) -> Self {
        match before {
            Some(before) => before & condition,
            None => condition,
        }
    }
}

/// A comparison by an operator.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $operator:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(self, other: impl Operand<T>) -> Expr<bool> {
            Expr::new(Node::binary(Operator::$operator, comparison_sides(self.node, other.into_node())))
        }
    )+};
}

/// The comparisons that an expression of any type has.
impl<T> Expr<T> {
    /// Whether it equals something. A NULL from Rust (`None`) asks whether it is NULL.
    pub fn eq(self, other: impl Operand<T>) -> Expr<bool> {
        Expr::new(equal(self.node, other.into_node()))
    }

    /// Whether it differs from something. A NULL from Rust (`None`) asks whether it is not NULL.
    pub fn ne(self, other: impl Operand<T>) -> Expr<bool> {
        Expr::new(unequal(self.node, other.into_node()))
    }

    comparisons! {
        /// Whether it is less.
        lt => Less;
        /// Whether it is less or equal.
        le => LessOrEqual;
        /// Whether it is greater.
        gt => Greater;
        /// Whether it is greater or equal.
        ge => GreaterOrEqual;
    }

    /// Whether it lies between two values, both included.
    pub fn between(self, low: impl Operand<T>, high: impl Operand<T>) -> Expr<bool> {
        let ([this, low], [_, high]) =
            (comparison_sides(self.node.clone(), low.into_node()), comparison_sides(self.node, high.into_node()));
        Expr::new(Node::apply(Operation::Between, [this, low, high]))
    }

    /// `IN`: whether it is one of some values, or of the rows of a query of one column.
    pub fn in_(self, values: impl InOperand<T>) -> Expr<bool> {
        Expr::new(values.contains(self.node))
    }

    /// `NOT IN`: whether it is none of some values, or of the rows of a query of one column.
    pub fn not_in(self, values: impl InOperand<T>) -> Expr<bool> {
        !self.in_(values)
    }

    /// Whether it is NULL.
    pub fn is_null(self) -> Expr<bool> {
        Expr::new(equal(self.node, Node::Value(Value::Null)))
    }

    /// Whether it is not NULL.
    pub fn is_not_null(self) -> Expr<bool> {
        Expr::new(unequal(self.node, Node::Value(Value::Null)))
    }

    /// Ascending order.
    pub fn asc(self) -> Order {
        Order::new(self.node, Direction::Asc)
    }

    /// Descending order.
    pub fn desc(self) -> Order {
        Order::new(self.node, Direction::Desc)
    }
}

impl<R: Into<Self>> BitAnd<R> for Expr<bool> {
    type Output = Self;

    fn bitand(self, other: R) -> Self {
        Self::new(self.node.and(other.into().node))
    }
}

impl<R: Into<Self>> BitOr<R> for Expr<bool> {
    type Output = Self;

    fn bitor(self, other: R) -> Self {
        Self::new(self.node.or(other.into().node))
    }
}

impl Not for Expr<bool> {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(Node::apply(Operation::Not, [self.node]))
    }
}

operand!([T] Expr<T> => T, |expr| expr.node);
operand!([T] Expr<T> => Option<T>, |expr| expr.node);
operand!([T] Expr<Option<T>> => T, |expr| expr.node);
