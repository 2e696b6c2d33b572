//! [`Expr`]: an expression of SQL that has a Rust type, and the operators that every such thing has.

use std::{
    fmt,
    marker::PhantomData,
    ops::{BitAnd, BitOr, Not},
};

use super::{
    column::Column,
    field::ColumnType,
    node::{Form, Node, Write, write_each},
    operand::{InOperand, Operand},
    operator::Operator,
    order::{Direction, Order},
    traits::Model,
};
use crate::{data::value::Value, driver::Dialect};

/// An expression of SQL whose value is read as a `T`.
///
/// A column is one, and so is what operators and functions make of columns and values. An `Expr<bool>` is a condition:
/// conditions are joined by `&` and `|`, and turned round by `!`.
///
/// # NULL
/// In SQL a comparison with NULL is neither true nor false but NULL, and rows are selected only where a condition is true.
/// - `None` from Rust asks for NULL itself: `eq(None)` is `IS NULL`, `ne(None)` is `IS NOT NULL`, and a `None` in the list of
///   `in_` or `not_in` counts in the same way.
/// - `ne("x")` and `not_in(["x"])` do not hold where the column is NULL. Add `| column.is_null()` where they should.
/// - `not_in(query)` holds for no row at all if the query has a NULL among its values. Filter those out in the query, or use
///   `!exists(..)`.
/// - Operators and functions of a NULL are NULL. The types of Rust say where NULL can come from a column; what a LEFT JOIN
///   makes NULL is said by `nullable()`.
/// - What is among nothing, as in `in_([])`, is false, and `not_in([])` is true, for NULL as well.
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
    pub(super) node: Node,
    marker: PhantomData<fn() -> T>,
}

impl<T> Expr<T> {
    pub(super) fn new(node: Node) -> Self {
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

/// Two that are compared: a value takes the form of the column beside it. SQLite has decimals as text: beside anything but a column, which knows how they compare, they are
/// numbers.
fn beside(left: Node, right: Node) -> [Node; 2] {
    let right = right.fitted(&left);
    let left = left.fitted(&right);
    let number = |node| {
        let write: Write = |args, place, to| match to.dialect() {
            Dialect::Sqlite => Form::Cast(ColumnType::Decimal).write(args, place, to),
            _ => write_each(args, place, to),
        };
        Node::own(write, [node])
    };
    let decimal = |node: &Node| matches!(node, Node::Value(Value::Decimal(_)));
    let column = |node: &Node| matches!(node, Node::Column(..));
    if (decimal(&right) && !column(&left)) || (decimal(&left) && !column(&right)) {
        [number(left), number(right)]
    } else {
        [left, right]
    }
}

/// A condition that holds if two are compared so; with NULL given from Rust, `=` and `<>` ask for NULL itself.
pub(super) fn equal(left: Node, right: Node) -> Expr<bool> {
    Expr::new(match right {
        Node::Value(Value::Null) => Node::apply(Form::IsNull, [left]),
        right => Node::binary(Operator::Equal, beside(left, right)),
    })
}

/// As [`equal`], turned round.
pub(super) fn unequal(left: Node, right: Node) -> Expr<bool> {
    Expr::new(match right {
        Node::Value(Value::Null) => Node::apply(Form::IsNotNull, [left]),
        right => Node::binary(Operator::NotEqual, beside(left, right)),
    })
}

impl Expr<bool> {
    /// A condition that is added to the one that there may be.
    pub(super) fn both(before: Option<Self>, condition: Self) -> Self {
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
            Expr::new(Node::binary(Operator::$operator, beside(self.node, other.into_node())))
        }
    )+};
}

/// The comparisons that an expression of any type has.
impl<T> Expr<T> {
    /// Whether it equals something. A NULL from Rust (`None`) asks whether it is NULL.
    pub fn eq(self, other: impl Operand<T>) -> Expr<bool> {
        equal(self.node, other.into_node())
    }

    /// Whether it differs from something. A NULL from Rust (`None`) asks whether it is not NULL.
    pub fn ne(self, other: impl Operand<T>) -> Expr<bool> {
        unequal(self.node, other.into_node())
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

    /// Whether it lies between two others, both included.
    pub fn between(self, low: impl Operand<T>, high: impl Operand<T>) -> Expr<bool> {
        let ([this, low], [_, high]) =
            (beside(self.node.clone(), low.into_node()), beside(self.node, high.into_node()));
        Expr::new(Node::apply(Form::Between, [this, low, high]))
    }

    /// Whether it is among some values, or in the one column of a query.
    pub fn in_(self, among: impl InOperand<T>) -> Expr<bool> {
        among.contains(self.node)
    }

    /// Whether it is not among some values, nor in the one column of a query.
    pub fn not_in(self, among: impl InOperand<T>) -> Expr<bool> {
        !self.in_(among)
    }

    /// Whether it is NULL.
    pub fn is_null(self) -> Expr<bool> {
        equal(self.node, Node::Value(Value::Null))
    }

    /// Whether it is not NULL.
    pub fn is_not_null(self) -> Expr<bool> {
        unequal(self.node, Node::Value(Value::Null))
    }

    /// In ascending order of it.
    pub fn asc(self) -> Order {
        Order::new(self.node, Direction::Asc)
    }

    /// In descending order of it.
    pub fn desc(self) -> Order {
        Order::new(self.node, Direction::Desc)
    }
}

/// A column of truth values is a condition by itself.
macro_rules! columns_of_bool {
    ($($trait:ident $name:ident),+) => {$(
        impl<M: Model, R: Into<Expr<bool>>> $trait<R> for Column<M, bool> {
            type Output = Expr<bool>;

            fn $name(self, other: R) -> Expr<bool> {
                $trait::$name(self.expr(), other)
            }
        }
    )+};
}

columns_of_bool!(BitAnd bitand, BitOr bitor);

impl<M: Model> Not for Column<M, bool> {
    type Output = Expr<bool>;

    fn not(self) -> Expr<bool> {
        !self.expr()
    }
}

impl<R: Into<Self>> BitAnd<R> for Expr<bool> {
    type Output = Self;

    fn bitand(self, other: R) -> Self {
        Self::new(Node::binary(Operator::And, [self.node, other.into().node]))
    }
}

impl<R: Into<Self>> BitOr<R> for Expr<bool> {
    type Output = Self;

    fn bitor(self, other: R) -> Self {
        Self::new(Node::binary(Operator::Or, [self.node, other.into().node]))
    }
}

impl Not for Expr<bool> {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(Node::apply(Form::Not, [self.node]))
    }
}
