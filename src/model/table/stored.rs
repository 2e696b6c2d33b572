//! [`Stored`]: the form in which a column stores its values, where it is not the drivers' own.
//!
//! Databases that other programs have made may keep UUIDs as bytes and timestamps as text with an offset. Values are read in
//! any form. A value that is written or compared is converted to the form of the column beside it.

use crate::{
    data::{iso, value::Value},
    driver::Dialect,
};

/// The form in which a column stores its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stored {
    /// The form of this crate: the native type of the database, or text if it has none.
    #[default]
    Native,
    /// A UUID as text with hyphens.
    Text,
    /// A UUID as its 16 bytes.
    Bytes,
    /// A UUID as text of 32 hexadecimal digits.
    Simple,
    /// A timestamp as text of RFC 3339, in UTC: `2024-05-06T07:08:09.5+00:00`.
    Rfc3339,
    /// A timestamp as text with an offset, in UTC: `2024-05-06 07:08:09.5+00:00`.
    Offset,
}

impl Stored {
    /// Converts a value to this form. Values of other types stay unchanged.
    pub(crate) fn value(self, value: Value) -> Value {
        let text =
            |text: Option<String>| text.map_or(Value::Invalid("its year is not between 0 and 9999"), Value::Text);
        match (self, value) {
            (Self::Native | Self::Text, value) => value,
            (_, Value::Array(elements)) => {
                Value::Array(elements.into_iter().map(|element| self.value(element)).collect())
            }
            (Self::Bytes, Value::Uuid(uuid)) => Value::Bytes(uuid.as_bytes().to_vec()),
            (Self::Simple, Value::Uuid(uuid)) => Value::Text(uuid.simple().to_string()),
            (Self::Rfc3339, Value::DateTimeUtc(at)) => text(iso::write_rfc3339(at)),
            (Self::Offset, Value::DateTimeUtc(at)) => text(iso::write_offset(at)),
            (_, value) => value,
        }
    }

    /// Whether values of the two forms compare without a conversion.
    pub(crate) fn agrees_with(self, other: Self) -> bool {
        let plain = |form| if form == Self::Text { Self::Native } else { form };
        plain(self) == plain(other)
    }

    /// The server's clock in this form.
    pub(crate) fn now(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Rfc3339, Dialect::Postgres) => {
                "to_char(NOW() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
            }
            (Self::Offset, Dialect::Postgres) => {
                "to_char(NOW() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00:00\"')"
            }
            (_, Dialect::Postgres) => "NOW()",
            (Self::Rfc3339, Dialect::Mysql) => "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%f+00:00')",
            (Self::Offset, Dialect::Mysql) => "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f+00:00')",
            (_, Dialect::Mysql) => "UTC_TIMESTAMP(6)",
            (Self::Rfc3339, Dialect::Sqlite) => "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
            (Self::Offset, Dialect::Sqlite) => "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')",
            (_, Dialect::Sqlite) => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
        }
    }
}
