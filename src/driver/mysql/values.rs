//! Values on their way to MySQL, and rows on their way back. The server does not say what type a parameter should have:
//! it is sent as what it is, and the server, in its strict mode, refuses what does not fit.

use std::{fmt, sync::Arc};

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use mysql_async::{
    Column, Row as NativeRowOfMysql, Value as Native,
    consts::{ColumnFlags, ColumnType},
};
use rust_decimal::Decimal;

use crate::{
    cell::{Cell, Mismatch},
    driver::wrong_count,
    error::{Error, ErrorKind},
    iso,
    row::{Columns, NativeRow},
    value::Value,
};

/// Converts the values of a statement; `order` tells which value each placeholder takes.
///
/// # Errors
/// `Parameter` for a wrong count, and for what MySQL cannot hold; `Unsupported` for arrays and hstore.
pub(super) fn bound(values: &[Value], order: Option<&[usize]>) -> Result<Vec<Native>, Error> {
    match order {
        None => values.iter().enumerate().map(|(index, value)| one(value, index + 1)).collect(),
        Some(order) => {
            let taken = order.iter().max().map_or(0, |last| last + 1);
            if taken != values.len() {
                return Err(wrong_count(values.len(), taken));
            }
            order.iter().map(|index| one(&values[*index], index + 1)).collect()
        }
    }
}

fn one(value: &Value, number: usize) -> Result<Native, Error> {
    let text = |text: String| Ok(Native::Bytes(text.into_bytes()));
    let misfit = |why: &str| {
        let text = format!("parameter ${number}: {} does not fit: {why}", value.type_name());
        Error::new(ErrorKind::Parameter, text)
    };
    match value {
        Value::Null => Ok(Native::NULL),
        Value::Bool(value) => Ok(Native::Int((*value).into())),
        Value::I64(value) => Ok(Native::Int(*value)),
        Value::U64(value) => Ok(Native::UInt(*value)),
        Value::F32(value) if value.is_finite() => Ok(Native::Float(*value)),
        Value::F64(value) if value.is_finite() => Ok(Native::Double(*value)),
        Value::F32(_) | Value::F64(_) => Err(misfit("MySQL has neither NaN nor infinity")),
        Value::Decimal(value) => text(value.to_string()),
        Value::Text(value) => Ok(Native::Bytes(value.clone().into_bytes())),
        Value::Bytes(value) => Ok(Native::Bytes(value.clone())),
        Value::Date(value) => date(*value, NaiveTime::MIN).ok_or_else(|| misfit("its year is not between 0 and 9999")),
        Value::DateTime(value) => date_time(*value).ok_or_else(|| misfit("its year is not between 0 and 9999")),
        Value::DateTimeUtc(value) => {
            date_time(value.naive_utc()).ok_or_else(|| misfit("its year is not between 0 and 9999"))
        }
        Value::Time(value) => Ok(time(*value)),
        Value::Uuid(value) => text(value.to_string()),
        Value::Json(value) => text(value.to_string()),
        Value::Array(_) => Err(Error::new(ErrorKind::Unsupported, format!("parameter ${number}: MySQL has no arrays"))),
        Value::HStore(_) => {
            Err(Error::new(ErrorKind::Unsupported, format!("parameter ${number}: MySQL has no hstore")))
        }
        Value::Invalid(why) => Err(Error::new(ErrorKind::Parameter, format!("parameter ${number}: {why}"))),
    }
}

fn small(number: u32) -> u8 {
    u8::try_from(number).expect("a month, a day, an hour, a minute and a second are below 256")
}

fn date_time(value: NaiveDateTime) -> Option<Native> {
    date(value.date(), value.time())
}

fn date(day: NaiveDate, time: NaiveTime) -> Option<Native> {
    let year = u16::try_from(day.year()).ok().filter(|year| *year <= 9999)?;
    let micros = time.nanosecond() % 1_000_000_000 / 1_000;
    let (hour, minute, second) = (small(time.hour()), small(time.minute()), small(time.second()));
    Some(Native::Date(year, small(day.month()), small(day.day()), hour, minute, second, micros))
}

