//! Parameters sent to MySQL, and rows read from it. The server does not tell the type of a parameter: a value is sent
//! as what it is, and the server, in its strict mode, refuses what does not fit.
//!
//! Rows are copied into batches and read column by column from there. mysql_async decodes each row into values of its
//! own, with an allocation for the row and one for each text. These are freed at once, so the allocator reuses the same
//! few blocks.

use std::{mem, str, sync::Arc};

use mysql_async::{Row as NativeRow, Value as Native};

use super::result_meta::{ColumnKind, ResultMeta};
use crate::{
    data::{
        cell::{Cell, Mismatch},
        crates::{CHRONO, Datelike as _, Decimal, NaiveDate, NaiveDateTime, NaiveTime, RUST_DECIMAL, Timelike as _},
        iso,
        row::{Columns, NativeRows, ROWS_TOGETHER, Row},
        value::Value,
    },
    driver::{Reader, wrong_count},
    error::{Error, ErrorKind},
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
    let outside = || misfit("its year is not between 0 and 9999").out_of_range();
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
        Value::Date(value) => value.and_hms_opt(0, 0, 0).and_then(date_time).ok_or_else(outside),
        Value::DateTime(value) => date_time(*value).ok_or_else(outside),
        Value::DateTimeUtc(value) => date_time(value.naive_utc()).ok_or_else(outside),
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
    let (day, time) = (value.date(), value.time());
    let year = u16::try_from(day.year()).ok().filter(|year| *year <= 9999)?;
    let micros = time.nanosecond() % 1_000_000_000 / 1_000;
    let (hour, minute, second) = (small(time.hour()), small(time.minute()), small(time.second()));
    Some(Native::Date(year, small(day.month()), small(day.day()), hour, minute, second, micros))
}

fn time(value: NaiveTime) -> Native {
    let micros = value.nanosecond() % 1_000_000_000 / 1_000;
    Native::Time(false, 0, small(value.hour()), small(value.minute()), small(value.second()), micros)
}

/// No more rows are kept together with those that have this many bytes of text.
const BYTES_TOGETHER: usize = 1 << 20;

/// A longer value is not copied but kept as it was received.
const LONG: usize = 1 << 12;

/// Rows that were read together: one allocation for their values, and one for their texts.
struct RowBatch {
    meta: Arc<ResultMeta>,
    slots: Vec<Slot>,
    heap: Vec<u8>,
    long: Vec<Vec<u8>>,
}

/// One value, or the place of a text.
#[derive(Clone, Copy)]
enum Slot {
    Null,
    Int(i64),
    /// A value above the range of `i64`.
    UInt(u64),
    Float(f32),
    Double(f64),
    /// A DATE, DATETIME or TIMESTAMP, depending on the column.
    Moment(NaiveDateTime),
    Time(NaiveTime),
    /// A date or a time outside the range of chrono.
    Outside,
    Short {
        start: u32,
        length: u32,
    },
    /// The number of a long one.
    Long(usize),
}

/// Gathers the rows of one run of a statement.
pub(super) struct RowCollector {
    meta: Arc<ResultMeta>,
    count: usize,
    slots: Vec<Slot>,
    heap: Vec<u8>,
    long: Vec<Vec<u8>>,
    /// The bytes of the long values.
    size: usize,
    rows: Vec<Row>,
}

impl RowCollector {
    pub(super) fn new(meta: Arc<ResultMeta>) -> Self {
        Self { meta, count: 0, slots: Vec::new(), heap: Vec::new(), long: Vec::new(), size: 0, rows: Vec::new() }
    }

    /// Whether the next row begins another batch.
    pub(super) fn is_full(&self) -> bool {
        self.count >= ROWS_TOGETHER || self.heap.len() + self.size >= BYTES_TOGETHER
    }

