//! [`Text`]: what columns and expressions of text can do: patterns and the functions of text.

use sea_query::{BinOper, Expr as Sea, ExprTrait as _, Func, IntoIden as _, Keyword, extension::postgres::PgBinOper};

use super::{
    column::Column,
    expr::{Expr, one, two},
    field::{ColumnType, Field},
    node::Node,
    operand::Operand,
    traits::Model,
};
use crate::driver::Dialect;

/// The types of text: `String`, and `Option<String>` where it may be NULL.
#[diagnostic::on_unimplemented(message = "`{Self}` is no text")]
pub trait Text: Field {
    /// What the length of it is.
    type Length: Field;
}

impl Text for String {
    type Length = i64;
}

impl Text for Option<String> {
    type Length = Option<i64>;
}

/// The character that takes the meaning from `%` and `_` in patterns that are made here. Not the backslash, which means
/// something in a string of MySQL already, or not, as its `sql_mode` has it.
const ESCAPE: char = '!';

/// Text as a pattern that matches it and nothing else.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | ESCAPE) {
            out.push(ESCAPE);
        }
        out.push(letter);
    }
    out
}

/// `LIKE` with a pattern whose escape character is `ESCAPE`.
fn like_escaped(node: Node, pattern: String) -> Expr<bool> {
    let make = |_, args| two(args, |a, b| like_with(a, b, "'!'"));
    Expr::new(Node::apply(make, [node, Node::Value(pattern.into())]))
}

/// `LIKE`, and what stands behind ESCAPE.
fn like_with(left: Sea, pattern: Sea, escape: &'static str) -> Sea {
    left.binary(BinOper::Like, pattern.binary(BinOper::Escape, Sea::Keyword(Keyword::Custom(escape.into_iden()))))
}

/// `LIKE` with a pattern of the caller's. SQLite alone has no escape character by itself.
fn like(dialect: Dialect, left: Sea, pattern: Sea) -> Sea {
    match dialect {
        Dialect::Sqlite => like_with(left, pattern, r"'\'"),
        _ => left.binary(BinOper::Like, pattern),
    }
}

fn lower(text: Sea) -> Sea {
    Func::lower(text).into()
}

methods! {
    [T: Text]
    /// Whether it is like a pattern, in which `%` stands for any text and `_` for any character; a backslash takes that
    /// meaning from the character behind it.
    ///
    /// Whether upper and lower case are the same is up to the database: not on PostgreSQL, by the collation of the column
    /// on MySQL and MariaDB, and yes for the letters of ASCII on SQLite.
    fn like(self, pattern: impl Operand<T>) -> Expr<bool> {
        Expr::new(Node::apply(|dialect, args| two(args, |a, b| like(dialect, a, b)), [self.node, pattern.into_node()]))
    }

    /// As [`like`](Self::like), and upper and lower case are the same, as far as the database knows the letters.
    fn ilike(self, pattern: impl Operand<T>) -> Expr<bool> {
        let make = |dialect, args| {
            two(args, |a, b| match dialect {
                Dialect::Postgres => a.binary(PgBinOper::ILike, b),
                _ => like(dialect, lower(a), lower(b)),
            })
        };
        Expr::new(Node::apply(make, [self.node, pattern.into_node()]))
    }

    /// Whether it has this text in it, taken as it is. For upper and lower case see [`like`](Self::like).
    fn contains(self, text: impl AsRef<str>) -> Expr<bool> {
        like_escaped(self.node, format!("%{}%", escaped(text.as_ref())))
    }

    /// Whether it begins with this text, taken as it is. For upper and lower case see [`like`](Self::like).
    fn starts_with(self, text: impl AsRef<str>) -> Expr<bool> {
        like_escaped(self.node, format!("{}%", escaped(text.as_ref())))
    }

    /// Whether it ends with this text, taken as it is. For upper and lower case see [`like`](Self::like).
    fn ends_with(self, text: impl AsRef<str>) -> Expr<bool> {
        like_escaped(self.node, format!("%{}", escaped(text.as_ref())))
    }

    /// It in lower case. SQLite knows the letters of ASCII only.
    fn lower(self) -> Expr<T> {
        Expr::new(Node::apply(|_, args| lower(one(args)), [self.node]))
    }

    /// It in upper case. SQLite knows the letters of ASCII only.
    fn upper(self) -> Expr<T> {
        Expr::new(Node::apply(|_, args| Func::upper(one(args)).into(), [self.node]))
    }

    /// It without spaces at either end.
    fn trim(self) -> Expr<T> {
        Expr::new(Node::apply(|_, args| Func::cust("TRIM").arg(one(args)).into(), [self.node]))
    }

    /// How many characters it has.
    fn length(self) -> Expr<T::Length> {
        Expr::new(Node::apply(|_, args| Func::char_length(one(args)).into(), [self.node]))
    }

    /// It with more text behind it; NULL if either is NULL.
    fn concat(self, more: impl Operand<T>) -> Expr<T> {
        let make = |dialect, args| {
            two(args, |a, b| match dialect {
                Dialect::Mysql => Func::cust("CONCAT").args([a, b]).into(),
                _ => a.binary(BinOper::Custom("||"), b),
            })
        };
        Expr::new(Node::apply(make, [self.node.typed(ColumnType::Text), more.into_node().typed(ColumnType::Text)]))
    }
}
