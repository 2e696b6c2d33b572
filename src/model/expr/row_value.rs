//! [`RowValue`]: `(a, b)`, for composite keys and keyset pagination.

use std::marker::PhantomData;

use super::{
    column::Column,
    compare::in_list,
    expr::Expr,
    node::{Node, Operation},
    operand::Operand,
    operator::Operator,
};
use crate::model::table::Model;

/// A row value of the types `T`. Made by [`functions::row`](crate::query::functions::row).
#[derive(Debug)]
#[must_use = "an expression does nothing before it is given to a query"]
pub struct RowValue<T> {
    nodes: Vec<Node>,
    marker: PhantomData<fn() -> T>,
}

/// The columns of a row value: a tuple of two to four columns.
pub trait RowParts {
    /// The types of the columns.
    type Types;

    /// The row value of these columns.
    #[doc(hidden)]
    fn into_row(self) -> RowValue<Self::Types>;
}

/// A tuple of operands that can be compared with a row value of the types `T`.
#[diagnostic::on_unimplemented(message = "`{Self}` does not fit a row of the types `{T}`")]
pub trait RowOperand<T> {
    /// The expressions.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "what an expression is made of is nobody's business outside")]
    fn into_nodes(self) -> Vec<Node>;
}

/// Rows for tuples.
macro_rules! rows {
    ($(($($type:ident $operand:ident $model:ident $at:tt),+))+) => {$(
        impl<$($model: Model, $type),+> RowParts for ($(Column<$model, $type>,)+) {
            type Types = ($($type,)+);

            fn into_row(self) -> RowValue<($($type,)+)> {
                RowValue { nodes: vec![$(self.$at.expr().node),+], marker: PhantomData }
            }
        }

        impl<$($type, $operand: Operand<$type>),+> RowOperand<($($type,)+)> for ($($operand,)+) {
            #[expect(private_interfaces, reason = "as in the trait")]
            fn into_nodes(self) -> Vec<Node> {
                vec![$(self.$at.into_node()),+]
            }
        }
    )+};
}

rows! {
    (A O L 0, B P M 1)
    (A O L 0, B P M 1, C Q N 2)
    (A O L 0, B P M 1, C Q N 2, D R K 3)
}

/// The comparisons of rows.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $oper:ident;)+) => {$(
        $(#[$doc])*
        pub fn $name(self, other: impl RowOperand<T>) -> Expr<bool> {
            let other: Vec<Node> =
                other.into_nodes().into_iter().zip(&self.nodes).map(|(node, own)| node.in_form_of(own)).collect();
            Expr::new(Node::binary(Operator::$oper, [self.nodes, other].map(|row| Node::Apply(Operation::Row, row))))
        }
    )+};
}

impl<T> RowValue<T> {
    comparisons! {
        /// Whether all columns are equal.
        eq => Equal;
        /// Whether some column differs.
        ne => NotEqual;
        /// Whether it sorts before the other.
        lt => Less;
        /// Whether it sorts before the other or is equal.
        le => LessOrEqual;
        /// Whether it sorts after the other.
        gt => Greater;
        /// Whether it sorts after the other or is equal.
        ge => GreaterOrEqual;
    }

    /// Whether it is one of some rows.
    pub fn in_(self, rows: impl IntoIterator<Item = impl RowOperand<T>>) -> Expr<bool> {
        Expr::new(in_list(self.nodes, rows.into_iter().map(RowOperand::into_nodes).collect()))
    }
}
