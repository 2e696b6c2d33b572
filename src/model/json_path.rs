//! What columns of JSON can do: parts of the document by a path, and what it has in it.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    cast::cast,
    column::Column,
    expr::Expr,
    field::{ColumnType, Field},
    node::{Node, two, write_binary, write_call, write_value},
    operator::{Binding, Operator, bracketed},
    traits::Model,
};
use crate::{
    data::{json::Json, value::Value},
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
};

/// The types of JSON documents: [`Json`], `serde_json::Value`, and options of them.
#[diagnostic::on_unimplemented(message = "`{Self}` is no JSON document")]
pub trait Document: Field {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Document for Json<T> {}
impl Document for serde_json::Value {}
impl<T: Document> Document for Option<T> {}

/// A step into a document: the key of an object, or the place in an array, counted from 0.
#[derive(Debug, Clone)]
pub enum JsonStep {
    /// The key of an object.
    Key(String),
    /// The place in an array.
    Index(u32),
}

/// The steps from a document to a part of it.
///
/// It is made of one step, an array of steps of one kind, or a tuple of up to four.
#[derive(Debug, Clone)]
pub struct JsonPath(Vec<JsonStep>);

impl From<&str> for JsonStep {
    fn from(key: &str) -> Self {
        Self::Key(key.into())
    }
}

impl From<String> for JsonStep {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

impl From<u32> for JsonStep {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

/// One step, which is what most paths are.
macro_rules! one_step {
    ($($type:ty),+) => {$(
        impl From<$type> for JsonPath {
            fn from(step: $type) -> Self {
                Self(vec![step.into()])
            }
        }
    )+};
}

one_step!(&str, String, u32);

impl<S: Into<JsonStep>, const N: usize> From<[S; N]> for JsonPath {
    fn from(steps: [S; N]) -> Self {
        Self(steps.into_iter().map(Into::into).collect())
    }
}

impl From<Vec<JsonStep>> for JsonPath {
    fn from(steps: Vec<JsonStep>) -> Self {
        Self(steps)
    }
}

/// Tuples of steps.
macro_rules! tuples {
    ($(($($type:ident $at:tt),+))+) => {$(
        impl<$($type: Into<JsonStep>),+> From<($($type,)+)> for JsonPath {
            fn from(steps: ($($type,)+)) -> Self {
                Self(vec![$(steps.$at.into()),+])
            }
        }
    )+};
}

tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
}

impl JsonPath {
    /// The path as MySQL and SQLite write it: `$."a"[0]`, a key as a string of JSON.
    fn dollar(&self) -> String {
        self.0.iter().fold("$".into(), |path, step| match step {
            JsonStep::Index(index) => format!("{path}[{index}]"),
            JsonStep::Key(key) => format!("{path}.{}", serde_json::Value::from(key.as_str())),
        })
    }

    /// Writes the path as a parameter: for PostgreSQL a key, a place, or an array of several steps.
    pub(super) fn write(&self, to: &mut Writer) -> Result<()> {
        if to.dialect() != Dialect::Postgres {
            return write_value(&self.dollar().into(), to);
        }
        let text = |step: &JsonStep| match step {
            JsonStep::Key(key) => key.clone(),
            JsonStep::Index(index) => index.to_string(),
        };
        let (value, ty) = match &*self.0 {
            [JsonStep::Index(index)] => (Value::from(*index), ColumnType::I32),
            [JsonStep::Key(key)] => (Value::from(key.as_str()), ColumnType::Text),
            steps => (Value::array(steps.iter().map(text)), ColumnType::Array(&ColumnType::Text)),
        };
        cast(ty, to, |to| write_value(&value, to))
    }

