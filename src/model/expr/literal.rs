//! Values as literals, where a statement cannot have parameters, or not enough of them: in the predicate of a partial index
//! on PostgreSQL and SQLite, and in long lists on MySQL.
//!
//! The meaning of a literal does not depend on the session: `standard_conforming_strings`, `sql_mode`, character sets.

use std::{borrow::Cow, fmt::Write as _};

use super::operator::listed;
use crate::{
    data::{
        crates::{NaiveDateTime, SubsecRound as _},
        iso,
        value::Value,
    },
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
};

/// Writes a value: as a parameter, or as a literal where there can be none.
pub(crate) fn write_value(value: &Value, to: &mut Writer) -> Result<()> {
    match value {
        Value::Invalid(reason) => return Err(Error::new(ErrorKind::Parameter, *reason)),
        value if to.takes_literals() => write(value, to)?,
        value => to.value(value.clone()),
    }
    Ok(())
}

/// Writes a value as a literal.
///
/// # Errors
/// `Parameter` for what the database has no value for; `Unsupported` for what has no literal there.
pub(crate) fn write(value: &Value, to: &mut Writer) -> Result<()> {
    match (to.dialect(), value) {
        (Dialect::Mysql, value) => to.text(&mysql(value)?),
        (Dialect::Postgres, Value::Array(elements)) if elements.is_empty() => to.text("'{}'"),
        (Dialect::Postgres, Value::Array(elements)) => {
            to.text("ARRAY[");
            listed(elements, to, write)?;
            to.text("]");
        }
        (dialect, value) => to.text(&standard(dialect, value)?),
    }
    Ok(())
}

/// A literal of PostgreSQL or SQLite.
fn standard(dialect: Dialect, value: &Value) -> Result<Cow<'static, str>> {
    let outside = || outside(value, dialect);
    let quoted = |text: Option<String>| text.map(|text| format!("'{text}'")).ok_or_else(outside);
    // SQLite stores moments without an offset.
    let offset = if dialect == Dialect::Postgres { "+00" } else { "" };
    let moment = |at: NaiveDateTime, offset: &str| iso::write_date_time(at).map(|at| format!("{at}{offset}"));
    Ok(match value {
        Value::Null => "NULL".into(),
        Value::Bool(true) => "TRUE".into(),
        Value::Bool(false) => "FALSE".into(),
        Value::I64(value) => value.to_string().into(),
        Value::U64(value) => value.to_string().into(),
        Value::F32(value) if value.is_finite() => value.to_string().into(),
        Value::F64(value) if value.is_finite() => value.to_string().into(),
        Value::F32(_) | Value::F64(_) => return Err(outside()),
        Value::Decimal(value) => value.to_string().into(),
        Value::Text(value) => text(dialect, value).ok_or_else(outside)?.into(),
        Value::Json(value) => text(dialect, &value.to_string()).ok_or_else(outside)?.into(),
        Value::Bytes(value) if dialect == Dialect::Postgres => format!(r"E'\\x{}'", hex(value)).into(),
        Value::Bytes(value) => format!("x'{}'", hex(value)).into(),
        Value::Date(value) => quoted(iso::write_date(*value))?.into(),
        Value::Time(value) => quoted(Some(iso::write_time(*value)))?.into(),
        Value::DateTime(value) => quoted(moment(*value, ""))?.into(),
        Value::DateTimeUtc(value) => quoted(moment(value.naive_utc(), offset))?.into(),
        Value::Uuid(value) => format!("'{value}'").into(),
        Value::Invalid(why) => return Err(Error::new(ErrorKind::Parameter, *why)),
        Value::Array(_) | Value::HStore(_) => return Err(unsupported(value)),
    })
}

/// Text in quotes. `None` if it contains a NUL, which neither of the two accepts.
fn text(dialect: Dialect, text: &str) -> Option<String> {
    let quotes = text.replace('\'', "''");
    match dialect {
        _ if text.contains('\0') => None,
        Dialect::Postgres if text.contains('\\') => Some(format!("E'{}'", quotes.replace('\\', r"\\"))),
        _ => Some(format!("'{quotes}'")),
    }
}

