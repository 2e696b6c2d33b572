//! [`Operand`]: what can stand beside a column of a type, in a comparison or an assignment; and [`InOperand`], what can
//! stand behind `IN`.
//!
//! The whole check of types is in these implementations: what has none does not compile. They do not overlap because no
//! type is an `Option` of itself. `Option<&str>` has none on purpose: with it, `None` alone would be ambiguous.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{column::Column, expr::Expr, field::Field, foreign_key::ForeignKey, node::Node, traits::Model};

/// What can be compared with a column whose field is a `T`, or be assigned to it.
///
/// A value of `T` or a reference to one, `&str` for text, a column or an expression of the same type; and for an
/// `Option<T>` all that fits a `T`. A foreign key takes the model that it refers to, or its key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit a column of type `{T}`",
    label = "expected a value, a column or an expression of type `{T}`"
)]
pub trait Operand<T> {
    /// The expression that it is.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "what an expression is made of is nobody's business outside")]
    fn into_node(self) -> Node;
}

/// `Operand` for a type that becomes a value.
macro_rules! operand {
    ([$($generics:tt)*] $type:ty => $of:ty, |$value:ident| $node:expr) => {
        // What does not fit is told by the message of the trait; a list of all that fits elsewhere would bury it.
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> Operand<$of> for $type {
            #[expect(private_interfaces, reason = "as in the trait")]
            fn into_node(self) -> Node {
                let $value = self;
                $node
            }
        }
    };
}

operand!([T: Field] T => T, |value| Node::Value(value.to_value()));
operand!([T: Field] T => Option<T>, |value| Node::Value(value.to_value()));
operand!([T: Field] &T => T, |value| Node::Value(value.to_value()));
operand!([T: Field] &T => Option<T>, |value| Node::Value(value.to_value()));
operand!([] &str => String, |value| Node::Value(value.into()));
operand!([] &str => Option<String>, |value| Node::Value(value.into()));
operand!([] &[u8] => Vec<u8>, |value| Node::Value(value.into()));
operand!([] &[u8] => Option<Vec<u8>>, |value| Node::Value(value.into()));
operand!([M: Model, T] Column<M, T> => T, |column| column.expr().node);
operand!([M: Model, T] Column<M, T> => Option<T>, |column| column.expr().node);
operand!([M: Model, T] Column<M, Option<T>> => T, |column| column.expr().node);
operand!([T] Expr<T> => T, |expr| expr.node);
operand!([T] Expr<T> => Option<T>, |expr| expr.node);
operand!([T] Expr<Option<T>> => T, |expr| expr.node);
operand!([M: Model<Key: Field>] &M => ForeignKey<M>, |model| Node::Value(model.key().to_value()));
operand!([M: Model<Key: Field>] &M => Option<ForeignKey<M>>, |model| Node::Value(model.key().to_value()));

/// `Operand` for keys, where a foreign key is asked for.
macro_rules! keys {
    ($($type:ty),+ $(,)?) => {$(
        operand!([M: Model<Key = $type>] $type => ForeignKey<M>, |key| Node::Value(key.into()));
        operand!([M: Model<Key = $type>] $type => Option<ForeignKey<M>>, |key| Node::Value(key.into()));
    )+};
}

keys!(i16, i32, i64, u32, u64, Uuid, String, Decimal);
operand!([M: Model<Key = String>] &str => ForeignKey<M>, |key| Node::Value(key.into()));
operand!([M: Model<Key = String>] &str => Option<ForeignKey<M>>, |key| Node::Value(key.into()));

/// What can stand behind `IN`: anything to iterate over that holds operands, or a query of one column.
pub trait InOperand<T> {
    /// The condition that `node` is in it.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "as in `Operand`")]
    fn contains(self, node: Node) -> Expr<bool>;
}

impl<T, I: IntoIterator<Item: Operand<T>>> InOperand<T> for I {
    #[expect(private_interfaces, reason = "as in `Operand`")]
    fn contains(self, node: Node) -> Expr<bool> {
        let among = self.into_iter().map(Operand::into_node);
        let nodes: Vec<Node> = std::iter::once(node).chain(among).collect();
        Expr::new(Node::Apply(
            |_, mut args| {
                let left = args.remove(0);
                sea_query::ExprTrait::is_in(left, args)
            },
            nodes,
        ))
    }
}
