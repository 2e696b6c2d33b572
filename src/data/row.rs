//! [`Row`]: one row of a result, still in the form of its driver, read column by column into Rust types.
//!
//! Drivers implement [`NativeRows`], or [`NativeRow`] for one; callers and the models read. It knows no driver, and puts the names of column and
//! types to what a [`FromCell`] has to say.

use std::{any, fmt, sync::Arc};

use crate::{
    data::cell::{Cell, FromCell, Mismatch, ReadElement},
    error::{Error, ErrorKind, Result, short},
};

/// A row of a driver.
pub(crate) trait NativeRow: fmt::Debug + Send + Sync {
    /// The columns, shared by all rows of a result.
    fn columns(&self) -> &Columns;

    /// The value of a column. An index that is not there MUST be an error, of whatever kind: [`Row`] finds out, so that
    /// the check is made once only.
    fn cell(&self, index: usize) -> Result<Cell<'_>, Mismatch>;

    /// The SQL type of a column, for messages. Back ends whose values have types of their own SHOULD tell that.
    fn type_name(&self, index: usize) -> &str {
        self.columns().type_name(index).unwrap_or("unknown")
    }
}

/// Rows of a driver that were read together: one allocation for all of them.
pub(crate) trait NativeRows: Send + Sync {
    /// The columns, shared by all rows of a result.
    fn columns(&self) -> &Columns;

    /// The value of a column of a row. A column that is not there MUST be an error, of whatever kind.
    fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, Mismatch>;

    /// The SQL type of a column of a row, for messages.
    fn type_name(&self, row: usize, column: usize) -> &str;
}

/// How many rows are kept together at most: one that is held on to holds the others in memory.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite-system")),
    allow(dead_code, reason = "serves drivers not built")
)]
pub(crate) const ROWS_TOGETHER: usize = 128;

/// A row that was read by itself.
struct Single<N>(N);

impl<N: NativeRow> NativeRows for Single<N> {
    fn columns(&self) -> &Columns {
        self.0.columns()
    }

    #[inline]
    fn cell(&self, _: usize, column: usize) -> Result<Cell<'_>, Mismatch> {
        self.0.cell(column)
    }

    fn type_name(&self, _: usize, column: usize) -> &str {
        self.0.type_name(column)
    }
}

/// The columns of a result: made once for each statement, behind an `Arc`.
#[derive(Debug)]
pub(crate) struct Columns(Box<[Column]>);

#[derive(Debug)]
struct Column {
    name: Box<str>,
    /// The name of the SQL type, if the column has one.
    type_name: Option<Box<str>>,
    /// How all values of the column are read, if a driver has found out beforehand.
    read: Option<ReadElement>,
}

impl Columns {
    /// Columns of these names and SQL types.
    pub(crate) fn new<N: Into<Box<str>>>(columns: impl IntoIterator<Item = (N, Option<String>)>) -> Self {
        let column = |(name, type_name): (N, Option<String>)| Column {
            name: name.into(),
            type_name: type_name.map(Into::into),
            read: None,
        };
        Self(columns.into_iter().map(column).collect())
    }

    /// Keeps how the values of each column are read, to save finding it out for each row.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "serves a driver that is not built"))]
    pub(crate) fn with_readers(mut self, readers: impl IntoIterator<Item = Option<ReadElement>>) -> Self {
        for (column, read) in self.0.iter_mut().zip(readers) {
            column.read = read;
        }
        self
    }

    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "serves a driver that is not built"))]
    #[inline]
    pub(crate) fn reader(&self, index: usize) -> Option<ReadElement> {
        self.0.get(index)?.read
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|column| &*column.name)
    }

    pub(crate) fn type_name(&self, index: usize) -> Option<&str> {
        self.0.get(index)?.type_name.as_deref()
    }

    /// The first column of this name. Rows are short: looking along them beats hashing.
    #[inline]
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| *column.name == *name)
    }
}

/// A row of a result.
///
/// Its columns are decoded when they are asked for, straight into the Rust type. Its `Debug` tells the names of the
/// columns and never the values.
pub struct Row {
    rows: Arc<dyn NativeRows>,
    /// Which of them it is.
    at: usize,
}

impl Row {
    #[cfg_attr(not(any(feature = "mysql", test)), allow(dead_code, reason = "serves a driver that is not built"))]
    pub(crate) fn new(native: impl NativeRow + 'static) -> Self {
        Self { rows: Arc::new(Single(native)), at: 0 }
    }

