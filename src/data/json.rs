//! [`Json`]: any type of serde as a JSON column.
//!
//! Used by callers, as a parameter and as the type to read. It knows no driver: on the way in it becomes a
//! [`Value`], on the way out it is read from a [`Cell`].

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::data::{
    cell::{Cell, FromCell, Mismatch},
    crates::{SERDE_JSON, serde_json},
    value::Value,
};

/// A value that is stored as JSON and is of any type that serde knows.
///
/// # Examples
///
/// ```
/// use nestling::{Value, types::Json};
///
/// let tags = Json(vec!["drama", "war"]);
/// assert_eq!(Value::from(tags), Value::Json(serde_json::json!(["drama", "war"])));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Json<T>(pub T);

impl<T: Serialize> From<Json<T>> for Value {
    fn from(Json(value): Json<T>) -> Self {
        // serde's own message may quote the value, so it is dropped.
        let refused = SERDE_JSON.err().unwrap_or("the value of Json<T> cannot be written as JSON");
        serde_json::to_value(value).map_or(Self::Invalid(refused), Self::Json)
    }
}

fn text(cell: Cell<'_>) -> Result<&str, Mismatch> {
    match cell {
        Cell::Json(text) | Cell::Text(text) => SERDE_JSON.map(|()| text).map_err(Mismatch::new),
        other => Err(other.mismatch()),
    }
}

impl<'r, T: Deserialize<'r>> FromCell<'r> for Json<T> {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        serde_json::from_str(text(cell)?).map(Self).map_err(|_| Mismatch::invalid())
    }
}

impl<'r> FromCell<'r> for serde_json::Value {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        serde_json::from_str(text(cell)?).map_err(|_| Mismatch::invalid())
    }
}

/// A text as a string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string does not fail"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_goes_in_and_out_as_any_serde_type() {
        let value = Value::from(Json(HashMap::from([("a", 1)])));
        assert_eq!(value, Value::Json(serde_json::json!({"a": 1})));
        let Json(back) = Json::<HashMap<&str, i32>>::from_cell(Cell::Json(r#"{"a":1}"#)).unwrap();
        assert_eq!(back["a"], 1);
    }

    proptest! {
        #[test]
        fn a_text_in_quotes_is_that_text(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }
    }

    #[test]
    fn what_json_cannot_hold_is_an_invalid_value() {
        let value = Value::from(Json(HashMap::from([((1, 2), 3)])));
        assert!(matches!(value, Value::Invalid(_)));
    }

    #[test]
    fn text_that_is_no_json_is_a_mismatch() {
        assert!(serde_json::Value::from_cell(Cell::Text("{")).is_err());
        assert!(Json::<i32>::from_cell(Cell::Json("\"secret\"")).is_err());
        assert!(Json::<i32>::from_cell(Cell::Null).is_err());
    }
}
