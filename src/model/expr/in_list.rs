//! [`ValueList`]: the values of `IN (...)`, of any length.
//!
//! PostgreSQL takes one array. Elsewhere values are parameters; where they are too many for that, one JSON document on
//! SQLite and literals on MySQL.

use std::borrow::Cow;

use super::{
    literal::{self, hex, outside, write_value},
    operator::{Operator, Precedence, bracketed, listed},
};
use crate::{
    data::{iso, json::quoted, value::Value},
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result, VALUES},
};

/// Writes the left side of `IN`, of one part or of several as a row.
pub(crate) type WriteLeft<'l> = &'l dyn Fn(Precedence, &mut Writer) -> Result<()>;

/// The values of a list; those of a list of rows stand row by row.
pub(crate) struct ValueList {
    values: Vec<Value>,
    /// The SQL types of the columns on PostgreSQL, where the model has them.
    types: Option<Vec<Cow<'static, str>>>,
}

impl ValueList {
    pub(crate) fn new(values: Vec<Value>, types: Option<Vec<Cow<'static, str>>>) -> Self {
        Self { values, types }
    }

    /// Writes that `left`, of `width` columns, is one of the values.
    pub(crate) fn write(&self, left: WriteLeft<'_>, width: usize, outer: Precedence, to: &mut Writer) -> Result<()> {
        let Self { values, types } = self;
        let can = to.can();
        if can.arrays && width == 1 && is_array(values) {
            return write_any(left, values, outer, to);
        }
        if values.len() > can.listed {
            match to.dialect() {
                Dialect::Postgres => {
                    if let Some(types) = types.as_deref().filter(|types| types.len() > 1) {
                        return write_arrays(left, values, types, outer, to);
                    }
                }
                Dialect::Mysql => return write_literals(left, width, values, outer, to),
                Dialect::Sqlite if !values.iter().any(is_float) => {
                    return write_document(left, width, values, outer, to);
                }
                Dialect::Sqlite if values.len() > can.parameters => {
                    let text = format!("SQLite takes no list of more than {} floats", can.parameters);
                    return Err(Error::new(ErrorKind::Unsupported, text));
                }
                Dialect::Sqlite => {}
            }
        }
        write_parts(left, width, values, outer, to, write_value)
    }
}

