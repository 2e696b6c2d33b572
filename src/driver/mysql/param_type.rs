//! [`ParamType`]: the type of a parameter at the server. The protocol has few types, text among them; a value that is
//! sent as text without being text is cast in the statement. MySQL keeps the types of the first values of a prepared
//! statement and converts later values to them: so a statement is prepared for each set of types.

use std::borrow::Cow;

use super::server::Server;
use crate::data::{crates::serde_json, value::Value};

/// MariaDB's own limit: it takes JSON that is nested deeper for no JSON.
const DEEPEST: usize = 31;

/// The type of one parameter, as far as statements must differ for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParamType {
    /// A NULL is of every type.
    Null,
    /// Any type that needs no cast, at a server that takes each value as it is sent.
    Any,
    Int,
    Unsigned,
    Float,
    Double,
    DateTime,
    Time,
    Text,
    /// With its scale: a cast to more digits would show in texts and documents made of it.
    Decimal(u8),
    Bool,
    Bytes,
    Json,
    Date,
}

impl ParamType {
    /// The type of a value; one that is only stored needs no cast, as the column it goes to has a type.
    pub(super) fn of(value: &Value, is_stored: bool, server: Server) -> Self {
        let plain = |exact| if server.is_mariadb { Self::Any } else { exact };
        let sent_as = |sent, cast| if is_stored { plain(sent) } else { cast };
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => sent_as(Self::Int, Self::Bool),
            Value::I64(_) => plain(Self::Int),
            Value::U64(_) => plain(Self::Unsigned),
            Value::F32(_) => plain(Self::Float),
            Value::F64(_) => plain(Self::Double),
            Value::Decimal(value) => sent_as(Self::Text, Self::Decimal(u8::try_from(value.scale()).unwrap_or(u8::MAX))),
            Value::Bytes(_) => sent_as(Self::Text, Self::Bytes),
            Value::Date(_) => sent_as(Self::DateTime, Self::Date),
            Value::Json(value) if server.is_mariadb && !is_stored && !is_within(value, DEEPEST) => Self::Any,
            Value::Json(_) => sent_as(Self::Text, Self::Json),
            Value::DateTime(_) | Value::DateTimeUtc(_) => plain(Self::DateTime),
            Value::Time(_) => plain(Self::Time),
            // What cannot be sent is refused elsewhere.
            Value::Text(_) | Value::Uuid(_) | Value::Array(_) | Value::HStore(_) | Value::Invalid(_) => {
                plain(Self::Text)
            }
        }
    }

    /// Whether a statement that was prepared for this type takes a value of another.
    pub(super) fn takes(self, given: Self) -> bool {
        self == given || given == Self::Null || (self == Self::Null && !given.has_cast())
    }

    fn has_cast(self) -> bool {
        matches!(self, Self::Decimal(_) | Self::Bool | Self::Bytes | Self::Json | Self::Date)
    }

    /// What stands ahead of the placeholder, and behind it. A truth value travels as a number, and is one only where it
    /// goes into a function that makes documents. MariaDB has no type for JSON, but there it knows what is made by
    /// another function from what is not.
    pub(super) fn cast(self, is_argument: bool, server: Server) -> Option<(&'static str, Cow<'static, str>)> {
        Some(match self {
            Self::Decimal(scale) => ("CAST(", format!(" AS DECIMAL(65,{scale}))").into()),
            Self::Bytes => ("CAST(", " AS BINARY)".into()),
            Self::Date => ("CAST(", " AS DATE)".into()),
            Self::Bool if is_argument => ("(", " <> 0)".into()),
            Self::Json if !server.is_mariadb => ("CAST(", " AS JSON)".into()),
            Self::Json if is_argument => ("JSON_COMPACT(", ")".into()),
            _ => return None,
        })
    }
}

/// Whether a document is nested no deeper than this.
fn is_within(value: &serde_json::Value, levels: usize) -> bool {
    let inner = |value| levels.checked_sub(1).is_some_and(|levels| is_within(value, levels));
    let elements = value.as_array().is_none_or(|elements| elements.iter().all(inner));
    elements && value.as_object().is_none_or(|members| members.values().all(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_counted_as_mariadb_does() {
        let nested = |levels: usize| (0..levels).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        assert!(is_within(&nested(31), 31));
        assert!(!is_within(&nested(32), 31));
        assert!(is_within(&serde_json::json!({"a": [1, {"b": 2}]}), 3));
        assert!(!is_within(&serde_json::json!({"a": [1, {"b": 2}]}), 2));
    }
}
