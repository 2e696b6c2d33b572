//! Foreign keys in expressions: the operands of their columns, and [`Reference`], which joins and prefetches follow.

use super::{
    column::Column,
    expr::Expr,
    node::Node,
    operand::{Operand, operand},
};
use crate::{
    data::crates::{Decimal, Uuid},
    model::table::{ColumnDef, Field, ForeignKey, Model, Newtype},
};

/// A column that refers to rows of another model, along which tables are joined.
#[diagnostic::on_unimplemented(message = "`{Self}` is no foreign key", note = "`join_on` joins on any condition")]
pub trait Reference: Copy {
    /// The model that has the column.
    type From: Model;
    /// The model that it refers to.
    type To: Model;

    /// The column.
    #[doc(hidden)]
    fn column(self) -> &'static ColumnDef;
}

/// `Reference` for a column of this type.
macro_rules! foreign_keys {
    ($($type:ty),+) => {$(
        impl<A: Model, B: Model> Reference for Column<A, $type> {
            type From = A;
            type To = B;

            fn column(self) -> &'static ColumnDef {
                self.def()
            }
        }
    )+};
}

foreign_keys!(ForeignKey<B>, Option<ForeignKey<B>>);

operand!([M: Model<Key: Field>] &M => ForeignKey<M>, |model| Node::Value(model.key().to_value()));
operand!([M: Model<Key: Field>] &M => Option<ForeignKey<M>>, |model| Node::Value(model.key().to_value()));
operand!([M: Model<Key = String>] &str => ForeignKey<M>, |key| Node::Value(key.into()));
operand!([M: Model<Key = String>] &str => Option<ForeignKey<M>>, |key| Node::Value(key.into()));

/// Operands of foreign keys are keys. Those of newtypes are made by their derive.
macro_rules! values_of_keys {
    ($($type:ty),+ $(,)?) => {$(
        operand!([M: Model<Key = $type>] $type => ForeignKey<M>, |key| Node::Value(key.into()));
        operand!([M: Model<Key = $type>] $type => Option<ForeignKey<M>>, |key| Node::Value(key.into()));
    )+};
}

values_of_keys!(i16, i32, i64, u32, u64, Uuid, String, Decimal);

/// Operands of foreign keys are columns and expressions of keys; and the other way round.
macro_rules! keys {
    ($([$($generics:tt)*] $type:ty),+ $(,)?) => {$(
        operand!([A: Model, $($generics)* M: Model<Key = $type>] Column<A, $type> => ForeignKey<M>, |key| key.expr().node);
        operand!(
            [A: Model, $($generics)* M: Model<Key = $type>] Column<A, $type> => Option<ForeignKey<M>>,
            |key| key.expr().node
        );
        operand!([$($generics)* M: Model<Key = $type>] Expr<$type> => ForeignKey<M>, |key| key.node);
        operand!([$($generics)* M: Model<Key = $type>] Expr<$type> => Option<ForeignKey<M>>, |key| key.node);
        operand!([A: Model, $($generics)* M: Model<Key = $type>] Column<A, ForeignKey<M>> => $type, |key| key.expr().node);
        operand!(
            [A: Model, $($generics)* M: Model<Key = $type>] Column<A, Option<ForeignKey<M>>> => $type,
            |key| key.expr().node
        );
        operand!([$($generics)* M: Model<Key = $type>] Expr<ForeignKey<M>> => $type, |key| key.node);
        operand!([$($generics)* M: Model<Key = $type>] Expr<Option<ForeignKey<M>>> => $type, |key| key.node);
    )+};
}

keys!([] i16, [] i32, [] i64, [] u32, [] u64, [] Uuid, [] String, [] Decimal, [T: Newtype,] T);
