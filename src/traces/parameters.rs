//! The values of a statement's parameters, as they are written where a program has asked for them.

use std::fmt::{self, Write as _};

use crate::data::value::Value;

/// How many characters of a value are shown, and how many bytes of all.
const LONGEST: usize = 64;
const LONGEST_OF_ALL: usize = 1_024;

/// `$1 = "ada", $2 = 100, $3 = NULL`
pub(super) fn shown_parameters(values: &[Value]) -> String {
    let mut text = String::new();
    for (number, value) in (1..).zip(values) {
        if text.len() > LONGEST_OF_ALL {
            text.push_str(", …");
            break;
        }
        let comma = if number == 1 { "" } else { ", " };
        let written = write!(text, "{comma}${number} = {}", Shown(value));
        debug_assert!(written.is_ok(), "a text takes all");
    }
    text
}

struct Shown<'v>(&'v Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("NULL"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::I64(value) => write!(f, "{value}"),
            Value::U64(value) => write!(f, "{value}"),
            Value::F32(value) => write!(f, "{value}"),
            Value::F64(value) => write!(f, "{value}"),
            Value::Decimal(value) => write!(f, "{value}"),
            Value::Text(text) => match text.char_indices().nth(LONGEST) {
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Value::Date(value) => write!(f, "{value}"),
            Value::Time(value) => write!(f, "{value}"),
            Value::DateTime(value) => write!(f, "{value}"),
            Value::DateTimeUtc(value) => write!(f, "{value}"),
            Value::Uuid(value) => write!(f, "{value}"),
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Json(_) | Value::Array(_) | Value::HStore(_) | Value::Invalid(_) => f.write_str(self.0.type_name()),
        }
    }
}
