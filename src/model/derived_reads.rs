//! What the output of the derive macros calls to read rows: columns and cells of fields.
//!
//! It is public for that reason alone, as `nestling::__private`, and may change with every version.

use std::{any, error::Error as StdError};

use crate::{
    data::{
        cell::{Cell, FromCell, Mismatch},
        row::{Row, RowIndex},
    },
    error::Result,
    model::table::{ColumnType, Field, IntEnum, TextEnum},
};

/// Reads a field of a model. The bound gives the one message that helps where a type is not a field.
///
/// # Errors
/// As [`Row::get`].
#[inline]
pub fn read<T: Field>(row: &Row, column: impl RowIndex) -> Result<T> {
    row.get(column)
}

/// Reads the field of a newtype.
///
/// # Errors
/// As its `FromCell`.
#[inline]
pub fn read_cell<T: Field>(cell: Cell<'_>) -> Result<T, Mismatch> {
    T::from_cell(cell)
}

/// The number of a column, if the row has it.
#[inline]
pub fn position(row: &Row, column: impl RowIndex) -> Option<usize> {
    column.find(row).filter(|at| *at < row.len())
}

/// Reads a document.
///
/// # Errors
/// As [`Row::get`].
#[cfg(feature = "serde_json")]
pub fn read_json<T: serde::de::DeserializeOwned>(row: &Row, column: impl RowIndex) -> Result<T> {
    row.get::<crate::data::json::Json<T>>(column).map(|document| document.0)
}

/// Reads a document, or `None` for NULL.
///
/// # Errors
/// As [`Row::get`].
#[cfg(feature = "serde_json")]
pub fn read_json_or_null<T: serde::de::DeserializeOwned>(row: &Row, column: impl RowIndex) -> Result<Option<T>> {
    Ok(row.get::<Option<crate::data::json::Json<T>>>(column)?.map(|document| document.0))
}

/// Reads a column as an `F`, and converts that.
///
/// # Errors
/// As [`Row::get`]; `Decode`, with the error of the conversion as its source, if that fails.
pub fn read_try_from<F, T>(row: &Row, column: impl RowIndex) -> Result<T>
where
    F: for<'r> FromCell<'r>,
    T: TryFrom<F, Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    // A column that is not there is the error of this call.
    let value: F = row.get(&column)?;
    T::try_from(value).map_err(|error| {
        let mismatch = Mismatch::new("its `TryFrom` has refused the value");
        row.refused(position(row, &column).unwrap_or_default(), &mismatch, any::type_name::<T>())
            .with_boxed_source(error.into())
    })
}

/// Reads the text of an enum.
///
/// # Errors
/// If it is no text, or one that no variant has.
pub fn read_text_enum<T: TextEnum>(cell: Cell<'_>) -> Result<T, Mismatch> {
    let text = <&str>::from_cell(cell)?;
    let unknown = || {
        let texts: Vec<_> = T::TEXTS.iter().map(|text| format!("{text:?}")).collect();
        Mismatch::new(format!("the text is none of its variants, which are {}", texts.join(", ")))
    };
    T::from_text(text).ok_or_else(unknown)
}

/// Reads the integer of an enum.
///
/// # Errors
/// If it is no integer, or one that no variant has.
pub fn read_int_enum<T: IntEnum>(cell: Cell<'_>) -> Result<T, Mismatch> {
    let int = i64::from_cell(cell)?;
    let unknown = || {
        let values: Vec<_> = T::VALUES.iter().map(i64::to_string).collect();
        Mismatch::new(format!("the integer is none of its variants, which are {}", values.join(", ")))
    };
    T::from_int(int).ok_or_else(unknown)
}

/// Whether a column of the type holds all integers of an enum.
///
/// # Panics
/// If not: the derive macro calls it when the program is compiled.
pub const fn check_int_enum<T: IntEnum>(column: ColumnType) {
    let (least, most) = match column {
        ColumnType::I16 => (i16::MIN as i64, i16::MAX as i64),
        ColumnType::I32 => (i32::MIN as i64, i32::MAX as i64),
        _ => (i64::MIN, i64::MAX),
    };
    let mut at = 0;
    while at < T::VALUES.len() {
        let fits = T::VALUES[at] >= least && T::VALUES[at] <= most;
        assert!(fits, "a discriminant does not fit the column: give the enum `#[repr(i64)]`");
        at += 1;
    }
}
