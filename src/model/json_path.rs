//! What columns of JSON can do: parts of the document by a path, and what it has in it.

use sea_query::{BinOper, Expr as Sea, ExprTrait as _, Func};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    cast::cast,
    column::Column,
    expr::{Expr, one, two},
    field::{ColumnType, Field},
    node::Node,
    traits::Model,
};
use crate::{
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    json::Json,
    value::Value,
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

/// Which form a part of a document is wanted in.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Text,
}

impl JsonPath {
    /// The path as MySQL and SQLite write it: `$."a"[0]`, a key as a string of JSON.
    fn dollar(&self) -> String {
        self.0.iter().fold("$".into(), |path, step| match step {
            JsonStep::Index(index) => format!("{path}[{index}]"),
            JsonStep::Key(key) => format!("{path}.{}", serde_json::Value::from(key.as_str())),
        })
    }

    /// The part of a document of PostgreSQL: `->` and `->>` for one step, `#>` and `#>>` for several.
    fn of_postgres(&self, document: Sea, form: Form) -> Result<Sea> {
        let text = |step: &JsonStep| match step {
            JsonStep::Key(key) => key.clone(),
            JsonStep::Index(index) => index.to_string(),
        };
        let (step, operator, ty) = match (&*self.0, form) {
            ([JsonStep::Index(index)], Form::Json) => (Sea::val(*index), "->", ColumnType::I32),
            ([JsonStep::Index(index)], Form::Text) => (Sea::val(*index), "->>", ColumnType::I32),
            ([JsonStep::Key(key)], Form::Json) => (Sea::val(key), "->", ColumnType::Text),
            ([JsonStep::Key(key)], Form::Text) => (Sea::val(key), "->>", ColumnType::Text),
            (steps, form) => {
                let steps: Vec<String> = steps.iter().map(text).collect();
                let operator = if matches!(form, Form::Json) { "#>" } else { "#>>" };
                (Sea::val(steps), operator, ColumnType::Array(&ColumnType::Text))
            }
        };
        Ok(document.binary(BinOper::Custom(operator), cast(Dialect::Postgres, step, ty)?))
    }

    fn of(&self, dialect: Dialect, document: Sea, form: Form) -> Result<Sea> {
        if dialect == Dialect::Postgres {
            return self.of_postgres(document, form);
        }
        let path = Sea::val(self.dollar());
        let extract: Sea = Func::cust("JSON_EXTRACT").args([document.clone(), path.clone()]).into();
        Ok(match (dialect, form) {
            (Dialect::Mysql, Form::Json) => extract,
            // A null of JSON is a NULL of SQL, as PostgreSQL has it, and not the text `null`.
            (Dialect::Mysql, Form::Text) => {
                let text = "(CASE JSON_TYPE(?) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(?) END)";
                Sea::cust_with_exprs(text, [extract.clone(), extract])
            }
            (_, Form::Json) => document.binary(BinOper::Custom("->"), path),
            // A truth value would be a number.
            (_, Form::Text) => {
                let text = "(CASE JSON_TYPE(?, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' \
                            ELSE CAST(? AS TEXT) END)";
                Sea::cust_with_exprs(text, [document, path, extract])
            }
        })
    }
}

/// A document of PostgreSQL as `jsonb`, which alone has the operators. It costs nothing where it is one already.
fn binary(document: Sea) -> Result<Sea> {
    cast(Dialect::Postgres, document, ColumnType::Json)
}

methods! {
    [T: Document]
    /// A part of the document, by the steps that lead to it: `Movie::EXTRA.at("tags")`, `Movie::EXTRA.at(("tags", 0))`.
    /// NULL if there is no such part; a null of JSON is a null of JSON.
    ///
    /// `->` and `#>` of PostgreSQL, `JSON_EXTRACT` of MySQL and MariaDB, `->` of SQLite.
    fn at(self, path: impl Into<JsonPath>) -> Expr<Option<serde_json::Value>> {
        let path = path.into();
        Expr::new(Node::try_apply(move |dialect, args| path.of(dialect, one(args), Form::Json), [self.node]))
    }

    /// A part of the document as text, a string without its quotes. NULL if there is no such part, or if it is a null.
    ///
    /// `->>` and `#>>` of PostgreSQL, and what comes to the same elsewhere.
    fn text_at(self, path: impl Into<JsonPath>) -> Expr<Option<String>> {
        let path = path.into();
        Expr::new(Node::try_apply(move |dialect, args| path.of(dialect, one(args), Form::Text), [self.node]))
    }

    /// Whether the document has all that another has: `@>` of PostgreSQL, `JSON_CONTAINS` of MySQL and MariaDB. SQLite
    /// cannot.
    fn contains_json(self, part: impl Serialize) -> Expr<bool> {
        let make = |dialect, args| {
            two(args, |document, part| match dialect {
                Dialect::Postgres => Ok(binary(document)?.binary(BinOper::Custom("@>"), binary(part)?)),
                Dialect::Mysql => Ok(Func::cust("JSON_CONTAINS").args([document, part]).into()),
                Dialect::Sqlite => {
                    Err(Error::new(ErrorKind::Unsupported, "SQLite cannot tell whether JSON contains other JSON"))
                }
            })
        };
        Expr::new(Node::try_apply(make, [self.node, Node::Value(Value::from(Json(part)))]))
    }

    /// Whether the document is an object that has this key: `?` of PostgreSQL, and what comes to the same elsewhere.
    fn has_key(self, key: impl Into<String>) -> Expr<bool> {
        let key = key.into();
        let make = move |dialect, args| {
            let document = one(args);
            if dialect == Dialect::Postgres {
                let key = cast(dialect, Sea::val(&key), ColumnType::Text)?;
                return Ok(binary(document)?.binary(BinOper::Custom("?"), key));
            }
            let path = Sea::val(JsonPath::from(&*key).dollar());
            Ok(match dialect {
                Dialect::Mysql => {
                    let test = Func::cust("JSON_CONTAINS_PATH").args([document, Sea::cust("'one'"), path]);
                    Sea::from(test).eq(Sea::cust("1"))
                }
                _ => Sea::from(Func::cust("JSON_TYPE").args([document, path])).is_not_null(),
            })
        };
        Expr::new(Node::try_apply(make, [self.node]))
    }
}