    /// The row of some number among those that were read together.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql", feature = "sqlite-system")),
        allow(dead_code, reason = "serves drivers not built")
    )]
    #[inline]
    pub(crate) fn among(rows: &Arc<impl NativeRows + 'static>, at: usize) -> Self {
        let rows = Arc::clone(rows);
        Self { rows, at }
    }

    /// The same row once more.
    pub(crate) fn again(&self) -> Self {
        Self { rows: Arc::clone(&self.rows), at: self.at }
    }

    /// The rows that were read together, one after the other, as one value: nothing is counted for each of them.
    pub(crate) fn each<E>(
        rows: Arc<dyn NativeRows>,
        count: usize,
        mut read: impl FnMut(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut row = Self { rows, at: 0 };
        for at in 0..count {
            row.at = at;
            read(&row)?;
        }
        Ok(())
    }

    /// Reads a column, by its name or by its number, counted from 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if there is no such column, if it is NULL and `T` is no `Option`, if its type cannot be
    /// read as `T`, or if its value does not fit. The message names the column and both types, never the value.
    #[inline]
    pub fn get<'r, T: FromCell<'r>>(&'r self, column: impl RowIndex) -> Result<T> {
        let Some(index) = column.find(self) else {
            return Err(self.unknown(&column));
        };
        match self.rows.cell(self.at, index).and_then(T::from_cell) {
            Ok(value) => Ok(value),
            Err(mismatch) => Err(self.refused(index, &mismatch, any::type_name::<T>())),
        }
    }

    /// Reads the whole row, into a tuple or a model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`], as of [`get`](Self::get).
    pub fn to<T: FromRow>(&self) -> Result<T> {
        T::from_row(self)
    }

    /// The names of the columns.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rows.columns().names()
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.columns().len()
    }

    /// Whether the row has no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn unknown(&self, column: &dyn fmt::Display) -> Error {
        let names = self.columns().collect::<Vec<_>>().join(", ");
        let count = self.len();
        let message = format!("the row has no column {column}, but these {count}: {names}");
        Error::new(ErrorKind::Decode, message)
    }

    /// The error of a column that cannot be read.
    #[cold]
    pub(crate) fn refused(&self, index: usize, mismatch: &Mismatch, rust: &str) -> Error {
        if index >= self.len() {
            return self.unknown(&index);
        }
        let name = self.columns().nth(index).unwrap_or_default();
        let message = mismatch.describe(name, self.rows.type_name(self.at, index), &short(rust));
        Error::new(ErrorKind::Decode, message)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, at: _ } = self;
        f.debug_tuple("Row").field(&rows.columns().names().collect::<Vec<_>>()).finish()
    }
}

/// What a column of a row is found by: its name or its number.
pub trait RowIndex: fmt::Display + sealed::Sealed {
    /// The number of the column in the row, which may be too high.
    #[doc(hidden)]
    fn find(&self, row: &Row) -> Option<usize>;
}

mod sealed {
    /// Keeps [`RowIndex`](super::RowIndex) to the types of this file.
    pub trait Sealed {}

    impl Sealed for usize {}
    impl Sealed for str {}
    impl Sealed for String {}
    impl<T: Sealed + ?Sized> Sealed for &T {}
}

impl RowIndex for usize {
    #[inline]
    fn find(&self, _: &Row) -> Option<usize> {
        Some(*self)
    }
}

impl RowIndex for str {
    #[inline]
    fn find(&self, row: &Row) -> Option<usize> {
        row.rows.columns().position(self)
    }
}

impl RowIndex for String {
    #[inline]
    fn find(&self, row: &Row) -> Option<usize> {
        row.rows.columns().position(self)
    }
}

impl<T: RowIndex + ?Sized> RowIndex for &T {
    #[inline]
    fn find(&self, row: &Row) -> Option<usize> {
        (**self).find(row)
    }
}

/// A type that is read from a whole row.
///
/// Implemented for tuples of up to twelve columns, which are read in their order; further columns are left alone. For a
/// struct, `#[derive(FromRow)]` reads columns by the names of its fields.
///
/// It may be called while the statement is still under way, on any thread: it must not wait for the same database.
///
/// # Examples
/// ```
/// use nestling::{Database, FromRow, params};
///
/// #[derive(Debug, PartialEq, FromRow)]
/// struct Line {
///     name: String,
///     films: i64,
/// }
///
/// # #[tokio::main] async fn main() -> nestling::Result<()> {
/// let db = Database::open("sqlite::memory:")?;
/// let row = db.query_one("select 3 as films, 'Kurosawa' as name", params![]).await?;
/// assert_eq!(row.to::<Line>()?, Line { name: "Kurosawa".into(), films: 3 });
/// let (films, name): (i64, String) = row.to()?;
/// assert_eq!((films, &*name), (3, "Kurosawa"));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "a row cannot be read as `{Self}`",
    note = "a single column is read as the tuple `({Self},)`"
)]
pub trait FromRow: Sized {
    /// Reads the row.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if a column is missing or cannot be read.
    fn from_row(row: &Row) -> Result<Self>;
}

/// `FromRow` for the tuple of the given types, and for all shorter ones.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        tuples!($($rest)*);
        tuples!(@one $first $($rest)*);
    };
    (@one $($type:ident)+) => {
        impl<$($type: for<'r> FromCell<'r>),+> FromRow for ($($type,)+) {
            fn from_row(row: &Row) -> Result<Self> {
                let mut count = 0;
                // A block for each type, as the types are all that the macro has to count by.
                Ok(($({
                    count += 1;
                    row.get::<$type>(count - 1)?
                },)+))
            }
        }
    };
}

tuples!(A B C D E F G H I J K L);

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
