//! [`Json`]: any type of serde as a JSON column.
//!
//! Used by callers, as a parameter and as the type to read. It knows no driver: on the way in it becomes a
//! [`Value`], on the way out it is read from a [`Cell`].

use serde::{Deserialize, Serialize};

use crate::data::{
    cell::{Cell, FromCell, Mismatch},
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
        serde_json::to_value(value).map_or(Self::Invalid("the value of Json<T> cannot be written as JSON"), Self::Json)
    }
}

impl<'r, T: Deserialize<'r>> FromCell<'r> for Json<T> {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Json(text) | Cell::Text(text) => {
                serde_json::from_str(text).map(Self).map_err(|_| Mismatch::invalid())
            }
            other => Err(other.mismatch()),
        }
    }
}

impl<'r> FromCell<'r> for serde_json::Value {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        Json::from_cell(cell).map(|Json(value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn json_goes_in_and_out_as_any_serde_type() {
        let value = Value::from(Json(HashMap::from([("a", 1)])));
        assert_eq!(value, Value::Json(serde_json::json!({"a": 1})));
        let Json(back) = Json::<HashMap<&str, i32>>::from_cell(Cell::Json(r#"{"a":1}"#)).unwrap();
        assert_eq!(back["a"], 1);
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
