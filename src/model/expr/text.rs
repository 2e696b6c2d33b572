//! [`Text`]: patterns and functions of text, as methods of columns and expressions.

use super::{
    column::{Column, methods},
    expr::Expr,
    node::{Node, write_binary, write_call},
    operand::Operand,
    operator::{Operator, Precedence},
};
use crate::{
    db::Writer,
    driver::Dialect,
    error::Result,
    model::table::{ColumnType, Field, Model},
};

/// The types of text: `String`, and `Option<String>` where it may be NULL.
#[diagnostic::on_unimplemented(message = "`{Self}` is no text")]
pub trait Text: Field {
    /// The type of its length.
    type Length: Field;
}

impl Text for String {
    type Length = i64;
}

impl Text for Option<String> {
    type Length = Option<i64>;
}

/// The escape character of patterns that are made here. Not the backslash: in string literals of MySQL its meaning
/// depends on `sql_mode`.
const ESCAPE: char = '!';

/// A pattern that matches exactly this text.
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
    Expr::new(Node::binary(Operator::Like(" ESCAPE '!'"), [node, Node::Value(pattern.into())]))
}

/// `LIKE` with a pattern that the caller wrote.
fn like_in(to: &Writer) -> Operator {
    Operator::Like(if to.can().escapes_patterns { "" } else { r" ESCAPE '\'" })
}

fn write_like(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    write_binary(like_in(to), args, outer, to)
}

fn write_ilike(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    if to.can().ilike {
        return write_binary(Operator::ILike, args, outer, to);
    }
    let (left, pattern) = args.split_at(1);
    let lower = |args| move |_, to: &mut Writer| write_call("LOWER", args, to);
    like_in(to).write(outer, to, lower(left), lower(pattern))
}

fn write_length(args: &[Node], _: Precedence, to: &mut Writer) -> Result<()> {
    let name = match to.dialect() {
        Dialect::Postgres | Dialect::Mysql => "CHAR_LENGTH",
        Dialect::Sqlite => "LENGTH",
    };
    write_call(name, args, to)
}

fn write_concat(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Mysql => write_call("CONCAT", args, to),
        Dialect::Postgres | Dialect::Sqlite => write_binary(Operator::Other("||"), args, outer, to),
    }
}

methods! {
    [T: Text]
    /// `LIKE`: `%` matches any text and `_` any character; a backslash escapes them.
    ///
    /// It is case-sensitive on PostgreSQL; on MySQL and MariaDB the collation of the column decides; on SQLite letters
    /// of ASCII are case-insensitive.
    fn like(self, pattern: impl Operand<T>) -> Expr<bool> {
        Expr::new(Node::custom(write_like, [self.node, pattern.into_node()]))
    }

    /// As [`like`](Self::like), but case-insensitive, for the letters that the database can fold.
    fn ilike(self, pattern: impl Operand<T>) -> Expr<bool> {
        Expr::new(Node::custom(write_ilike, [self.node, pattern.into_node()]))
    }

    /// Whether it contains this text. For case see [`like`](Self::like).
    fn contains(self, text: impl AsRef<str>) -> Expr<bool> {
        like_escaped(self.node, format!("%{}%", escaped(text.as_ref())))
    }

    /// Whether it begins with this text. For case see [`like`](Self::like).
    fn starts_with(self, text: impl AsRef<str>) -> Expr<bool> {
        like_escaped(self.node, format!("{}%", escaped(text.as_ref())))
    }

    /// Whether it ends with this text. For case see [`like`](Self::like).
    fn ends_with(self, text: impl AsRef<str>) -> Expr<bool> {
        like_escaped(self.node, format!("%{}", escaped(text.as_ref())))
    }

    /// The text in lower case; on SQLite only letters of ASCII.
    fn lower(self) -> Expr<T> {
        Expr::new(Node::call("LOWER", [self.node]))
    }

    /// The text in upper case; on SQLite only letters of ASCII.
    fn upper(self) -> Expr<T> {
        Expr::new(Node::call("UPPER", [self.node]))
    }

    /// The text without leading and trailing spaces.
    fn trim(self) -> Expr<T> {
        Expr::new(Node::call("TRIM", [self.node]))
    }

    /// The number of characters.
    fn length(self) -> Expr<T::Length> {
        Expr::new(Node::custom(write_length, [self.node]))
    }

    /// The text with more text appended; NULL if either is NULL.
    fn concat(self, more: impl Operand<T>) -> Expr<T> {
        Expr::new(Node::custom(write_concat, [self.node.typed(ColumnType::Text), more.into_node().typed(ColumnType::Text)]))
    }
}
