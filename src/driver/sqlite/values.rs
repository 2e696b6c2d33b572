//! Values on their way into SQLite, and rows on their way out.
//!
//! Used by the SQLite driver on its own thread: a row is copied out before the statement steps on. SQLite has integers,
//! floats, text and blobs only, so all else is stored as text that sorts in its own order, except that decimals do not:
//!
//! | value | stored as |
//! |---|---|
//! | `bool` | INTEGER 0 or 1 |
//! | `f32`, `f64` | REAL, the same number; NaN is refused, which SQLite would take for NULL |
//! | `Decimal` | TEXT, with its trailing zeros; a column declared NUMERIC or DECIMAL makes a number of it, and one declared `TEXT COLLATE decimal` compares them as numbers |
//! | `NaiveDate` | TEXT `YYYY-MM-DD` |
//! | `NaiveTime` | TEXT `HH:MM:SS[.fff]` |
//! | `NaiveDateTime` | TEXT `YYYY-MM-DD HH:MM:SS[.fff]` |
//! | `DateTime<Utc>` | the same, in UTC and without an offset: so it compares with CURRENT_TIMESTAMP and `datetime()` |
//! | `Uuid` | TEXT, hyphenated |
//! | JSON | TEXT |

use std::{mem, ops::Range, str, sync::Arc};

use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};

use crate::{
    data::{
        cell::{Cell, Mismatch},
        iso,
        row::{Columns, NativeRows, ROWS_TOGETHER, Row},
        value::Value,
    },
    driver::Reader,
    error::{Error, ErrorKind, Result},
};

/// Converts the parameter of a number, counted from 1.
///
/// # Errors
/// [`ErrorKind::Parameter`] if it does not fit, [`ErrorKind::Unsupported`] for arrays and hstore. The message names the parameter
/// and its type, never the value.
pub(crate) fn bound(value: &Value, number: usize) -> Result<ToSqlOutput<'_>> {
    let misfit = |into: &str| {
        let message = format!("parameter ${number}: {} does not fit into {into}", value.type_name());
        Error::new(ErrorKind::Parameter, message)
    };
    let outside = || misfit("TEXT: its year is not between 0 and 9999").out_of_range();
    let borrowed = |value| Ok(ToSqlOutput::Borrowed(value));
    let text = |text| Ok(ToSqlOutput::Owned(Owned::Text(text)));
    // SQLite would store NULL for it without a word.
    let real =
        |value: f64| if value.is_nan() { Err(misfit("REAL: it is NaN")) } else { borrowed(ValueRef::Real(value)) };
    match value {
        Value::Null => borrowed(ValueRef::Null),
        Value::Bool(value) => borrowed(ValueRef::Integer((*value).into())),
        Value::I64(value) => borrowed(ValueRef::Integer(*value)),
        Value::U64(value) => {
            borrowed(ValueRef::Integer((*value).try_into().map_err(|_| misfit("INTEGER").out_of_range())?))
        }
        Value::F32(value) => real((*value).into()),
        Value::F64(value) => real(*value),
        Value::Text(value) => borrowed(ValueRef::Text(value.as_bytes())),
        Value::Bytes(value) => borrowed(ValueRef::Blob(value)),
        Value::Decimal(value) => text(value.to_string()),
        Value::Date(value) => text(iso::write_date(*value).ok_or_else(outside)?),
        Value::Time(value) => text(iso::write_time(*value)),
        Value::DateTime(value) => text(iso::write_date_time(*value).ok_or_else(outside)?),
        Value::DateTimeUtc(value) => text(iso::write_date_time(value.naive_utc()).ok_or_else(outside)?),
        Value::Uuid(value) => text(value.to_string()),
        Value::Json(value) => text(value.to_string()),
        Value::Array(_) => {
            let message = format!("parameter ${number}: SQLite has no arrays");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        Value::HStore(_) => {
            let message = format!("parameter ${number}: SQLite has no hstore");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        Value::Invalid(why) => Err(Error::new(ErrorKind::Parameter, format!("parameter ${number}: {why}"))),
    }
}

/// The names and declared types of a statement's columns; to be made once for each statement.
pub(super) fn columns(statement: &rusqlite::Statement<'_>) -> Columns {
    let columns = statement.columns();
    Columns::new(columns.map(|column| (column.name().to_owned(), column.decl_type().map(String::from))))
}

/// No more rows are kept together with those that have this many bytes of text.
const BYTES_TOGETHER: usize = 1 << 20;

/// Rows that were copied out together: one allocation for their values, one for all of their texts and blobs.
struct RowBatch {
    columns: Arc<Columns>,
    width: usize,
    slots: Vec<Slot>,
    heap: Heap,
}

/// The texts and blobs of rows that are together.
enum Heap {
    /// All of it is text: looked at once, which takes a fraction of looking at each value.
    Text(String),
    /// There are blobs among it, or what SQLite was given as text and is none.
    Mixed(Vec<u8>),
}

impl Heap {
    fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Mixed(error.into_bytes()), Self::Text)
    }

    #[inline]
    fn text(&self, span: Span) -> Result<&str, Mismatch> {
        match self {
            // Two texts of which neither is one may be one together: then their ends are within a character.
            Self::Text(text) => text.get(span.range()).ok_or_else(Mismatch::invalid),
            // SQLite does not check what it is given as text.
            Self::Mixed(bytes) => str::from_utf8(&bytes[span.range()]).map_err(|_| Mismatch::invalid()),
        }
    }

    #[inline]
    fn bytes(&self, span: Span) -> &[u8] {
        match self {
            Self::Text(text) => &text.as_bytes()[span.range()],
            Self::Mixed(bytes) => &bytes[span.range()],
        }
    }
}