    /// The operators of PostgreSQL that give a part as JSON and as text.
    fn operators(&self) -> [Operator; 2] {
        let [json, text] = if self.0.len() == 1 { ["->", "->>"] } else { ["#>", "#>>"] };
        [Operator::Other(json), Operator::Other(text)]
    }
}

/// The operators of PostgreSQL for a document and a path.
fn operators(args: &[Node]) -> [Operator; 2] {
    match args {
        [_, Node::Path(path)] => path.operators(),
        _ => unreachable!("a part of a document is made of it and a path"),
    }
}

fn write_part(args: &[Node], place: Binding, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Postgres => write_binary(operators(args)[0], args, place, to),
        Dialect::Mysql => write_call("JSON_EXTRACT", args, to),
        Dialect::Sqlite => write_binary(Operator::Other("->"), args, place, to),
    }
}

fn write_part_as_text(args: &[Node], place: Binding, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Postgres => return write_binary(operators(args)[1], args, place, to),
        // A null of JSON is a NULL of SQL, as PostgreSQL has it, and not the text `null`.
        Dialect::Mysql => {
            to.text("(CASE JSON_TYPE(");
            write_call("JSON_EXTRACT", args, to)?;
            to.text(") WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(");
            write_call("JSON_EXTRACT", args, to)?;
            to.text(") END)");
        }
        // A truth value would be a number.
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

fn write_contains(args: &[Node], place: Binding, to: &mut Writer) -> Result<()> {
    match to.dialect() {
        Dialect::Postgres => {
            let [document, part] = two(args);
            Operator::Other("@>").write(
                place,
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

fn write_has_key(args: &[Node], place: Binding, to: &mut Writer) -> Result<()> {
    let [document, path] = two(args);
    match to.dialect() {
        Dialect::Postgres => {
            Operator::Other("?").write(place, to, |_, to| write_binary_json(document, to), |_, to| path.write(to))
        }
        Dialect::Mysql => bracketed(Binding::Comparison, place, to, |to| {
            to.text("JSON_CONTAINS_PATH(");
            document.write(to)?;
            to.text(", 'one', ");
            path.write(to)?;
            to.text(") = 1");
            Ok(())
        }),
        Dialect::Sqlite => bracketed(Binding::Comparison, place, to, |to| {
            write_call("JSON_TYPE", args, to)?;
            to.text(" IS NOT NULL");
            Ok(())
        }),
    }
}

/// A document of PostgreSQL as `jsonb`, which alone has the operators. It costs nothing where it is one already.
fn write_binary_json(document: &Node, to: &mut Writer) -> Result<()> {
    cast(ColumnType::Json, to, |to| document.write(to))
}

methods! {
    [T: Document]
    /// A part of the document, by the steps that lead to it: `Movie::EXTRA.at("tags")`, `Movie::EXTRA.at(("tags", 0))`.
    /// NULL if there is no such part; a null of JSON is a null of JSON.
    ///
    /// `->` and `#>` of PostgreSQL, `JSON_EXTRACT` of MySQL and MariaDB, `->` of SQLite.
    fn at(self, path: impl Into<JsonPath>) -> Expr<Option<serde_json::Value>> {
        Expr::new(Node::own(write_part, [self.node, Node::Path(path.into())]))
    }

    /// A part of the document as text, a string without its quotes. NULL if there is no such part, or if it is a null.
    ///
    /// `->>` and `#>>` of PostgreSQL, and what comes to the same elsewhere.
    fn text_at(self, path: impl Into<JsonPath>) -> Expr<Option<String>> {
        Expr::new(Node::own(write_part_as_text, [self.node, Node::Path(path.into())]))
    }

    /// Whether the document has all that another has: `@>` of PostgreSQL, `JSON_CONTAINS` of MySQL and MariaDB. SQLite
    /// cannot.
    fn contains_json(self, part: impl Serialize) -> Expr<bool> {
        Expr::new(Node::own(write_contains, [self.node, Node::Value(Value::from(Json(part)))]))
    }

    /// Whether the document is an object that has this key: `?` of PostgreSQL, and what comes to the same elsewhere.
    fn has_key(self, key: impl Into<String>) -> Expr<bool> {
        Expr::new(Node::own(write_has_key, [self.node, Node::Path(key.into().into())]))
    }
}
