//! [`Expr`]: an expression of SQL that has a Rust type, and the operators that every such thing has.

use std::{
    fmt,
    marker::PhantomData,
    ops::{BitAnd, BitOr, Not},
};

use sea_query::{Expr as Sea, ExprTrait as _};

use super::{
    node::Node,
    operand::{InOperand, Operand},
    order::Order,
};
use crate::value::Value;

/// An expression of SQL whose value is read as a `T`.
///
/// A column is one, and so is what operators and functions make of columns and values. An `Expr<bool>` is a condition:
/// conditions are joined by `&` and `|`, and turned round by `!`.
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

/// A condition that holds if two are compared so; with NULL given from Rust, `=` and `<>` ask for NULL itself.
pub(super) fn equal(left: Node, right: Node) -> Expr<bool> {
    Expr::new(match right {
        Node::Value(Value::Null) => Node::apply(|_, args| one(args).is_null(), [left]),
        right => Node::apply(|_, args| two(args, |a, b| a.eq(b)), [left, right]),
    })
}

/// As [`equal`], turned round.
pub(super) fn unequal(left: Node, right: Node) -> Expr<bool> {
    Expr::new(match right {
        Node::Value(Value::Null) => Node::apply(|_, args| one(args).is_not_null(), [left]),
        right => Node::apply(|_, args| two(args, |a, b| a.ne(b)), [left, right]),
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

/// The one operand of an operator.
pub(super) fn one(args: Vec<Sea>) -> Sea {
    let [a] = <[Sea; 1]>::try_from(args).expect("an operator is rendered with as many operands as it was made of");
    a
}

/// The two operands of an operator.
pub(super) fn two(args: Vec<Sea>, join: impl FnOnce(Sea, Sea) -> Sea) -> Sea {
    let [a, b] = <[Sea; 2]>::try_from(args).expect("an operator is rendered with as many operands as it was made of");
    join(a, b)
}

/// A comparison by an operator of sea_query.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $sea:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(self, other: impl Operand<T>) -> Expr<bool> {
            Expr::new(Node::apply(|_, args| two(args, |a, b| a.$sea(b)), [self.node, other.into_node()]))
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
        lt => lt;
        /// Whether it is less or equal.
        le => lte;
        /// Whether it is greater.
        gt => gt;
        /// Whether it is greater or equal.
        ge => gte;
    }

    /// Whether it lies between two others, both included.
    pub fn between(self, low: impl Operand<T>, high: impl Operand<T>) -> Expr<bool> {
        let make = |_, args| {
            let [a, b, c] = <[Sea; 3]>::try_from(args).expect("BETWEEN is made of three operands");
            a.between(b, c)
        };
        Expr::new(Node::apply(make, [self.node, low.into_node(), high.into_node()]))
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
        Order::new(self.node, sea_query::Order::Asc)
    }

    /// In descending order of it.
    pub fn desc(self) -> Order {
        Order::new(self.node, sea_query::Order::Desc)
    }
}

impl<R: Into<Self>> BitAnd<R> for Expr<bool> {
    type Output = Self;

    fn bitand(self, other: R) -> Self {
        Self::new(Node::apply(|_, args| two(args, |a, b| a.and(b)), [self.node, other.into().node]))
    }
}

impl<R: Into<Self>> BitOr<R> for Expr<bool> {
    type Output = Self;

    fn bitor(self, other: R) -> Self {
        Self::new(Node::apply(|_, args| two(args, |a, b| a.or(b)), [self.node, other.into().node]))
    }
}

impl Not for Expr<bool> {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(Node::apply(|_, args| one(args).not(), [self.node]))
    }
}
