//! Rows selected by their keys, for servers without RETURNING; and keys in the form of rows, so that a key is always
//! read the same way.

use std::collections::HashMap;

use super::selection::SelectItem;
use crate::{
    data::{
        cell::{Cell, Mismatch},
        row::{Columns, NativeRow, Row},
        value::Value,
    },
    db::{Database, Writer},
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Qualifier, key_in},
        table::{Key as _, Model, Table},
    },
};

/// The values of a key.
pub(crate) type KeyValues = Vec<Value>;

/// How many keys one statement has.
pub(crate) const KEYS_PER_QUERY: usize = 5_000;

/// Makes MySQL read the latest committed rows, not the snapshot of the transaction. The rows are locked already.
pub(crate) const FOR_UPDATE: &str = " FOR UPDATE";

/// A row of the key alone.
pub(crate) fn row_of_key(table: &'static Table, key: KeyValues) -> Row {
    row_of(table.key().map(|column| column.name).zip(key))
}

/// The rows with these keys, in the same order. The columns of the key come first, then the selected ones. A key that occurs
/// twice has its row twice. `latest` reads the latest committed rows, and locks them.
pub(crate) async fn by_keys<M: Model>(
    db: &Database,
    keys: Vec<KeyValues>,
    selected: &[SelectItem],
    latest: bool,
) -> Result<Vec<Row>> {
    let table = M::TABLE;
    let fetch = async |keys: &[KeyValues]| {
        let mut to = Writer::new(db.dialect());
        write_select(table, selected, &mut to)?;
        to.text(" WHERE ");
        key_in(table, &Qualifier::of(table), keys.iter().cloned()).write(&mut to)?;
        to.text(if latest { FOR_UPDATE } else { "" });
        let (sql, params) = to.finish();
        Ok::<_, Error>(db.send(&sql, &params).await?.rows)
    };
    let mut found: HashMap<M::Key, Row> = HashMap::with_capacity(keys.len());
    for some in keys.chunks(KEYS_PER_QUERY) {
        for row in fetch(some).await? {
            found.insert(M::Key::read(&row, 0)?, row);
        }
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let read = M::Key::read(&row_of_key(table, key.clone()), 0)?;
        let row = match found.get(&read) {
            Some(row) => Some(row.again()),
            // The server may return a key in another form, and still compare the two as equal.
            None => fetch(&[key]).await?.pop(),
        };
        let gone = || Error::new(ErrorKind::NoRow, format!("a {} could not be read back by its key", table.model));
        rows.push(row.ok_or_else(gone)?);
    }
    Ok(rows)
}

/// Writes a select of the key and the selected columns.
pub(crate) fn write_select(table: &'static Table, selected: &[SelectItem], to: &mut Writer) -> Result<()> {
    to.text("SELECT ");
    for (at, SelectItem { node, name: _ }) in table.key_selected().iter().chain(selected).enumerate() {
        to.text(if at == 0 { "" } else { ", " });
        node.write(to)?;
    }
    to.text(" FROM ");
    table.write(to);
    Ok(())
}

#[derive(Debug)]
struct ValueRow {
    columns: Columns,
    values: Vec<Value>,
}

/// A row of these values.
fn row_of(named: impl IntoIterator<Item = (&'static str, Value)>) -> Row {
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
            // No key has such a type.
            Value::Json(_) | Value::Array(_) | Value::HStore(_) | Value::Invalid(_) => return Err(Mismatch::invalid()),
        })
    }
}
