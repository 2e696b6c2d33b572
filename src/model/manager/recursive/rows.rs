//! Rows as the recursive delete knows them, and how they are named in statements.

use crate::{
    data::value::Value,
    db::{Database, Writer},
    driver::Answer,
    error::Result,
    model::{
        catalog::TableId,
        expr::{Node, Operation, equal},
    },
};

/// How many rows one statement names by one column each.
const MANY: usize = 10_000;
/// And by several: a condition of `OR`s, whose depth SQLite limits to 1,000.
const SOME: usize = 200;

/// The values of some columns of a row.
pub(super) type Values = Vec<Value>;

/// Runs a statement about rows of a table: its beginning, the table, and what stands behind it.
pub(super) async fn run(
    db: &Database,
    begin: &str,
    table: &TableId,
    rest: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<Answer> {
    let mut to = Writer::new(db.dialect());
    to.text(begin);
    to.table(table.schema.as_deref(), &table.name);
    rest(&mut to)?;
    let (sql, params) = to.finish();
    db.send(&sql, &params).await
}

/// Writes a condition.
pub(super) fn write_where(condition: &Node, to: &mut Writer) -> Result<()> {
    to.text(" WHERE ");
    condition.write(to)
}

/// Deletes the rows for which a condition holds.
pub(super) async fn delete(db: &Database, table: &TableId, condition: &Node) -> Result<Answer> {
    run(db, "DELETE FROM ", table, |to| write_where(condition, to)).await
}

/// The conditions that find the rows that have these values in these columns: several, so that no statement is too long.
pub(super) fn conditions(columns: &[String], rows: &[Values]) -> Vec<Node> {
    match columns {
        [one] if rows.iter().flatten().all(|value| !value.is_null()) => {
            let values = |rows: &[Values]| rows.iter().flatten().cloned().map(Node::Value).collect::<Vec<_>>();
            let list = |rows| Node::apply(Operation::List(1), std::iter::once(column(one)).chain(values(rows)));
            rows.chunks(MANY).map(list).collect()
        }
        _ => rows.chunks(SOME).map(|rows| any(columns, rows)).collect(),
    }
}

fn column(name: &str) -> Node {
    Node::Name(name.to_owned().into())
}

fn any(columns: &[String], rows: &[Values]) -> Node {
    let part = |(name, value): (&String, &Value)| equal(column(name), Node::Value(value.clone()));
    let all = |row: &Values| columns.iter().zip(row).map(part).reduce(Node::and);
    let any = rows.iter().filter_map(all).reduce(Node::or);
    // Of no rows, or of rows of which nothing is known, there is none.
    any.unwrap_or_else(|| Node::Sql("1 = 0".into()))
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