    pub(super) fn push(&mut self, row: NativeRow) {
        if self.is_full() {
            self.finish_batch();
        }
        if self.count == 0 {
            self.slots.reserve_exact(row.len());
        }
        let Self { slots, heap, long, size, .. } = self;
        // All at once, so that the capacity is checked once.
        slots.extend(row.unwrap_raw().iter_mut().map(|value| match value {
            Some(Native::Bytes(bytes)) => keep(bytes, heap, long, size),
            Some(value) => slot(value),
            None => Slot::Null,
        }));
        self.count += 1;
    }

    fn finish_batch(&mut self) {
        let (batch, count) = self.take_batch();
        self.rows.extend((0..count).map(|at| Row::among(&batch, at)));
    }

    /// Passes the rows since the last time to a reader.
    pub(super) fn read_by(&mut self, reader: &dyn Reader) {
        let (batch, count) = self.take_batch();
        reader.read(batch, count);
    }

    fn take_batch(&mut self) -> (Arc<RowBatch>, usize) {
        let count = mem::take(&mut self.count);
        self.size = 0;
        // The next batch will be about as large.
        let more = |size: usize| if count >= ROWS_TOGETHER { size } else { 0 };
        let slots = Vec::with_capacity(more(self.slots.len()));
        let heap = Vec::with_capacity(more(self.heap.len()));
        let batch = Arc::new(RowBatch {
            meta: Arc::clone(&self.meta),
            slots: mem::replace(&mut self.slots, slots),
            heap: mem::replace(&mut self.heap, heap),
            long: mem::take(&mut self.long),
        });
        (batch, count)
    }

    /// Returns the rows since the last time.
    pub(super) fn take(&mut self) -> Vec<Row> {
        if self.count > 0 {
            self.finish_batch();
        }
        mem::take(&mut self.rows)
    }
}

/// A value that is not a text.
#[inline]
fn slot(value: &Native) -> Slot {
    match *value {
        Native::Int(value) => Slot::Int(value),
        Native::UInt(value) => i64::try_from(value).map_or(Slot::UInt(value), Slot::Int),
        Native::Float(value) => Slot::Float(value),
        Native::Double(value) => Slot::Double(value),
        // MySQL may hold the date 0000-00-00.
        Native::Date(year, month, day, hour, minute, second, micros) => {
            let time = NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros);
            NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())
                .zip(time)
                .map_or(Slot::Outside, |(day, time)| Slot::Moment(day.and_time(time)))
        }
        // A TIME is a span of up to 838 hours: only those within a day are times of day.
        Native::Time(false, 0, hour, minute, second, micros) => {
            NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros)
                .map_or(Slot::Outside, Slot::Time)
        }
        Native::Time(..) => Slot::Outside,
        Native::NULL | Native::Bytes(_) => Slot::Null,
    }
}

#[inline]
fn keep(bytes: &mut Vec<u8>, heap: &mut Vec<u8>, long: &mut Vec<Vec<u8>>, size: &mut usize) -> Slot {
    match (u32::try_from(heap.len()), u32::try_from(bytes.len())) {
        (Ok(start), Ok(length)) if bytes.len() <= LONG => {
            heap.extend_from_slice(bytes);
            Slot::Short { start, length }
        }
        _ => {
            *size += bytes.len();
            long.push(mem::take(bytes));
            Slot::Long(long.len() - 1)
        }
    }
}

impl NativeRows for RowBatch {
    #[inline]
    fn columns(&self) -> &Columns {
        &self.meta.columns
    }

    #[inline]
    fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, Mismatch> {
        let kinds = &*self.meta.kinds;
        // A row has a slot for each column: only an index that is not there ends here.
        let kind = *kinds.get(column).ok_or_else(Mismatch::invalid)?;
        Ok(match *self.slots.get(row * kinds.len() + column).ok_or_else(Mismatch::invalid)? {
            Slot::Null => Cell::Null,
            Slot::Int(value) => Cell::I64(value),
            Slot::UInt(value) => Cell::U64(value),
            Slot::Float(value) => Cell::F32(value),
            Slot::Double(value) => Cell::F64(value),
            Slot::Short { start, length } => return text(&self.heap[start as usize..][..length as usize], kind),
            Slot::Long(at) => return text(&self.long[at], kind),
            Slot::Moment(at) => match kind {
                ColumnKind::Date => Cell::Date(at.date()),
                ColumnKind::Timestamp => Cell::DateTimeUtc(at.and_utc()),
                _ => Cell::DateTimeOrUtc(at),
            },
            Slot::Time(time) => Cell::Time(time),
            Slot::Outside => return CHRONO.map_err(Mismatch::new).and(Err(Mismatch::out_of_range())),
        })
    }

