//! [`Column`]: a column of a model, as an associated constant; [`Columns`]: several of them; [`Assignment`]: a column
//! and its new value.

use std::{
    fmt,
    marker::PhantomData,
    ops::{BitAnd, BitOr, Not},
};

use super::{
    expr::Expr,
    node::{Node, Qualifier},
    operand::{InOperand, Operand, operand},
    order::Order,
};
use crate::model::table::{ColumnDef, Model};

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

    pub(crate) fn index(self) -> usize {
        self.index
    }
}

impl<M: Model, T> From<Column<M, T>> for Expr<T> {
    fn from(column: Column<M, T>) -> Self {
        column.expr()
    }
}

/// Methods that a column has because it is an expression.
macro_rules! of_expr {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)+) => {$(
        $(#[$doc])*
        pub fn $name(self, $($arg: $type),*) -> $out {
            self.expr().$name($($arg),*)
        }
    )+};
}

impl<M: Model, T> Column<M, T> {
    /// The definition of the column.
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
        Expr::new(Node::Column(Qualifier::of(M::TABLE), self.def()))
    }

    /// An assignment to the column, in an insert or an update.
    pub fn set(self, value: impl Operand<T>) -> Assignment<M> {
        Assignment::new(self.index, value.into_node().in_form_of(&self.expr().node))
    }

    /// The value of the column in the row that an insert could not add, for use in an
    /// [`OnConflict`](crate::query::OnConflict).
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
        /// Whether it lies between two values, both included.
        fn between(low: impl Operand<T>, high: impl Operand<T>) -> Expr<bool>;
        /// `IN`: whether it is one of some values, or of the rows of a query of one column.
        fn in_(values: impl InOperand<T>) -> Expr<bool>;
        /// `NOT IN`: whether it is none of some values, or of the rows of a query of one column.
        fn not_in(values: impl InOperand<T>) -> Expr<bool>;
        /// Whether it is NULL.
        fn is_null() -> Expr<bool>;
        /// Whether it is not NULL.
        fn is_not_null() -> Expr<bool>;
        /// Ascending order.
        fn asc() -> Order;
        /// Descending order.
        fn desc() -> Order;
    }
}

operand!([M: Model, T] Column<M, T> => T, |column| column.expr().node);
operand!([M: Model, T] Column<M, T> => Option<T>, |column| column.expr().node);
operand!([M: Model, T] Column<M, Option<T>> => T, |column| column.expr().node);

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

/// Defines methods of `Expr<T>`, and the same of `Column<M, T>`.
macro_rules! methods {
    ([$type:ident $(: $bound:path)?] $($(#[$doc:meta])* fn $name:ident$(<$generic:ident: $of:path>)?($self:ident $(, $arg:ident: $given:ty)*) -> $out:ty $body:block)+) => {
        impl<$type $(: $bound)?> Expr<$type> {$(
            $(#[$doc])*
            pub fn $name$(<$generic: $of>)?($self, $($arg: $given),*) -> $out $body
        )+}

        impl<M: Model, $type $(: $bound)?> Column<M, $type> {$(
            $(#[$doc])*
            pub fn $name$(<$generic: $of>)?(self, $($arg: $given),*) -> $out {
                self.expr().$name($($arg),*)
            }
        )+}
    };
}
pub(crate) use methods;

/// A column of `M` and its new value. Made by [`Column::set`](crate::model::Column::set).
pub struct Assignment<M> {
    pub(crate) column: usize,
    pub(crate) node: Node,
    marker: PhantomData<fn() -> M>,
}

impl<M> Assignment<M> {
    pub(crate) fn new(column: usize, node: Node) -> Self {
        Self { column, node, marker: PhantomData }
    }
}

impl<M> Clone for Assignment<M> {
    fn clone(&self) -> Self {
        Self::new(self.column, self.node.clone())
    }
}

impl<M: Model> fmt::Debug for Assignment<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}", M::TABLE.columns[self.column].name, self.node)
    }
}

/// Columns of the model `M`: one column, a tuple of several, or an array of columns of one type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of columns of `{M}`",
    note = "a column, a tuple of up to eight columns, or an array of columns of one type is"
)]
pub trait Columns<M> {
    /// Their numbers in the table.
    #[doc(hidden)]
    fn indexes(self) -> Vec<usize>;
}

/// No columns.
impl<M: Model> Columns<M> for () {
    fn indexes(self) -> Vec<usize> {
        Vec::new()
    }
}

impl<M: Model, T> Columns<M> for Column<M, T> {
    fn indexes(self) -> Vec<usize> {
        vec![self.index()]
    }
}

impl<M: Model, T, const N: usize> Columns<M> for [Column<M, T>; N] {
    fn indexes(self) -> Vec<usize> {
        self.map(Column::index).into()
    }
}

/// `Columns` for the tuple of the given types, and for all shorter ones.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        tuples!($($rest)*);
        impl<Mo: Model, $first, $($rest),*> Columns<Mo> for (Column<Mo, $first>, $(Column<Mo, $rest>,)*) {
            fn indexes(self) -> Vec<usize> {
                #[allow(non_snake_case, reason = "the types are all the names that the macro has")]
                let ($first, $($rest,)*) = self;
                vec![$first.index(), $($rest.index()),*]
            }
        }
    };
}

tuples!(A B C D E F G H);