/// Copies rows out of SQLite, those of one run of a statement.
pub(super) struct RowCollector {
    columns: Arc<Columns>,
    count: usize,
    slots: Vec<Slot>,
    heap: Vec<u8>,
}

/// One value; those of texts and blobs are where they lie in the heap.
#[derive(Clone, Copy)]
enum Slot {
    Null,
    Integer(i64),
    Real(f64),
    Text(Span),
    Blob(Span),
}

/// Bytes of the heap. No value of SQLite is longer than 31 bits tell, and those together are bounded besides.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

impl RowCollector {
    pub(super) fn new(columns: Arc<Columns>) -> Self {
        // Room for the first row, which often is the only one.
        let slots = Vec::with_capacity(columns.len());
        Self { columns, count: 0, slots, heap: Vec::new() }
    }

    /// Copies the row that a statement has stepped to.
    pub(super) fn push(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        let Self { columns, count, slots, heap } = self;
        let width = columns.len();
        // An error below leaves a row that is none.
        slots.truncate(*count * width);
        let mut failed = None;
        // All at once, so that there is one look for room.
        slots.extend((0..width).map(|index| match row.get_ref(index) {
            Ok(ValueRef::Null) => Slot::Null,
            Ok(ValueRef::Integer(value)) => Slot::Integer(value),
            Ok(ValueRef::Real(value)) => Slot::Real(value),
            Ok(ValueRef::Text(bytes)) => Slot::Text(keep(heap, bytes)),
            Ok(ValueRef::Blob(bytes)) => Slot::Blob(keep(heap, bytes)),
            Err(error) => {
                failed.get_or_insert(error);
                Slot::Null
            }
        }));
        match failed {
            Some(error) => Err(error),
            None => {
                *count += 1;
                Ok(())
            }
        }
    }

    /// Whether the rows should be taken before the next one.
    pub(super) fn is_full(&self) -> bool {
        self.count >= ROWS_TOGETHER || self.heap.len() >= BYTES_TOGETHER
    }

    /// Hands out the rows that were copied since the last time.
    pub(super) fn take(&mut self, rows: &mut Vec<Row>) {
        let (batch, count) = self.take_batch();
        rows.extend((0..count).map(|at| Row::among(&batch, at)));
    }

