//! [`Operand`]: the right side of a comparison or an assignment; [`InOperand`]: the right side of `IN`.
//!
//! The implementations are the type check. They do not overlap because no type is an `Option` of itself. `Option<&str>` has
//! none on purpose: with it, a plain `None` would be ambiguous.

use super::{
    compare::{equal, in_list},
    node::Node,
};
use crate::{data::value::Value, model::table::Field};

/// A type that can be compared with a column whose field is a `T`, or assigned to it.
///
/// A value of `T` or a reference to one, `&str` for text, a column or an expression of the same type; and for an
/// `Option<T>` all that fits a `T`. A foreign key takes the model that it refers to, or its key.
///
/// Anything else does not compile:
/// ```compile_fail,E0277
/// # use nestling::Model;
/// # #[derive(Model)] struct Movie { id: i64, title: String }
/// let wrong = Movie::TITLE.eq(1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit a column of type `{T}`",
    label = "expected a value, a column or an expression of type `{T}`"
)]
pub trait Operand<T> {
    /// The operand as a node.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "what an expression is made of is nobody's business outside")]
    fn into_node(self) -> Node
    where
        Self: Sized,
    {
        Node::Value(self.into_operand_value())
    }

    /// The operand as a value: for the derive macros, which have no nodes. An implementation has one of the two methods.
    #[doc(hidden)]
    fn into_operand_value(self) -> Value
    where
        Self: Sized,
    {
        Value::Invalid("`Operand` is implemented by this crate and its derive macros alone")
    }
}

/// `Operand` for a type that becomes a value.
macro_rules! operand {
    ([$($generics:tt)*] $type:ty => $of:ty, |$value:ident| $node:expr) => {
        // The message of the trait says what does not fit; a list of all other implementations would bury it.
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

pub(super) use operand;

operand!([T: Field] T => T, |value| Node::Value(value.to_value()));
operand!([T: Field] T => Option<T>, |value| Node::Value(value.to_value()));
operand!([T: Field] &T => T, |value| Node::Value(value.to_value()));
operand!([T: Field] &T => Option<T>, |value| Node::Value(value.to_value()));
operand!([] &str => String, |value| Node::Value(value.into()));
operand!([] &str => Option<String>, |value| Node::Value(value.into()));
operand!([] &[u8] => Vec<u8>, |value| Node::Value(value.into()));
operand!([] &[u8] => Option<Vec<u8>>, |value| Node::Value(value.into()));

/// The right side of `IN`: an iterator of operands, or a query of one column.
///
/// There may be any number of values. Those of one type go to PostgreSQL as one array, so that the text does not depend on
/// their number. Elsewhere each is a parameter; of more than 10,000 MySQL gets literals, and of more than 5,000 SQLite one
/// document of JSON, except that it takes no more than 32,766 floats.
pub trait InOperand<T> {
    /// The condition that `node` is one of them.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "as in `Operand`")]
    fn contains(self, node: Node) -> Node;
}

impl<T, I: IntoIterator<Item: Operand<T>>> InOperand<T> for I {
    #[expect(private_interfaces, reason = "as in `Operand`")]
    fn contains(self, node: Node) -> Node {
        let is_null = |node: &Node| matches!(node, Node::Value(Value::Null));
        let (nulls, values): (Vec<_>, Vec<_>) = self.into_iter().map(Operand::into_node).partition(is_null);
        let null = (!nulls.is_empty()).then(|| equal(node.clone(), Node::Value(Value::Null)));
        match null {
            Some(null) if values.is_empty() => null,
            Some(null) => in_values(node, values).or(null),
            None => in_values(node, values),
        }
    }
}

/// The condition that `node` is one of `values`, none of which is a NULL from Rust.
fn in_values(node: Node, values: Vec<Node>) -> Node {
    in_list(vec![node], values.into_iter().map(|value| vec![value]).collect())
}
