//! [`Model`]: a struct whose values are the rows of a table.

use super::{
    assignment::Assignment,
    insert::Insert,
    insert_plan::Plan,
    key::{Key, is_key},
    select::Select,
    shape::{Many, One},
    table::Table,
    update::{Delete, Update},
};
use crate::{
    error::Result,
    row::{FromRow, Row},
    value::Value,
};

/// A struct whose values are the rows of a table. Made by `#[derive(Model)]`.
pub trait Model: FromRow + Send + Sync + 'static {
    /// The type of the primary key: that of its field, or a tuple for several.
    type Key: Key;

    /// The table.
    const TABLE: &'static Table;

    /// The primary key of this row.
    fn key(&self) -> Self::Key;

    /// The value of the field that belongs to a column, by the number of the column.
    #[doc(hidden)]
    fn value(&self, column: usize) -> Value;

    /// What a new row gets in a column that it is not given a value for, if the model says so.
    #[doc(hidden)]
    fn default_value(column: usize) -> Option<Value>;

    /// Reads a row whose columns from `first` on are those of the table, in its order.
    #[doc(hidden)]
    fn read(row: &Row, first: usize) -> Result<Self>;

    /// All rows of the table, to be narrowed down.
    #[must_use]
    fn select() -> Select<Self> {
        Select::new()
    }

    /// The row with this primary key, as a query.
    #[must_use]
    fn by_key(key: impl Into<Self::Key>) -> Select<Self> {
        Self::select().filter(is_key::<Self>(&key.into()))
    }

    /// Inserts a row with these values; the model's defaults are filled in. It gives back the key.
    fn insert(assignments: impl IntoIterator<Item = Assignment<Self>>) -> Insert<Self, One> {
        Insert::new(Plan::of_assignments([assignments]))
    }

    /// Inserts several rows by one statement, or as few as the server's limit on parameters allows: all or none of them.
    fn insert_many(rows: impl IntoIterator<Item = impl IntoIterator<Item = Assignment<Self>>>) -> Insert<Self, Many> {
        Insert::new(Plan::of_assignments(rows))
    }

    /// Inserts whole rows, as [`insert_many`](Self::insert_many). A key that the database numbers and that is 0 is left to
    /// the database.
    fn insert_rows<'m>(rows: impl IntoIterator<Item = &'m Self>) -> Insert<Self, Many> {
        Insert::new(Plan::of_rows(rows))
    }

    /// Updates rows: all of the table, to be narrowed down.
    fn update(assignments: impl IntoIterator<Item = Assignment<Self>>) -> Update<Self> {
        Update::new(assignments)
    }

    /// Deletes rows: all of the table, to be narrowed down.
    fn delete() -> Delete<Self> {
        Delete::new()
    }
}