    fn type_name(&self, _: usize, column: usize) -> &str {
        self.meta.columns.type_name(column).unwrap_or("unknown")
    }
}

/// A value that was received as bytes.
#[inline]
fn text(bytes: &[u8], kind: ColumnKind) -> Result<Cell<'_>, Mismatch> {
    match kind {
        ColumnKind::Text => utf8(bytes).map(Cell::Text),
        ColumnKind::Bytes => Ok(Cell::Bytes(bytes)),
        _ => written(bytes, kind),
    }
}

#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, Mismatch> {
    str::from_utf8(bytes).map_err(|_| Mismatch::invalid())
}

/// A value that was received as text, or of a type that is always sent as text.
fn written(bytes: &[u8], kind: ColumnKind) -> Result<Cell<'_>, Mismatch> {
    if kind == ColumnKind::Other {
        return Ok(Cell::Other(bytes));
    }
    if kind == ColumnKind::Bit {
        // Up to 64 bits, the highest byte first.
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        return Ok(i64::try_from(number).map_or(Cell::U64(number), Cell::I64));
    }
    let text = utf8(bytes)?;
    let invalid = Mismatch::invalid;
    let int = || text.parse().map(Cell::I64).or_else(|_| text.parse().map(Cell::U64));
    match (kind, RUST_DECIMAL) {
        (ColumnKind::Decimal | ColumnKind::Computed, Err(missing)) => return int().map_err(|_| Mismatch::new(missing)),
        (ColumnKind::Date | ColumnKind::Time | ColumnKind::DateTime | ColumnKind::Timestamp, _) => {
            CHRONO.map_err(Mismatch::new)?;
        }
        _ => {}
    }
    match kind {
        ColumnKind::Int => int().map_err(|_| invalid()),
        ColumnKind::Float => text.parse().map(Cell::F32).map_err(|_| invalid()),
        ColumnKind::Double => text.parse().map(Cell::F64).map_err(|_| invalid()),
        ColumnKind::Decimal => decimal(text).map(Cell::Decimal).ok_or_else(Mismatch::out_of_range),
        ColumnKind::Computed => {
            // A division adds digits: they are rounded off.
            decimal(text).or_else(|| text.parse().ok()).map(Cell::Decimal).ok_or_else(Mismatch::out_of_range)
        }
        ColumnKind::Date => iso::read_date(text).map(Cell::Date).ok_or_else(invalid),
        ColumnKind::Time => iso::read_time(text).map(Cell::Time).ok_or_else(invalid),
        ColumnKind::DateTime => iso::read_date_time(text).map(Cell::DateTimeOrUtc).ok_or_else(invalid),
        ColumnKind::Timestamp => {
            iso::read_date_time(text).map(|at| Cell::DateTimeUtc(at.and_utc())).ok_or_else(invalid)
        }
        ColumnKind::Json => Ok(Cell::Json(text)),
        ColumnKind::Text | ColumnKind::Bytes | ColumnKind::Bit | ColumnKind::Other => Ok(Cell::Text(text)),
    }
}

/// The DECIMALs of a column all have its scale: where they have too many zeros for a `Decimal`, these are cut.
fn decimal(text: &str) -> Option<Decimal> {
    let shorter = || text.contains('.').then(|| text.trim_end_matches('0').trim_end_matches('.'));
    Decimal::from_str_exact(text).ok().or_else(|| Decimal::from_str_exact(shorter()?).ok())
}
