//! Rows of PostgreSQL as they were received: the bytes of many rows together, and where each value begins. A value
//! becomes a [`Cell`](crate::data::cell::Cell) when it is read.
//!
//! Used by the connection for every row; `decode.rs` knows the values.

use std::{mem, sync::Arc};

use smallvec::SmallVec;

use super::{decode::cell, expected_columns::ExpectedColumns, result_meta::ResultMeta};
use crate::{
    data::{
        cell::{Cell, Mismatch},
        row::{Columns, NativeRows, ROWS_TOGETHER, Row},
    },
    driver::Reader,
};

/// Rows that were read together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The position of each value's length, row by row. Most statements return one row.
    values: SmallVec<[u32; 8]>,
    count: usize,
}

impl Batch {
    /// Appends the body of a DataRow. False if its number of columns or its lengths are wrong.
    fn push(&mut self, body: &[u8], columns: usize) -> bool {
        let Some((count, mut rest)) = body.split_first_chunk() else { return false };
        let start = self.bytes.len();
        // A message has less than 2 GiB, and a batch ends when it is large.
        let Ok(end) = u32::try_from(start + body.len()) else { return false };
        if usize::from(u16::from_be_bytes(*count)) != columns {
            return false;
        }
        for _ in 0..columns {
            let Some((length, behind)) = rest.split_first_chunk() else { return false };
            self.values.push(end - rest.len() as u32);
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
            let Some(next) = behind.get(length..) else { return false };
            rest = next;
        }
        self.bytes.extend_from_slice(body);
        self.count += 1;
        rest.is_empty()
    }

    /// The value whose length is at a position; `None` for NULL.
    #[inline]
    fn value(&self, at: usize) -> Option<Option<&[u8]>> {
        let (length, rest) = self.bytes.get(at..)?.split_first_chunk()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => rest.get(..length).map(Some),
            Err(_) => Some(None),
        }
    }
}

/// Rows, with the columns that all rows of the statement share.
pub(crate) struct PgRows {
    batch: Batch,
    meta: Arc<ResultMeta>,
}

impl NativeRows for PgRows {
    #[inline]
    fn columns(&self) -> &Columns {
        &self.meta.columns
    }

    #[inline]
    fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, Mismatch> {
        let width = self.meta.types.len();
        if column >= width {
            return Err(Mismatch::invalid());
        }
        let at = self.batch.values.get(row * width + column).copied();
        let raw = at.and_then(|at| self.batch.value(at as usize)).ok_or_else(Mismatch::invalid)?;
        match (raw, self.meta.columns.reader(column)) {
            (None, _) => Ok(Cell::Null),
            (Some(raw), Some(read)) => read(raw),
            (raw, None) => cell(&self.meta.types[column], raw),
        }
    }

    fn type_name(&self, _: usize, column: usize) -> &str {
        self.meta.columns.type_name(column).unwrap_or("unknown")
    }
}

/// A batch of this size is completed.
const LARGE: usize = 64 << 10;

/// Collects the rows of one run of a statement.
pub(super) struct RowCollector {
    meta: Arc<ResultMeta>,
    batch: Batch,
    rows: Vec<Row>,
    reader: Option<Arc<dyn Reader>>,
    /// The described columns of a statement without a name.
    expected: Option<Box<ExpectedColumns>>,
}

impl RowCollector {
    pub(super) fn new(meta: Arc<ResultMeta>, reader: Option<Arc<dyn Reader>>) -> Self {
        if let Some(reader) = &reader {
            reader.begin();
        }
        Self { meta, batch: Batch::default(), rows: Vec::new(), reader, expected: None }
    }

    /// For a statement without a name, whose columns may have changed.
    pub(super) fn expecting(expected: ExpectedColumns, reader: Option<Arc<dyn Reader>>) -> Self {
        let meta = Arc::clone(expected.meta());
        Self { expected: Some(Box::new(expected)), ..Self::new(meta, reader) }
    }

