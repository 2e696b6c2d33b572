//! [`Column`]: a column of a model, as an associated constant of it.

use std::{fmt, marker::PhantomData};

use super::{
    assignment::Assignment,
    expr::Expr,
    node::{Node, Source},
    operand::{InOperand, Operand},
    order::Order,
    table::ColumnDef,
    traits::Model,
};

/// The column of the model `M` whose field is a `T`.
pub struct Column<M, T> {
    index: usize,
    marker: PhantomData<fn() -> (M, T)>,
}

impl<M, T> Clone for Column<M, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, T> Copy for Column<M, T> {}

impl<M: Model, T> fmt::Debug for Column<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", M::TABLE.name, self.name())
    }
}

impl<M, T> Column<M, T> {
    /// The column of this number in the table. Made by the derive macro: nothing checks the type again.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(index: usize) -> Self {
        Self { index, marker: PhantomData }
    }

    pub(super) fn index(self) -> usize {
        self.index
    }
}

impl<M: Model, T> From<Column<M, T>> for Expr<T> {
    fn from(column: Column<M, T>) -> Self {
        column.expr()
    }
}

/// Calls of the expression that the column is.
macro_rules! of_expr {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)+) => {$(
        $(#[$doc])*
        pub fn $name(self, $($arg: $type),*) -> $out {
            self.expr().$name($($arg),*)
        }
    )+};
}

impl<M: Model, T> Column<M, T> {
    /// What the model says of the column.
    #[must_use]
    pub fn def(self) -> &'static ColumnDef {
        &M::TABLE.columns[self.index]
    }

    /// The name of the column in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// The column as an expression.
    pub fn expr(self) -> Expr<T> {
        Expr::new(Node::Column(Source::of(M::TABLE), self.def()))
    }

    /// Gives the column a value, in an insert or an update.
    pub fn set(self, value: impl Operand<T>) -> Assignment<M> {
        Assignment::new(self.index, value.into_node().fitted(&self.expr().node))
    }

    /// What the column has in the row that an insert could not add, for use in an [`OnConflict`](crate::OnConflict).
    pub fn excluded(self) -> Expr<T> {
        Expr::new(Node::Excluded(self.def()))
    }

    of_expr! {
        /// Whether it equals something. A NULL from Rust (`None`) asks whether it is NULL.
        fn eq(other: impl Operand<T>) -> Expr<bool>;
        /// Whether it differs from something. A NULL from Rust (`None`) asks whether it is not NULL.
        fn ne(other: impl Operand<T>) -> Expr<bool>;
        /// Whether it is less.
        fn lt(other: impl Operand<T>) -> Expr<bool>;
        /// Whether it is less or equal.
        fn le(other: impl Operand<T>) -> Expr<bool>;
        /// Whether it is greater.
        fn gt(other: impl Operand<T>) -> Expr<bool>;
        /// Whether it is greater or equal.
        fn ge(other: impl Operand<T>) -> Expr<bool>;
        /// Whether it lies between two others, both included.
        fn between(low: impl Operand<T>, high: impl Operand<T>) -> Expr<bool>;
        /// Whether it is among some values, or in the one column of a query.
        fn in_(among: impl InOperand<T>) -> Expr<bool>;
        /// Whether it is not among some values, nor in the one column of a query.
        fn not_in(among: impl InOperand<T>) -> Expr<bool>;
        /// Whether it is NULL.
        fn is_null() -> Expr<bool>;
        /// Whether it is not NULL.
        fn is_not_null() -> Expr<bool>;
        /// In ascending order of it.
        fn asc() -> Order;
        /// In descending order of it.
        fn desc() -> Order;
    }
}
