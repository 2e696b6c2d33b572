//! [`Stored`]: the form in which a column stores its values, where it is not the one that the drivers write by themselves.
//!
//! Databases that other programs have made keep UUIDs as bytes and moments as text with an offset. Such values are read in
//! any form; what is written and compared must be in that of the column, or nothing is found. So a value takes the form of
//! its column where the two meet: in an assignment, a comparison, a list.

use super::{
    field::ColumnType,
    node::{Form, Node, Write, write_each},
    operator::Operator,
    table::ColumnDef,
};
use crate::{
    data::{iso, value::Value},
    driver::Dialect,
    error::{Error, ErrorKind},
};

/// The form in which a column stores its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stored {
    /// That of this crate: the database's own type, and where it has none, text.
    #[default]
    Native,
    /// A UUID as text with hyphens.
    Text,
    /// A UUID as its 16 bytes.
    Bytes,
    /// A UUID as text of 32 hexadecimal digits.
    Simple,
    /// A moment as text of RFC 3339, in UTC: `2024-05-06T07:08:09.5+00:00`.
    Rfc3339,
    /// A moment as text with an offset, in UTC: `2024-05-06 07:08:09.5+00:00`.
    Offset,
}

impl Stored {
    /// A value in this form. Values that have no forms stay what they are.
    fn value(self, value: Value) -> Value {
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

    /// Whether values in this form are compared with those in the other as they are.
    fn agrees_with(self, other: Self) -> bool {
        let plain = |form| if form == Self::Text { Self::Native } else { form };
        plain(self) == plain(other)
    }

    /// The server's clock in this form.
    pub(super) fn now(self, dialect: Dialect) -> &'static str {
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

/// Whether values of this type have forms.
fn has_forms(ty: ColumnType) -> bool {
    matches!(ty, ColumnType::Uuid | ColumnType::DateTimeUtc)
}

/// A value in the form in which its column stores it.
#[inline]
pub(super) fn value_for(def: &ColumnDef, value: Value) -> Value {
    match value {
        Value::Uuid(_) | Value::DateTimeUtc(_) => def.form().value(value),
        value => value,
    }
}

impl ColumnDef {
    /// The form of its values: its own, or that of the key that it refers to.
    pub(super) fn form(&self) -> Stored {
        let mut def = self;
        // Keys that refer to each other in a circle have no form of their own.
        for _ in 0..16 {
            let Some(reference) = def.references.filter(|_| def.stored == Stored::Native) else { break };
            let Some(key) = (reference.table)().key().next() else { break };
            def = key;
        }
        def.stored
    }
}

impl Node {
    /// The form of its values, if they are a column's and have one.
    pub(super) fn form(&self) -> Option<Stored> {
        match self {
            Self::Column(_, def) | Self::Excluded(def) => has_forms(def.ty).then(|| def.form()),
            Self::Query(query) => query.form(),
            // What is compared is a truth value.
            Self::Apply(Form::Binary(Operator::Equal), _) => None,
            Self::Apply(_, to) => to.iter().filter_map(Self::form).find(|form| !form.agrees_with(Stored::Native)),
            Self::Value(_) | Self::Path(_) | Self::Name(_) | Self::Sql(_) | Self::Text(_) | Self::Now(_) => None,
        }
    }

    /// The same in the form of what it is compared with or assigned to.
    pub(super) fn fitted(self, to: &Self) -> Self {
        let form = || to.form().unwrap_or_default();
        match self {
            Self::Value(value @ (Value::Uuid(_) | Value::DateTimeUtc(_) | Value::Array(_))) => {
                Self::Value(form().value(value))
            }
            Self::Now(_) => Self::Now(form()),
            // A value whose type is told beside it.
            Self::Apply(Form::Typed(ty), value) => {
                Self::apply(Form::Typed(ty), value.into_iter().map(|value| value.fitted(to)))
            }
            Self::Column(..) | Self::Excluded(_) | Self::Query(_) => self.agreeing(to),
            other => other,
        }
    }

    /// The same, refused if it is a column that stores its values in another form than the column beside it. (PostgreSQL
    /// finds out by itself: there forms are types.)
    fn agreeing(self, to: &Self) -> Self {
        let form = |node: &Self| match node {
            Self::Column(..) | Self::Excluded(_) | Self::Query(_) => node.form(),
            _ => None,
        };
        match (form(&self), form(to)) {
            (Some(own), Some(other)) if !own.agrees_with(other) => {
                let write: Write = |args, place, to| {
                    if to.can().types_forms {
                        return write_each(args, place, to);
                    }
                    let text = "two columns that store their values in different forms cannot be compared as they are";
                    Err(Error::new(ErrorKind::Unsupported, text))
                };
                Self::own(write, [self])
            }
            _ => self,
        }
    }
}
