//! The operators of hstore, for columns and expressions of that type. PostgreSQL only.

use sea_query::{Alias, BinOper, Expr as Sea, ExprTrait as _};

use super::{
    column::Column,
    expr::{Expr, two},
    node::{Make, Node},
    operand::Operand,
    traits::Model,
};
use crate::{hstore::HStore, value::Value};

/// An operator with a text behind it: several take text, arrays or maps, so the parameter says what it is.
fn with_text(operator: &'static str, left: Sea, right: Sea) -> Sea {
    left.binary(BinOper::Custom(operator), right.cast_as(Alias::new("text")))
}

/// As [`with_text`], with an array of texts.
fn with_texts(operator: &'static str, left: Sea, right: Sea) -> Sea {
    left.binary(BinOper::Custom(operator), right.cast_as(Alias::new("text[]")))
}

/// Keys, as a parameter.
fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Node {
    Node::Value(Value::array(keys.into_iter().map(Into::into)))
}

/// The methods of an hstore that may or may not be NULL, as an expression and as a column.
macro_rules! operators {
    ($($type:ty),+) => {$(
        impl Expr<$type> {
            fn with<T>(self, make: Make, right: Node) -> Expr<T> {
                Expr::new(Node::apply(make, [self.node, right]))
            }

            /// The value of a key; NULL if the key is not there, or has no value.
            pub fn key(self, key: impl Operand<String>) -> Expr<Option<String>> {
                self.with(|_, args| two(args, |a, b| with_text("->", a, b)), key.into_node())
            }

            /// Whether a key is there.
            pub fn has_key(self, key: impl Operand<String>) -> Expr<bool> {
                self.with(|_, args| two(args, |a, b| with_text("?", a, b)), key.into_node())
            }

            /// Whether all of some keys are there.
            pub fn has_all_keys<K: Into<String>>(self, all: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.with(|_, args| two(args, |a, b| with_texts("?&", a, b)), keys(all))
            }

            /// Whether any of some keys is there.
            pub fn has_any_key<K: Into<String>>(self, any: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.with(|_, args| two(args, |a, b| with_texts("?|", a, b)), keys(any))
            }

            /// Whether all keys of a map are there, with its values.
            pub fn contains(self, map: impl Operand<HStore>) -> Expr<bool> {
                self.with(|_, args| two(args, |a, b| a.binary(BinOper::Custom("@>"), b)), map.into_node())
            }

            /// The keys of both, with the values of `map` where they are in both.
            pub fn merge(self, map: impl Operand<HStore>) -> Expr<$type> {
                self.with(|_, args| two(args, |a, b| a.binary(BinOper::Custom("||"), b)), map.into_node())
            }

            /// What is left without some keys.
            pub fn without<K: Into<String>>(self, some: impl IntoIterator<Item = K>) -> Expr<$type> {
                self.with(|_, args| two(args, |a, b| with_texts("-", a, b)), keys(some))
            }
        }

        impl<M: Model> Column<M, $type> {
            /// The value of a key; NULL if the key is not there, or has no value.
            pub fn key(self, key: impl Operand<String>) -> Expr<Option<String>> {
                self.expr().key(key)
            }

            /// Whether a key is there.
            pub fn has_key(self, key: impl Operand<String>) -> Expr<bool> {
                self.expr().has_key(key)
            }

            /// Whether all of some keys are there.
            pub fn has_all_keys<K: Into<String>>(self, all: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.expr().has_all_keys(all)
            }

            /// Whether any of some keys is there.
            pub fn has_any_key<K: Into<String>>(self, any: impl IntoIterator<Item = K>) -> Expr<bool> {
                self.expr().has_any_key(any)
            }

            /// Whether all keys of a map are there, with its values.
            pub fn contains(self, map: impl Operand<HStore>) -> Expr<bool> {
                self.expr().contains(map)
            }

            /// The keys of both, with the values of `map` where they are in both.
            pub fn merge(self, map: impl Operand<HStore>) -> Expr<$type> {
                self.expr().merge(map)
            }

            /// What is left without some keys.
            pub fn without<K: Into<String>>(self, some: impl IntoIterator<Item = K>) -> Expr<$type> {
                self.expr().without(some)
            }
        }
    )+};
}

operators!(HStore, Option<HStore>);
