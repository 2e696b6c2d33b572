//! [`Document`]: the types of JSON, and the methods of columns and expressions of them.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    cast::cast,
    column::{Column, methods},
    expr::Expr,
    json_path::JsonPath,
    node::{Node, two, write_binary, write_call},
    operator::{Operator, Precedence, bracketed},
};
use crate::{
    data::{crates::serde_json, json::Json, value::Value},
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::table::{ColumnType, Field, Model},
};

/// The types of JSON documents: [`Json`], `serde_json::Value`, and options of them.
#[diagnostic::on_unimplemented(message = "`{Self}` is no JSON document")]
pub trait Document: Field {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Document for Json<T> {}
impl Document for serde_json::Value {}
impl<T: Document> Document for Option<T> {}

/// The operators of PostgreSQL for a document and a path.
fn operators(args: &[Node]) -> [Operator; 2] {
    match args {
        [_, Node::Path(path)] => path.operators(),
        _ => unreachable!("a part of a document is made of it and a path"),
    }
}

fn write_part(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Postgres => write_binary(operators(args)[0], args, outer, to),
        Dialect::Mysql => write_call("JSON_EXTRACT", args, to),
        Dialect::Sqlite => write_binary(Operator::Other("->"), args, outer, to),
    }
}

fn write_part_as_text(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Postgres => return write_binary(operators(args)[1], args, outer, to),
        // A JSON null becomes an SQL NULL, as on PostgreSQL, rather than the text `null`.
        Dialect::Mysql => {
            to.text("(CASE JSON_TYPE(");
            write_call("JSON_EXTRACT", args, to)?;
            to.text(") WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(");
            write_call("JSON_EXTRACT", args, to)?;
            to.text(") END)");
        }
        // A boolean would become a number.
        Dialect::Sqlite => {
            to.text("(CASE ");
            write_call("JSON_TYPE", args, to)?;
            to.text(" WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(");
            write_call("JSON_EXTRACT", args, to)?;
            to.text(" AS TEXT) END)");
        }
    }
    Ok(())
}

fn write_contains(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Postgres => {
            let [document, part] = two(args);
            Operator::Other("@>").write(
                outer,
                to,
                |_, to| write_binary_json(document, to),
                |_, to| write_binary_json(part, to),
            )
        }
        Dialect::Mysql => write_call("JSON_CONTAINS", args, to),
        Dialect::Sqlite => {
            Err(Error::new(ErrorKind::Unsupported, "SQLite cannot tell whether JSON contains other JSON"))
        }
    }
}

fn write_has_key(args: &[Node], outer: Precedence, to: &mut Writer) -> Result<()> {
    let [document, path] = two(args);
    match to.dialect() {
        Dialect::Postgres => {
            Operator::Other("?").write(outer, to, |_, to| write_binary_json(document, to), |_, to| path.write(to))
        }
        Dialect::Mysql => bracketed(Precedence::Comparison, outer, to, |to| {
            to.text("JSON_CONTAINS_PATH(");
            document.write(to)?;
            to.text(", 'one', ");
            path.write(to)?;
            to.text(") = 1");
            Ok(())
        }),
        Dialect::Sqlite => bracketed(Precedence::Comparison, outer, to, |to| {
            write_call("JSON_TYPE", args, to)?;
            to.text(" IS NOT NULL");
            Ok(())
        }),
    }
}

/// A document as `jsonb`, the only type of PostgreSQL that has these operators. The cast of a `jsonb` costs nothing.
fn write_binary_json(document: &Node, to: &mut Writer) -> Result<()> {
    cast(ColumnType::Json, to, |to| document.write(to))
}

methods! {
    [T: Document]
    /// A part of the document, by the steps that lead to it: `Movie::EXTRA.at("tags")`, `Movie::EXTRA.at(("tags", 0))`.
    /// NULL if there is no such part; a JSON null stays one.
    ///
    /// `->` and `#>` of PostgreSQL, `JSON_EXTRACT` of MySQL and MariaDB, `->` of SQLite.
    fn at(self, path: impl Into<JsonPath>) -> Expr<Option<serde_json::Value>> {
        Expr::new(Node::custom(write_part, [self.node, Node::Path(path.into())]))
    }

    /// A part of the document as text, a string without its quotes. NULL if there is no such part, or if it is a JSON null.
    ///
    /// `->>` and `#>>` of PostgreSQL, and the equivalent elsewhere.
    fn text_at(self, path: impl Into<JsonPath>) -> Expr<Option<String>> {
        Expr::new(Node::custom(write_part_as_text, [self.node, Node::Path(path.into())]))
    }

    /// Whether the document has all that another has: `@>` of PostgreSQL, `JSON_CONTAINS` of MySQL and MariaDB. SQLite
    /// cannot.
    fn contains_json(self, part: impl Serialize) -> Expr<bool> {
        Expr::new(Node::custom(write_contains, [self.node, Node::Value(Value::from(Json(part)))]))
    }

    /// Whether the document is an object that has this key: `?` of PostgreSQL, and the equivalent elsewhere.
    fn has_key(self, key: impl Into<String>) -> Expr<bool> {
        Expr::new(Node::custom(write_has_key, [self.node, Node::Path(key.into().into())]))
    }
}
