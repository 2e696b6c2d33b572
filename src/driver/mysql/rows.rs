//! Rows on their way back: copied into batches as they are read, and read column by column from there.
//!
//! mysql_async decodes each row into values of its own, with an allocation for the row and one for each text. They are
//! given back at once, so that the allocator has the same few pieces go round.

use std::{mem, sync::Arc};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use mysql_async::{Row as NativeRow, Value as Native};
use rust_decimal::Decimal;

use super::shape::{Kind, Shape};
use crate::{
    cell::{Cell, Mismatch},
    iso,
    row::{Columns, NativeRows, ROWS_TOGETHER, Row},
};

/// No more rows are kept together with those that have this many bytes of text.
const BYTES_TOGETHER: usize = 1 << 20;

/// What is longer is not copied but kept as it came.
const LONG: usize = 1 << 12;

/// Rows that were read together: one allocation for their values, one for all of their texts.
struct Together {
    shape: Arc<Shape>,
    slots: Vec<Slot>,
    heap: Vec<u8>,
    long: Vec<Vec<u8>>,
}

/// One value; those of texts and bytes are where they lie.
#[derive(Clone, Copy)]
enum Slot {
    Null,
    Int(i64),
    /// More than an `i64` holds.
    UInt(u64),
    Float(f32),
    Double(f64),
    /// A DATE, DATETIME or TIMESTAMP, whichever the column is.
    Moment(NaiveDateTime),
    Time(NaiveTime),
    /// A date or a time that chrono does not have.
    Outside,
    Short {
        start: u32,
        length: u32,
    },
    /// The number of a long one.
    Long(usize),
}

/// Gathers the rows of one run of a statement.
pub(super) struct Gatherer {
    shape: Arc<Shape>,
    count: usize,
    slots: Vec<Slot>,
    heap: Vec<u8>,
    long: Vec<Vec<u8>>,
    /// How many bytes the long ones have.
    size: usize,
    rows: Vec<Row>,
}

impl Gatherer {
    pub(super) fn new(shape: Arc<Shape>) -> Self {
        Self { shape, count: 0, slots: Vec::new(), heap: Vec::new(), long: Vec::new(), size: 0, rows: Vec::new() }
    }

    /// Whether the next row will be in another batch.
    pub(super) fn is_full(&self) -> bool {
        self.count >= ROWS_TOGETHER || self.heap.len() + self.size >= BYTES_TOGETHER
    }

    pub(super) fn push(&mut self, row: NativeRow) {
        if self.is_full() {
            self.put_together();
        }
        if self.count == 0 {
            self.slots.reserve_exact(row.len());
        }
        for value in row.unwrap_raw() {
            let slot = self.slot(value.unwrap_or(Native::NULL));
            self.slots.push(slot);
        }
        self.count += 1;
    }

    #[inline]
    fn slot(&mut self, value: Native) -> Slot {
        match value {
            Native::NULL => Slot::Null,
            Native::Int(value) => Slot::Int(value),
            Native::UInt(value) => i64::try_from(value).map_or(Slot::UInt(value), Slot::Int),
            Native::Float(value) => Slot::Float(value),
            Native::Double(value) => Slot::Double(value),
            Native::Bytes(bytes) => self.keep(bytes),
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
        }
    }

    #[inline]
    fn keep(&mut self, bytes: Vec<u8>) -> Slot {
        match (u32::try_from(self.heap.len()), u32::try_from(bytes.len())) {
            (Ok(start), Ok(length)) if bytes.len() <= LONG => {
                self.heap.extend_from_slice(&bytes);
                Slot::Short { start, length }
            }
            _ => {
                self.size += bytes.len();
                self.long.push(bytes);
                Slot::Long(self.long.len() - 1)
            }
        }
    }

    fn put_together(&mut self) {
        let count = mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        self.size = 0;
        // The next rows will be about as large.
        let more = |size: usize| if count >= ROWS_TOGETHER { size } else { 0 };
        let slots = Vec::with_capacity(more(self.slots.len()));
        let heap = Vec::with_capacity(more(self.heap.len()));
        let together = Arc::new(Together {
            shape: Arc::clone(&self.shape),
            slots: mem::replace(&mut self.slots, slots),
            heap: mem::replace(&mut self.heap, heap),
            long: mem::take(&mut self.long),
        });
        self.rows.extend((0..count).map(|at| Row::among(&together, at)));
    }

    /// Hands out the rows that were gathered since the last time.
    pub(super) fn take(&mut self) -> Vec<Row> {
        self.put_together();
        mem::take(&mut self.rows)
    }
}

impl NativeRows for Together {
    #[inline]
    fn columns(&self) -> &Columns {
        &self.shape.columns
    }

    #[inline]
    fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, Mismatch> {
        // A row has a slot for each column: only an index that is not there ends here.
        let kind = *self.shape.kinds.get(column).ok_or_else(Mismatch::invalid)?;
        Ok(match *self.slots.get(row * self.shape.kinds.len() + column).ok_or_else(Mismatch::invalid)? {
            Slot::Null => Cell::Null,
            Slot::Int(value) => Cell::I64(value),
            Slot::UInt(value) => Cell::U64(value),
            Slot::Float(value) => Cell::F32(value),
            Slot::Double(value) => Cell::F64(value),
            Slot::Moment(at) => match kind {
                Kind::Date => Cell::Date(at.date()),
                Kind::Timestamp => Cell::DateTimeUtc(at.and_utc()),
                _ => Cell::DateTimeOrUtc(at),
            },
            Slot::Time(time) => Cell::Time(time),
            Slot::Outside => return Err(Mismatch::out_of_range()),
            Slot::Short { start, length } => return text(&self.heap[start as usize..][..length as usize], kind),
            Slot::Long(at) => return text(&self.long[at], kind),
        })
    }

    fn type_name(&self, _: usize, column: usize) -> &str {
        self.shape.columns.type_name(column).unwrap_or("unknown")
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
