//! The operators of hstore, for columns and expressions of that type. PostgreSQL only.

use super::{
    column::Column,
    expr::Expr,
    node::{Node, Operation},
    operand::Operand,
    operator::Operator,
};
use crate::{
    data::{hstore::HStore, value::Value},
    model::table::{ColumnType, Model},
};

/// A text with a cast: several operators take text, arrays or maps.
fn text(node: Node) -> Node {
    Node::apply(Operation::Cast(ColumnType::Text), [node])
}

/// An array of keys, with a cast.
fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Node {
    let keys = Node::Value(Value::array(keys.into_iter().map(Into::into)));
    Node::apply(Operation::Cast(ColumnType::Array(&ColumnType::Text)), [keys])
}

/// The methods of expressions and columns of a type of hstore.
macro_rules! operators {
    ($($type:ty),+) => {$(
        impl Expr<$type> {
            fn with<T>(self, operator: &'static str, right: Node) -> Expr<T> {
                Expr::new(Node::binary(Operator::HStore(operator), [self.node, right]))
            }

            /// The value of a key; NULL if the key does not exist or has no value.
            pub fn key(self, key: impl Operand<String>) -> Expr<Option<String>> {
                self.with("->", text(key.into_node()))
            }

            /// Whether a key exists.
            pub fn has_key(self, key: impl Operand<String>) -> Expr<bool> {
                self.with("?", text(key.into_node()))
            }

            /// Whether all of these keys exist.
            pub fn has_all_keys<K: Into<String>>(self, all: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.with("?&", keys(all))
            }

            /// Whether any of these keys exists.
            pub fn has_any_key<K: Into<String>>(self, any: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.with("?|", keys(any))
            }

            /// Whether it has all keys of a map, with the same values.
            pub fn contains(self, map: impl Operand<HStore>) -> Expr<bool> {
                self.with("@>", map.into_node())
            }

            /// The keys of both; the values of `map` win.
            pub fn merge(self, map: impl Operand<HStore>) -> Expr<$type> {
                self.with("||", map.into_node())
            }

            /// The map without these keys.
            pub fn without<K: Into<String>>(self, some: impl IntoIterator<Item = K>) -> Expr<$type> {
                self.with("-", keys(some))
            }
        }

        impl<M: Model> Column<M, $type> {
            /// The value of a key; NULL if the key does not exist or has no value.
            pub fn key(self, key: impl Operand<String>) -> Expr<Option<String>> {
                self.expr().key(key)
            }

            /// Whether a key exists.
            pub fn has_key(self, key: impl Operand<String>) -> Expr<bool> {
                self.expr().has_key(key)
            }

            /// Whether all of these keys exist.
            pub fn has_all_keys<K: Into<String>>(self, all: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.expr().has_all_keys(all)
            }

            /// Whether any of these keys exists.
            pub fn has_any_key<K: Into<String>>(self, any: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.expr().has_any_key(any)
            }

            /// Whether it has all keys of a map, with the same values.
            pub fn contains(self, map: impl Operand<HStore>) -> Expr<bool> {
                self.expr().contains(map)
            }

            /// The keys of both; the values of `map` win.
            pub fn merge(self, map: impl Operand<HStore>) -> Expr<$type> {
                self.expr().merge(map)
            }

            /// The map without these keys.
            pub fn without<K: Into<String>>(self, some: impl IntoIterator<Item = K>) -> Expr<$type> {
                self.expr().without(some)
            }
        }
    )+};
}

operators!(HStore, Option<HStore>);