fn time(value: NaiveTime) -> Native {
    let micros = value.nanosecond() % 1_000_000_000 / 1_000;
    Native::Time(false, 0, small(value.hour()), small(value.minute()), small(value.second()), micros)
}

/// What a column holds, as far as its bytes do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Double,
    Decimal,
    Date,
    Time,
    DateTime,
    Timestamp,
    Json,
    Text,
    Bytes,
    Bit,
    Other,
}

/// What the rows of one result have in common.
#[derive(Debug)]
pub(super) struct Shape {
    columns: Columns,
    kinds: Box<[Kind]>,
}

impl Shape {
    pub(super) fn new(columns: &[Column]) -> Arc<Self> {
        let kinds = columns.iter().map(kind).collect();
        let named = columns.iter().map(|column| {
            let unsigned = if column.flags().contains(ColumnFlags::UNSIGNED_FLAG) { " unsigned" } else { "" };
            (column.name_str().into_owned(), Some(format!("{}{unsigned}", type_name(column))))
        });
        Arc::new(Self { columns: Columns::new(named), kinds })
    }
}

/// The type as SQL calls it, as far as the protocol tells.
fn type_name(column: &Column) -> String {
    let text = format!("{:?}", column.column_type());
    let name = text.trim_start_matches("MYSQL_TYPE_").to_lowercase();
    let binary = column.character_set() == BINARY;
    let known = match name.as_str() {
        "tiny" => "tinyint",
        "short" => "smallint",
        "int24" => "mediumint",
        "long" => "int",
        "longlong" => "bigint",
        "newdecimal" => "decimal",
        "newdate" => "date",
        "time2" => "time",
        "datetime2" => "datetime",
        "timestamp2" => "timestamp",
        "varchar" | "var_string" => {
            if binary {
                "varbinary"
            } else {
                "varchar"
            }
        }
        "string" => {
            if binary {
                "binary"
            } else {
                "char"
            }
        }
        "tiny_blob" | "blob" | "medium_blob" | "long_blob" => {
            if binary {
                "blob"
            } else {
                "text"
            }
        }
        _ => return name,
    };
    known.to_owned()
}

/// The character set that means "bytes".
const BINARY: u16 = 63;

fn kind(column: &Column) -> Kind {
    use ColumnType as T;
    match column.column_type() {
        T::MYSQL_TYPE_TINY
        | T::MYSQL_TYPE_SHORT
        | T::MYSQL_TYPE_LONG
        | T::MYSQL_TYPE_LONGLONG
        | T::MYSQL_TYPE_INT24
        | T::MYSQL_TYPE_YEAR
        | T::MYSQL_TYPE_NULL => Kind::Int,
        T::MYSQL_TYPE_FLOAT => Kind::Float,
        T::MYSQL_TYPE_DOUBLE => Kind::Double,
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL => Kind::Decimal,
        T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => Kind::Date,
        T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 => Kind::Time,
        T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2 => Kind::DateTime,
        T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2 => Kind::Timestamp,
        T::MYSQL_TYPE_JSON => Kind::Json,
        T::MYSQL_TYPE_BIT => Kind::Bit,
        T::MYSQL_TYPE_ENUM | T::MYSQL_TYPE_SET => Kind::Text,
        T::MYSQL_TYPE_VARCHAR
        | T::MYSQL_TYPE_VAR_STRING
        | T::MYSQL_TYPE_STRING
        | T::MYSQL_TYPE_BLOB
        | T::MYSQL_TYPE_TINY_BLOB
        | T::MYSQL_TYPE_MEDIUM_BLOB
        | T::MYSQL_TYPE_LONG_BLOB => {
            if column.character_set() == BINARY {
                Kind::Bytes
            } else {
                Kind::Text
            }
        }
        _ => Kind::Other,
    }
}

/// A row of MySQL.
pub(super) struct MysqlRow {
    shape: Arc<Shape>,
    values: Vec<Option<Native>>,
}

impl MysqlRow {
    pub(super) fn new(row: NativeRowOfMysql, shape: &Arc<Shape>) -> Self {
        Self { shape: Arc::clone(shape), values: row.unwrap_raw() }
    }
}

impl NativeRow for MysqlRow {
    fn columns(&self) -> &Columns {
        &self.shape.columns
    }

