//! [`JsonPath`]: the steps from a JSON document to a part of it.

use super::{cast::cast, literal::write_value, operator::Operator};
use crate::{
    data::{json::quoted, value::Value},
    db::Writer,
    driver::Dialect,
    error::Result,
    model::table::ColumnType,
};

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

/// Paths of one step.
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
            JsonStep::Key(key) => format!("{path}.{}", quoted(key)),
        })
    }

    /// Writes the path as a parameter: for PostgreSQL a key, a place, or an array of several steps.
    pub(crate) fn write(&self, to: &mut Writer) -> Result<()> {
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
    pub(crate) fn operators(&self) -> [Operator; 2] {
        let [json, text] = if self.0.len() == 1 { ["->", "->>"] } else { ["#>", "#>>"] };
        [Operator::Other(json), Operator::Other(text)]
    }
}