    /// Takes the description of the rows. False if it is not understood or not expected.
    pub(super) fn describe(&mut self, tag: u8, body: &[u8]) -> bool {
        let Some(expected) = &mut self.expected else { return false };
        let is_understood = expected.compare(tag, body);
        self.meta = Arc::clone(expected.meta());
        is_understood
    }

    /// Keeps a row back if its types are not known yet.
    pub(super) fn keep_back(&mut self, body: &[u8]) -> bool {
        self.expected.as_mut().is_some_and(|expected| expected.keep_back(body))
    }

    /// The columns that were found, once all is read.
    pub(super) fn take_expected(&mut self) -> Option<Box<ExpectedColumns>> {
        self.expected.take()
    }

    /// Takes the rows that were kept back, now that their types are known.
    pub(super) fn resume(&mut self, meta: Arc<ResultMeta>, rows: &[Vec<u8>]) -> bool {
        self.meta = meta;
        rows.iter().all(|row| self.push(row))
    }

    /// Appends a row, by the body of its message. False if it is not understood.
    pub(super) fn push(&mut self, body: &[u8]) -> bool {
        if self.batch.count == ROWS_TOGETHER || self.batch.bytes.len() > LARGE {
            let (bytes, values) = (self.batch.bytes.len(), self.batch.values.len());
            match &self.reader {
                Some(reader) => {
                    let (together, count) = take_batch(&mut self.batch, &self.meta);
                    reader.read(together, count);
                }
                None => self.finish_batch(),
            }
            // The next batch will be about as large.
            self.batch.bytes.reserve(bytes);
            self.batch.values.reserve(values);
        }
        self.batch.push(body, self.meta.types.len())
    }

    fn finish_batch(&mut self) {
        if self.batch.count > 0 {
            let (together, count) = take_batch(&mut self.batch, &self.meta);
            self.rows.reserve(count);
            self.rows.extend((0..count).map(|at| Row::among(&together, at)));
        }
    }

    /// The rows since the last time, or those that no reader has taken.
    pub(super) fn take(&mut self) -> Vec<Row> {
        self.finish_batch();
        mem::take(&mut self.rows)
    }
}

fn take_batch(batch: &mut Batch, meta: &Arc<ResultMeta>) -> (Arc<PgRows>, usize) {
    let batch = mem::take(batch);
    let count = batch.count;
    (Arc::new(PgRows { batch, meta: Arc::clone(meta) }), count)
}

#[cfg(test)]
mod tests {
    use postgres_types::Type;

    use super::*;

    fn body(values: &[Option<&str>]) -> Vec<u8> {
        let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
            body.extend(length.to_be_bytes());
            body.extend(value.unwrap_or_default().bytes());
        }
        body
    }

    #[test]
    fn rows_are_kept_as_they_came() {
        let meta = ResultMeta::new(&[("a".into(), Type::TEXT), ("b".into(), Type::TEXT)], true);
        let mut collector = RowCollector::new(Arc::new(meta), None);
        for at in 0..300 {
            assert!(collector.push(&body(&[Some(&at.to_string()), (at % 2 == 0).then_some("even")])));
        }
        let rows = collector.take();
        assert_eq!(rows.len(), 300);
        for (at, row) in rows.iter().enumerate() {
            let (number, even): (String, Option<String>) = row.to().unwrap();
            assert_eq!((number, even.is_some()), (at.to_string(), at % 2 == 0));
        }
        assert!(collector.take().is_empty());
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let whole = body(&[Some("abc"), None]);
        for end in 0..=whole.len() {
            let mut batch = Batch::default();
            assert_eq!(batch.push(&whole[..end], 2), end == whole.len(), "{end}");
        }
        assert!(!Batch::default().push(&whole, 1));
        assert!(!Batch::default().push(&[&whole[..], &[0]].concat(), 2));
    }
}
