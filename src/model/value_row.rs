//! [`ValueRow`]: values that are known already, in the form of a row. Used where a server does not return what it has
//! stored, so that a key is read in one way wherever it comes from.

use crate::data::{
    cell::{Cell, Mismatch},
    row::{Columns, NativeRow, Row},
    value::Value,
};

#[derive(Debug)]
struct ValueRow {
    columns: Columns,
    values: Vec<Value>,
}

/// A row of these values.
pub(super) fn row(named: impl IntoIterator<Item = (&'static str, Value)>) -> Row {
    let (names, values): (Vec<_>, Vec<_>) = named.into_iter().map(|(name, value)| ((name, None), value)).unzip();
    Row::new(ValueRow { columns: Columns::new(names), values })
}

impl NativeRow for ValueRow {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn cell(&self, index: usize) -> Result<Cell<'_>, Mismatch> {
        let value = self.values.get(index).ok_or_else(Mismatch::invalid)?;
        Ok(match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(*value),
            Value::I64(value) => Cell::I64(*value),
            Value::U64(value) => Cell::U64(*value),
            Value::F32(value) => Cell::F32(*value),
            Value::F64(value) => Cell::F64(*value),
            Value::Decimal(value) => Cell::Decimal(*value),
            Value::Text(value) => Cell::Text(value),
            Value::Bytes(value) => Cell::Bytes(value),
            Value::Date(value) => Cell::Date(*value),
            Value::Time(value) => Cell::Time(*value),
            Value::DateTime(value) => Cell::DateTime(*value),
            Value::DateTimeUtc(value) => Cell::DateTimeUtc(*value),
            Value::Uuid(value) => Cell::Uuid(*value),
            // None of them is a key: nothing else is read so.
            Value::Json(_) | Value::Array(_) | Value::HStore(_) | Value::Invalid(_) => return Err(Mismatch::invalid()),
        })
    }
}
