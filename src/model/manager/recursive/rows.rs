//! Rows as the recursive delete knows them, and how they are named in statements.

use sea_query::{DynIden, Expr as Sea, ExprTrait as _, IntoIden as _, SchemaName, TableName};

use crate::{db, error::Result, model::catalog::TableId, value::Value};

/// How many rows one statement names by one column each.
const MANY: usize = 10_000;
/// And by several: a condition of `OR`s, whose depth SQLite limits to 1,000.
const SOME: usize = 200;

/// The values of some columns of a row.
pub(super) type Values = Vec<Value>;

pub(super) fn name(table: &TableId) -> TableName {
    let TableId { schema, name } = table;
    TableName(schema.clone().map(|schema| SchemaName::from(schema.into_iden())), name.clone().into_iden())
}

pub(super) fn column(name: &str) -> DynIden {
    name.to_owned().into_iden()
}

/// The conditions that find the rows that have these values in these columns: several, so that no statement is too long.
pub(super) fn conditions(columns: &[String], rows: &[Values]) -> Result<Vec<Sea>> {
    match columns {
        [one] if rows.iter().flatten().all(|value| !value.is_null()) => {
            rows.chunks(MANY).map(|rows| Ok(Sea::col(column(one)).is_in(sea_values(rows.iter().flatten())?))).collect()
        }
        _ => rows.chunks(SOME).map(|rows| any(columns, rows)).collect(),
    }
}

fn sea_values<'v>(values: impl Iterator<Item = &'v Value>) -> Result<Vec<sea_query::Value>> {
    values.map(db::to_sea).collect()
}

fn any(columns: &[String], rows: &[Values]) -> Result<Sea> {
    let mut found: Option<Sea> = None;
    for row in rows {
        let mut all: Option<Sea> = None;
        for (name, value) in columns.iter().zip(row) {
            let name = Sea::col(column(name));
            let part = if value.is_null() { name.is_null() } else { name.eq(Sea::Value(db::to_sea(value)?)) };
            all = Some(match all {
                Some(all) => all.and(part),
                None => part,
            });
        }
        let row = all.unwrap_or_else(|| Sea::val(true));
        found = Some(match found {
            Some(found) => found.or(row),
            None => row,
        });
    }
    Ok(found.unwrap_or_else(|| Sea::val(false)))
}

/// The values in a form that can be compared and hashed: what refers and what is referred to have the same.
pub(super) fn identity(values: impl IntoIterator<Item = impl std::borrow::Borrow<Value>>) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        write(value.borrow(), &mut out);
    }
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    let mut put = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&bytes.len().to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Null => put(0, &[]),
        Value::Bool(value) => put(1, &[u8::from(*value)]),
        Value::I64(value) => put(2, &i128::from(*value).to_le_bytes()),
        Value::U64(value) => put(2, &i128::from(*value).to_le_bytes()),
        Value::F32(value) => put(3, &f64::from(*value).to_le_bytes()),
        Value::F64(value) => put(3, &value.to_le_bytes()),
        Value::Decimal(value) => put(4, &value.normalize().serialize()),
        Value::Text(value) => put(5, value.as_bytes()),
        Value::Bytes(value) => put(6, value),
        Value::Date(value) => put(7, value.to_string().as_bytes()),
        Value::Time(value) => put(8, value.to_string().as_bytes()),
        Value::DateTime(value) => put(9, value.to_string().as_bytes()),
        Value::DateTimeUtc(value) => put(10, value.to_string().as_bytes()),
        Value::Uuid(value) => put(11, value.as_bytes()),
        Value::Json(value) => put(12, value.to_string().as_bytes()),
        Value::Array(values) => put(13, &identity(values)),
        Value::Invalid(reason) => put(14, reason.as_bytes()),
        Value::HStore(map) => {
            let texts = map.iter().flat_map(|(key, value)| [Some(key), value]);
            put(15, &identity(texts.map(Value::from)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_whatever_their_type_and_others_are_not() {
        let id = |values: &[Value]| identity(values);
        assert_eq!(id(&[7_i64.into()]), id(&[7_u64.into()]));
        assert_eq!(id(&[Value::Decimal("1.0".parse().unwrap())]), id(&[Value::Decimal("1.00".parse().unwrap())]));
        assert_ne!(id(&["ab".into(), "c".into()]), id(&["a".into(), "bc".into()]));
        assert_ne!(id(&[Value::Null]), id(&["".into()]));
    }
}