    /// Has the rows read that were copied since the last time.
    pub(super) fn read_by(&mut self, reader: &dyn Reader) {
        let (batch, count) = self.take_batch();
        reader.read(batch, count);
    }

    fn take_batch(&mut self) -> (Arc<RowBatch>, usize) {
        let count = mem::take(&mut self.count);
        // The next rows will be about as large.
        let more = |size: usize| if count >= ROWS_TOGETHER { size } else { 0 };
        let slots = Vec::with_capacity(more(self.slots.len()));
        let heap = Vec::with_capacity(more(self.heap.len()));
        let (slots, heap) = (mem::replace(&mut self.slots, slots), mem::replace(&mut self.heap, heap));
        let columns = Arc::clone(&self.columns);
        (Arc::new(RowBatch { width: columns.len(), columns, slots, heap: Heap::of(heap) }), count)
    }
}

#[inline]
fn keep(heap: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let small = |size: usize| u32::try_from(size).expect("the heap is taken before it grows past 32 bits");
    let span = Span { start: small(heap.len()), length: small(bytes.len()) };
    heap.extend_from_slice(bytes);
    span
}

impl RowBatch {
    #[inline]
    fn slot(&self, row: usize, column: usize) -> Option<&Slot> {
        if column < self.width { self.slots.get(row * self.width + column) } else { None }
    }
}

impl NativeRows for RowBatch {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    #[inline]
    fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, Mismatch> {
        Ok(match *self.slot(row, column).ok_or_else(Mismatch::invalid)? {
            Slot::Null => Cell::Null,
            Slot::Integer(value) => Cell::I64(value),
            Slot::Real(value) => Cell::F64(value),
            Slot::Text(span) => Cell::Text(self.heap.text(span)?),
            Slot::Blob(span) => Cell::Bytes(self.heap.bytes(span)),
        })
    }