    #[inline]
    fn cell(&self, index: usize) -> Result<Cell<'_>, Mismatch> {
        let (Some(Some(value)), Some(kind)) = (self.values.get(index), self.shape.kinds.get(index)) else {
            return Err(Mismatch::invalid());
        };
        match value {
            Native::NULL => Ok(Cell::Null),
            Native::Int(value) => Ok(Cell::I64(*value)),
            Native::UInt(value) => Ok(i64::try_from(*value).map_or(Cell::U64(*value), Cell::I64)),
            Native::Float(value) => Ok(Cell::F32(*value)),
            Native::Double(value) => Ok(Cell::F64(*value)),
            Native::Bytes(bytes) => text(bytes, *kind),
            Native::Date(year, month, day, hour, minute, second, micros) => {
                let day = NaiveDate::from_ymd_opt((*year).into(), (*month).into(), (*day).into());
                let time = NaiveTime::from_hms_micro_opt((*hour).into(), (*minute).into(), (*second).into(), *micros);
                // MySQL may hold the date 0000-00-00.
                let (day, time) = day.zip(time).ok_or_else(Mismatch::out_of_range)?;
                Ok(match kind {
                    Kind::Date => Cell::Date(day),
                    Kind::Timestamp => Cell::DateTimeUtc(day.and_time(time).and_utc()),
                    _ => Cell::DateTimeOrUtc(day.and_time(time)),
                })
            }
            // A TIME is a span of up to 838 hours: only those within a day are times of day.
            Native::Time(false, 0, hour, minute, second, micros) => {
                NaiveTime::from_hms_micro_opt((*hour).into(), (*minute).into(), (*second).into(), *micros)
                    .map(Cell::Time)
                    .ok_or_else(Mismatch::out_of_range)
            }
            Native::Time(..) => Err(Mismatch::out_of_range()),
        }
    }
}

/// The value of a text result, or of a type that is text in any result.
fn text(bytes: &[u8], kind: Kind) -> Result<Cell<'_>, Mismatch> {
    if kind == Kind::Bytes {
        return Ok(Cell::Bytes(bytes));
    }
    if kind == Kind::Other {
        return Ok(Cell::Other(bytes));
    }
    if kind == Kind::Bit {
        // Up to 64 bits, the highest byte first.
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        return Ok(i64::try_from(number).map_or(Cell::U64(number), Cell::I64));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Mismatch::invalid())?;
    let invalid = Mismatch::invalid;
    match kind {
        Kind::Int => text.parse().map(Cell::I64).or_else(|_| text.parse().map(Cell::U64)).map_err(|_| invalid()),
        Kind::Float => text.parse().map(Cell::F32).map_err(|_| invalid()),
        Kind::Double => text.parse().map(Cell::F64).map_err(|_| invalid()),
        Kind::Decimal => decimal(text).map(Cell::Decimal).ok_or_else(Mismatch::out_of_range),
        Kind::Date => iso::read_date(text).map(Cell::Date).ok_or_else(invalid),
        Kind::Time => iso::read_time(text).map(Cell::Time).ok_or_else(invalid),
        Kind::DateTime => iso::read_date_time(text).map(Cell::DateTimeOrUtc).ok_or_else(invalid),
        Kind::Timestamp => iso::read_date_time(text).map(|at| Cell::DateTimeUtc(at.and_utc())).ok_or_else(invalid),
        Kind::Json => Ok(Cell::Json(text)),
        Kind::Text | Kind::Bytes | Kind::Bit | Kind::Other => Ok(Cell::Text(text)),
    }
}

/// A column's DECIMALs all have its scale: where there is no room for that many zeros, there may be for fewer.
fn decimal(text: &str) -> Option<Decimal> {
    let shorter = || text.contains('.').then(|| text.trim_end_matches('0').trim_end_matches('.'));
    Decimal::from_str_exact(text).ok().or_else(|| Decimal::from_str_exact(shorter()?).ok())
}

impl fmt::Debug for MysqlRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape, values: _ } = self;
        f.debug_struct("MysqlRow").field("columns", &shape.columns).finish_non_exhaustive()
    }
}
