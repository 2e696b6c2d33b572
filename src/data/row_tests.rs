//! Rows: their columns by name and by number, and what the errors of reading say.

use super::*;

#[derive(Debug)]
struct Fake(Columns, Vec<Cell<'static>>);

impl NativeRow for Fake {
    fn columns(&self) -> &Columns {
        &self.0
    }

    fn cell(&self, index: usize) -> Result<Cell<'_>, Mismatch> {
        self.1.get(index).cloned().ok_or_else(Mismatch::invalid)
    }
}

fn row() -> Row {
    let sql = |name: &str| Some(String::from(name));
    let columns = [("id", sql("int8")), ("name", sql("text")), ("gone", sql("int4")), ("where", sql("inet"))];
    let cells = vec![Cell::I64(1 << 40), Cell::Text("Heat"), Cell::Null, Cell::Other(&[])];
    Row::new(Fake(Columns::new(columns), cells))
}

fn message<T: for<'r> FromCell<'r>>(column: impl RowIndex) -> String {
    let error = row().get::<T>(column).err().expect("these reads fail");
    assert_eq!(error.kind(), ErrorKind::Decode);
    error.to_string()
}

#[test]
fn columns_are_read_by_name_and_by_number() {
    let row = row();
    assert_eq!(row.get::<i64>("id").unwrap(), 1 << 40);
    assert_eq!(row.get::<&str>(1).unwrap(), "Heat");
    assert_eq!(row.get::<Option<i32>>(String::from("gone")).unwrap(), None);
    assert_eq!(row.columns().collect::<Vec<_>>(), ["id", "name", "gone", "where"]);
    assert_eq!((row.len(), row.is_empty()), (4, false));
}

#[test]
fn a_row_is_read_as_a_tuple_of_its_first_columns() {
    let (id, name, gone): (u64, String, Option<i32>) = row().to().unwrap();
    assert_eq!((id, &*name, gone), (1 << 40, "Heat", None));
    assert!(row().to::<(i64, String, Option<i32>, Option<i32>, i32)>().is_err());
}

#[test]
fn errors_name_the_column_and_both_types() {
    assert_eq!(message::<i32>("id"), "column \"id\" of type int8 does not fit into i32");
    assert_eq!(message::<Option<i32>>(0), "column \"id\" of type int8 does not fit into i32");
    assert_eq!(message::<i32>("gone"), "column \"gone\" is NULL, which Option<i32> can hold and i32 cannot");
    assert_eq!(
        message::<Vec<Option<String>>>("id"),
        "column \"id\" of type int8 cannot be read as Vec<Option<String>>"
    );
    assert_eq!(
        message::<chrono::DateTime<chrono::Utc>>("name"),
        "column \"name\" of type text holds no valid DateTime<Utc>"
    );
    assert_eq!(
        message::<String>("where"),
        "column \"where\" of type inet cannot be read in its binary form: cast it to text in the SQL"
    );
}

#[test]
fn an_unknown_column_is_told_with_those_there_are() {
    let expected = "the row has no column nope, but these 4: id, name, gone, where";
    assert_eq!(message::<i32>("nope"), expected);
    assert_eq!(message::<i32>(4), expected.replace("nope", "4"));
}

#[test]
fn debug_never_tells_a_value() {
    assert_eq!(format!("{:?}", row()), r#"Row(["id", "name", "gone", "where"])"#);
}