    /// The declared type; the storage class of the value for what is computed.
    fn type_name(&self, row: usize, column: usize) -> &str {
        self.columns.type_name(column).unwrap_or(match self.slot(row, column) {
            Some(Slot::Integer(_)) => "INTEGER",
            Some(Slot::Real(_)) => "REAL",
            Some(Slot::Text(_)) => "TEXT",
            Some(Slot::Blob(_)) => "BLOB",
            Some(Slot::Null) | None => "NULL",
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
    use proptest::prelude::*;
    use rusqlite::{Connection, params_from_iter};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    use super::*;
    use crate::data::cell::FromCell;

    fn select(sql: &str, values: &[Value]) -> Row {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE movie (title VARCHAR(20), year INT)").unwrap();
        let mut statement = db.prepare(sql).unwrap();
        let bound = values.iter().enumerate().map(|(at, value)| bound(value, at + 1).unwrap());
        let mut rows = statement.query(params_from_iter(bound)).unwrap();
        let row = rows.next().unwrap().expect("a SELECT without FROM has a row");
        let mut collector = RowCollector::new(Arc::new(columns(row.as_ref())));
        collector.push(row).unwrap();
        let mut rows = Vec::new();
        collector.take(&mut rows);
        rows.pop().expect("one row was copied")
    }

    fn back<T: for<'r> FromCell<'r>>(value: impl Into<Value>) -> T {
        select("SELECT ?1", &[value.into()]).get(0).unwrap()
    }

    #[test]
    fn what_is_stored_comes_back() {
        assert!(back::<bool>(true));
        assert_eq!(back::<f32>(0.1_f32), 0.1);
        assert_eq!(back::<Option<i32>>(None::<i32>), None);
        let decimal = Decimal::from_str_exact("1.50").unwrap();
        assert_eq!(back::<Decimal>(decimal).to_string(), "1.50");
        let uuid = Uuid::from_u128(3);
        assert_eq!(back::<Uuid>(uuid), uuid);
        let json = serde_json::json!({"a": 1});
        assert_eq!(back::<serde_json::Value>(json.clone()), json);
        let day = NaiveDate::from_ymd_opt(2024, 5, 6).unwrap();
        assert_eq!(back::<NaiveDate>(day), day);
        let at = day.and_hms_micro_opt(7, 8, 9, 10).unwrap();
        assert_eq!(back::<NaiveTime>(at.time()), at.time());
        assert_eq!(back::<NaiveDateTime>(at), at);
        assert_eq!(back::<String>(at.and_utc()), "2024-05-06 07:08:09.000010");
    }

    #[test]
    fn moments_compare_with_the_clock_of_sqlite() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let row = select("SELECT datetime(?1, 'unixepoch') = ?2", &[now.timestamp().into(), now.into()]);
        assert!(row.get::<bool>(0).unwrap());
        let row = select("SELECT CURRENT_TIMESTAMP", &[]);
        assert!(row.get::<DateTime<Utc>>(0).unwrap() > now);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_number() {
        let refusal = |value: Value| {
            let error = bound(&value, 2).unwrap_err();
            (error.kind(), error.to_string())
        };
        let message = "parameter $2: u64 does not fit into INTEGER".into();
        assert_eq!(refusal(u64::MAX.into()), (ErrorKind::Parameter, message));
        let message = "parameter $2: SQLite has no arrays".into();
        assert_eq!(refusal(vec![1].into()), (ErrorKind::Unsupported, message));
        assert_eq!(refusal(f32::NAN.into()).1, "parameter $2: f32 does not fit into REAL: it is NaN");
        let far = NaiveDate::from_ymd_opt(12_024, 1, 1).unwrap();
        assert_eq!(
            refusal(far.into()).1,
            "parameter $2: NaiveDate does not fit into TEXT: its year is not between 0 and 9999"
        );
        assert_eq!(refusal(Value::Invalid("no")).1, "parameter $2: no");
    }

    #[test]
    fn messages_tell_the_declared_type_or_the_storage_class() {
        let values = [300.into(), "x".into()];
        let row = select("SELECT title, ?1 AS a, ?2 FROM (SELECT 1) LEFT JOIN movie", &values);
        let message = |column| row.get::<u8>(column).unwrap_err().to_string();
        assert!(message(0).starts_with("column \"title\" is NULL"));
        assert_eq!(message(1), "column \"a\" of type INTEGER does not fit into u8");
        assert_eq!(message(2), "column \"?2\" of type TEXT cannot be read as u8");
        let row = select("SELECT title FROM (SELECT 1) LEFT JOIN movie", &[]);
        assert!(format!("{row:?}").contains("title"));
    }

    #[test]
    fn text_that_is_no_utf8_is_refused_when_it_is_read() {
        let row = select("SELECT CAST(x'ff' AS TEXT)", &[]);
        assert!(row.get::<String>(0).unwrap_err().to_string().contains("no valid String"));
    }

    /// Texts that lie together are looked at together.
    #[test]
    fn two_halves_of_a_character_are_two_texts_that_are_refused() {
        let row = select("SELECT CAST(x'c3' AS TEXT), CAST(x'a9' AS TEXT), 'é'", &[]);
        for half in 0..2 {
            assert!(row.get::<String>(half).unwrap_err().to_string().contains("no valid String"));
        }
        assert_eq!(row.get::<String>(2).unwrap(), "é");
        let row = select("SELECT CAST(x'c3' AS TEXT), CAST(x'a9' AS TEXT), x'ff', 'é'", &[]);
        assert!(row.get::<String>(0).is_err() && row.get::<String>(1).is_err());
        assert_eq!(row.get::<String>(3).unwrap(), "é");
    }

    proptest! {
        #[test]
        fn one_heap_keeps_all_values_apart(words: Vec<String>, bytes: Vec<u8>, int: i64) {
            let mut values: Vec<_> = words.iter().take(20).map(Value::from).collect();
            values.push(Value::from(&bytes));
            values.push(int.into());
            let marks = vec!["?"; values.len()].join(", ");
            let row = select(&format!("SELECT {marks}"), &values);
            for (index, value) in values.iter().enumerate() {
                prop_assert_eq!(&row.get::<Value>(index).unwrap(), value);
            }
        }
    }
}