/// A literal of MySQL. Text is written as bytes.
pub(crate) fn mysql(value: &Value) -> Result<Cow<'static, str>> {
    let outside = || outside(value, Dialect::Mysql);
    let text = |text: &str| format!("_utf8mb4 x'{}'", hex(text.as_bytes()));
    let moment = |at: NaiveDateTime| iso::write_date_time(at.trunc_subsecs(6)).map(|at| format!("TIMESTAMP'{at}'"));
    Ok(match value {
        Value::Null => "NULL".into(),
        Value::Bool(value) => u8::from(*value).to_string().into(),
        Value::I64(value) => value.to_string().into(),
        Value::U64(value) => value.to_string().into(),
        Value::F32(value) if value.is_finite() => format!("{:e}", f64::from(*value)).into(),
        Value::F64(value) if value.is_finite() => format!("{value:e}").into(),
        Value::F32(_) | Value::F64(_) => return Err(outside()),
        Value::Decimal(value) => value.to_string().into(),
        Value::Text(value) => text(value).into(),
        Value::Bytes(value) => format!("x'{}'", hex(value)).into(),
        Value::Date(value) => format!("DATE'{}'", iso::write_date(*value).ok_or_else(outside)?).into(),
        Value::Time(value) => format!("TIME'{}'", iso::write_time(value.trunc_subsecs(6))).into(),
        Value::DateTime(value) => moment(*value).ok_or_else(outside)?.into(),
        Value::DateTimeUtc(value) => moment(value.naive_utc()).ok_or_else(outside)?.into(),
        Value::Uuid(value) => text(&value.to_string()).into(),
        Value::Json(value) => text(&value.to_string()).into(),
        Value::Invalid(why) => return Err(Error::new(ErrorKind::Parameter, *why)),
        Value::Array(_) | Value::HStore(_) => return Err(unsupported(value)),
    })
}

/// The error for a value that the database cannot represent.
pub(crate) fn outside(value: &Value, dialect: Dialect) -> Error {
    let name = dialect.capabilities().name;
    Error::new(ErrorKind::Parameter, format!("{} does not fit into {name}", value.type_name())).out_of_range()
}

/// The error for a value that has no literal.
pub(crate) fn unsupported(value: &Value) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{} cannot stand in a list here", value.type_name()))
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").expect("writing to a string does not fail");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dialect: Dialect, value: impl Into<Value>) -> String {
        let mut to = Writer::new(dialect);
        write(&value.into(), &mut to).unwrap();
        to.finish().0
    }

    #[test]
    fn a_literal_is_one_whatever_is_in_it() {
        assert_eq!(written(Dialect::Postgres, "it's"), "'it''s'");
        assert_eq!(written(Dialect::Postgres, r"a\'b"), r"E'a\\''b'");
        assert_eq!(written(Dialect::Sqlite, r"a\'b"), r"'a\''b'");
        assert_eq!(written(Dialect::Mysql, "a'"), "_utf8mb4 x'6127'");
        assert_eq!(written(Dialect::Postgres, vec![1_u8, 171]), r"E'\\x01ab'");
        assert_eq!(written(Dialect::Sqlite, vec![1_u8, 171]), "x'01ab'");
        assert_eq!(written(Dialect::Postgres, Value::array([1, 2])), "ARRAY[1, 2]");
        let at = chrono::DateTime::from_timestamp(1_714_979_289, 500_000_000).unwrap();
        assert_eq!(written(Dialect::Postgres, at), "'2024-05-06 07:08:09.500+00'");
        assert_eq!(written(Dialect::Sqlite, at), "'2024-05-06 07:08:09.500'");
    }

    #[test]
    fn what_has_no_literal_is_an_error() {
        let refused = |dialect, value: Value| write(&value, &mut Writer::new(dialect)).unwrap_err().kind();
        assert_eq!(refused(Dialect::Postgres, "a\0b".into()), ErrorKind::Parameter);
        assert_eq!(refused(Dialect::Sqlite, f64::NAN.into()), ErrorKind::Parameter);
        assert_eq!(refused(Dialect::Sqlite, Value::array([1])), ErrorKind::Unsupported);
        assert_eq!(refused(Dialect::Mysql, Value::Invalid("no")), ErrorKind::Parameter);
    }
}
