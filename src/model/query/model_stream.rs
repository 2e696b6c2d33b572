//! [`ModelStream`]: the rows of a typed query one by one.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;

use crate::{
    data::row::Row,
    db::RowStream,
    error::{Error, Result},
};

/// The rows of a typed query, one by one, each read as an `R`, with memory that does not grow with their number.
///
/// It is a [`Stream`], and keeps its block's turn as [`RowStream`] does. A row that cannot be read is an error in its place.
#[must_use = "a stream does nothing unless it is polled"]
pub struct ModelStream<R> {
    rows: RowStream,
    read: fn(&Row) -> Result<R>,
    /// The statement, for the error of a row that cannot be read.
    sql: Box<str>,
}

impl<R> ModelStream<R> {
    pub(crate) fn new(rows: RowStream, read: fn(&Row) -> Result<R>, sql: String) -> Self {
        Self { rows, read, sql: sql.into() }
    }

    fn read(&self, row: Result<Row>) -> Result<R> {
        (self.read)(&row?).map_err(|error| error.in_row_of::<R>(&self.sql))
    }

    /// The next row; `None` at the end, and after an error of the server.
    ///
    /// # Cancel safety
    /// Dropped, it loses no row.
    pub async fn next(&mut self) -> Option<Result<R, Error>> {
        let row = self.rows.next().await?;
        Some(self.read(row))
    }
}

impl<R> Stream for ModelStream<R> {
    type Item = Result<R, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.rows).poll_next(cx).map(|row| row.map(|row| self.read(row)))
    }
}

impl<R> fmt::Debug for ModelStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, read: _, sql: _ } = self;
        f.debug_struct("ModelStream").field("rows", rows).finish_non_exhaustive()
    }
}