/// Writes `IN` with what stands behind it.
fn write_in(
    left: WriteLeft<'_>,
    outer: Precedence,
    to: &mut Writer,
    right: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<()> {
    Operator::In.write(outer, to, left, |_, to| right(to))
}

/// `= ANY($1)` with one array: the text does not depend on the number of values, and no limit applies.
fn write_any(left: WriteLeft<'_>, values: &[Value], outer: Precedence, to: &mut Writer) -> Result<()> {
    Operator::Equal.write(outer, to, left, |_, to| {
        to.text("ANY(");
        write_value(&Value::Array(values.to_vec()), to)?;
        to.text(")");
        Ok(())
    })
}

/// `IN (SELECT * FROM unnest(...))` with one array for each column.
fn write_arrays(
    left: WriteLeft<'_>,
    values: &[Value],
    types: &[Cow<'static, str>],
    outer: Precedence,
    to: &mut Writer,
) -> Result<()> {
    write_in(left, outer, to, |to| {
        to.text("(SELECT * FROM unnest(");
        listed(types.iter().enumerate(), to, |(at, ty), to| {
            let elements = values.iter().skip(at).step_by(types.len()).cloned().collect();
            write_value(&Value::Array(elements), to)?;
            to.text("::");
            to.text(ty);
            to.text("[]");
            Ok(())
        })?;
        to.text("))");
        Ok(())
    })
}

/// `IN (...)` with a list of values, or of rows.
pub(crate) fn write_parts<P>(
    left: WriteLeft<'_>,
    width: usize,
    parts: &[P],
    outer: Precedence,
    to: &mut Writer,
    write: fn(&P, &mut Writer) -> Result<()>,
) -> Result<()> {
    // SQL has no empty list. The result is false, not NULL.
    if parts.is_empty() {
        return bracketed(Precedence::Comparison, outer, to, |to| {
            to.text("1 = 0");
            Ok(())
        });
    }
    write_in(left, outer, to, |to| {
        to.text(if width > 1 && !to.can().rows_in_lists { "(VALUES " } else { "(" });
        write_rows(width, parts, to, write)?;
        to.text(")");
        Ok(())
    })
}

/// Writes values with commas between them, rows of several in brackets.
fn write_rows<P>(width: usize, parts: &[P], to: &mut Writer, write: fn(&P, &mut Writer) -> Result<()>) -> Result<()> {
    if width == 1 {
        return listed(parts, to, write);
    }
    listed(parts.chunks(width), to, |row, to| {
        to.text("(");
        listed(row, to, write)?;
        to.text(")");
        Ok(())
    })
}

/// Whether the values can be one array: they have one type, and it is not an array itself.
fn is_array(values: &[Value]) -> bool {
    let kind = |value: &Value| match value {
        Value::Null | Value::Json(_) | Value::Array(_) | Value::HStore(_) | Value::Invalid(_) => None,
        value => Some(std::mem::discriminant(value)),
    };
    let Some(first) = values.first().map(kind) else { return false };
    first.is_some() && values.iter().all(|value| kind(value) == first)
}

fn is_float(value: &Value) -> bool {
    matches!(value, Value::F32(_) | Value::F64(_))
}

fn is_bytes(value: &Value) -> bool {
    matches!(value, Value::Bytes(_))
}

fn has_nul(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.contains('\0'))
}

/// One JSON document, read by `json_each` of SQLite. JSON has no bytes, and SQLite cuts text at a NUL: both are sent as hex
/// digits.
fn write_document(
    left: WriteLeft<'_>,
    width: usize,
    values: &[Value],
    outer: Precedence,
    to: &mut Writer,
) -> Result<()> {
    let column = |at: usize| values.iter().skip(at).step_by(width);
    let digits: Vec<bool> = (0..width).map(|at| column(at).any(|value| is_bytes(value) || has_nul(value))).collect();
    let selected = |at: usize| {
        let value = if width == 1 { "value".to_owned() } else { format!("json_extract(value, '$[{at}]')") };
        match (digits[at], column(at).any(is_bytes)) {
            (true, true) => format!("unhex({value})"),
            (true, false) => format!("CAST(unhex({value}) AS TEXT)"),
            _ => value,
        }
    };
    let element = |(at, value): (usize, &Value)| in_json(value, digits[at % width]);
    let mut elements = values.iter().enumerate().map(element).collect::<Result<Vec<_>>>()?;
    if width > 1 {
        elements = elements.chunks(width).map(array).collect();
    }
    write_in(left, outer, to, |to| {
        to.text("(SELECT ");
        listed(0..width, to, |at, to| {
            to.text(&selected(at));
            Ok(())
        })?;
        to.text(" FROM json_each(");
        write_value(&array(&elements).into(), to)?;
        to.text("))");
        Ok(())
    })
}

/// An array of JSON.
fn array(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

/// A value in JSON, as SQLite would store it.
fn in_json(value: &Value, digits: bool) -> Result<String> {
    let outside = || outside(value, Dialect::Sqlite);
    let text = match value {
        Value::Null => return Ok("null".into()),
        Value::Bool(value) => return Ok(u8::from(*value).to_string()),
        Value::I64(value) => return Ok(value.to_string()),
        Value::U64(value) => return i64::try_from(*value).map(|value| value.to_string()).map_err(|_| outside()),
        Value::Text(value) if digits => hex(value.as_bytes()),
        Value::Text(value) => return Ok(quoted(value)),
        Value::Bytes(value) => hex(value),
        Value::Decimal(value) => value.to_string(),
        Value::Date(value) => iso::write_date(*value).ok_or_else(outside)?,
        Value::Time(value) => iso::write_time(*value),
        Value::DateTime(value) => iso::write_date_time(*value).ok_or_else(outside)?,
        Value::DateTimeUtc(value) => iso::write_date_time(value.naive_utc()).ok_or_else(outside)?,
        Value::Uuid(value) => value.to_string(),
        Value::Json(value) => value.to_string(),
        Value::Invalid(why) => return Err(Error::new(ErrorKind::Parameter, *why)),
        Value::F32(_) | Value::F64(_) | Value::Array(_) | Value::HStore(_) => return Err(literal::unsupported(value)),
    };
    Ok(quoted(&text))
}

/// Literals, on MySQL. (Values from a JSON document would not be compared by the column's collation.)
fn write_literals(
    left: WriteLeft<'_>,
    width: usize,
    values: &[Value],
    outer: Precedence,
    to: &mut Writer,
) -> Result<()> {
    let literal: fn(&Value, &mut Writer) -> Result<()> = |value, to| {
        to.text(&literal::mysql(value)?);
        Ok(())
    };
    let [begin, end] = VALUES;
    write_in(left, outer, to, |to| {
        to.text("(");
        to.text(begin);
        write_rows(width, values, to, literal)?;
        to.text(end);
        to.text(")");
        Ok(())
    })
}
