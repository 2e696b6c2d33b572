//! [`Table`]: the definition of a model's table, as a constant: columns, keys, indexes. The derive macro makes it.

use std::fmt;

use super::{column_type::ColumnType, stored::Stored};
use crate::{
    data::value::Value,
    db::Writer,
    error::{Error, ErrorKind, Result},
};

/// A table.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Table {
    /// The name of the model, for messages.
    pub model: &'static str,
    /// The schema, where it is not the one that the connection has by default.
    pub schema: Option<&'static str>,
    /// The name of the table.
    pub name: &'static str,
    /// The columns, in the order of the fields.
    pub columns: &'static [ColumnDef],
    /// The columns of the primary key, by their numbers.
    pub primary_key: &'static [usize],
    /// Indexes and unique constraints, of one column or several.
    pub indexes: &'static [IndexDef],
}

/// A column.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ColumnDef {
    /// The name of the column.
    pub name: &'static str,
    /// The name of the field, for messages.
    pub field: &'static str,
    /// Its SQL type.
    pub ty: ColumnType,
    /// Whether it may be NULL.
    pub null: bool,
    /// Whether the database numbers it (identity, AUTO_INCREMENT).
    pub auto: bool,
    /// How many characters text may have.
    pub max_length: Option<u32>,
    /// The default of the database, as SQL.
    pub default_sql: Option<&'static str>,
    /// The CHECK constraint, as SQL.
    pub check: Option<&'static str>,
    /// The foreign key, if it is one.
    pub references: Option<ReferenceDef>,
    /// The form in which it stores its values.
    pub stored: Stored,
    /// Who writes it.
    pub write: ColumnWrite,
}

/// Who writes a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnWrite {
    /// Inserts and updates do.
    Caller,
    /// The database alone does: a default, a trigger.
    Database,
    /// The database generates it, by this expression if the model has one.
    Generated(Option<&'static str>),
}

/// An index or a unique constraint.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct IndexDef {
    /// Its columns, by their numbers.
    pub columns: &'static [usize],
    /// Whether it is unique.
    pub unique: bool,
}

/// The reference of a foreign key to the primary key of another table.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ReferenceDef {
    /// The other table. A function, as two tables may refer to each other.
    pub table: fn() -> &'static Table,
    /// ON DELETE.
    pub on_delete: Option<ReferenceAction>,
    /// ON UPDATE.
    pub on_update: Option<ReferenceAction>,
    /// Whether the column has an index of its own, unless another index or key begins with it.
    pub index: bool,
}

impl fmt::Debug for ReferenceDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The other table may refer back: its name is enough.
        let Self { table, on_delete, on_update, index } = self;
        let mut out = f.debug_struct("ReferenceDef");
        out.field("table", &table().name).field("on_delete", on_delete).field("on_update", on_update);
        out.field("index", index).finish()
    }
}

/// The action of a foreign key when the row that it refers to is deleted, or its key changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceAction {
    /// The row is deleted, or changes, too.
    Cascade,
    /// The reference becomes NULL.
    SetNull,
    /// The reference gets its default.
    SetDefault,
    /// It is refused.
    Restrict,
    /// It is refused if it still violates the constraint at the end.
    NoAction,
}

impl Table {
    /// Writes the name of the table, with its schema.
    pub(crate) fn write(&self, to: &mut Writer) {
        to.table(self.schema, self.name);
    }

    /// The columns of the primary key.
    pub fn key(&self) -> impl ExactSizeIterator<Item = &'static ColumnDef> + use<> {
        let columns = self.columns;
        self.primary_key.iter().map(move |&index| &columns[index])
    }

    /// Whether the column is part of the primary key.
    #[must_use]
    pub fn is_key(&self, index: usize) -> bool {
        self.primary_key.contains(&index)
    }

    /// The column that the database numbers new rows by, if there is one.
    #[must_use]
    pub fn auto_column(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.auto)
    }

    /// Whether it is the same table. (A constant has no unique address.)
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.schema, self.name) == (other.schema, other.name)
    }

    /// The columns that are not read-only.
    pub(crate) fn writable(&self) -> impl Iterator<Item = usize> + use<> {
        let columns = self.columns;
        (0..columns.len()).filter(move |&column| !columns[column].is_read_only())
    }

    /// An error for a read-only column.
    pub(crate) fn check_writable(&self, column: usize) -> Result<()> {
        let def = &self.columns[column];
        if !def.is_read_only() {
            return Ok(());
        }
        let text = format!("the field {} of {} is read-only: only the database writes it", def.field, self.model);
        Err(Error::new(ErrorKind::Config, text))
    }
}

impl ColumnDef {
    /// Whether only the database writes it.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.write != ColumnWrite::Caller
    }

    /// The form of its values: its own, or that of the key that it refers to.
    pub(crate) fn form(&self) -> Stored {
        let mut def = self;
        // Keys that refer to each other in a cycle have no form.
        for _ in 0..16 {
            let Some(reference) = def.references.filter(|_| def.stored == Stored::Native) else { break };
            let Some(key) = (reference.table)().key().next() else { break };
            def = key;
        }
        def.stored
    }
    /// A value in the form in which the column stores it.
    #[inline]
    pub(crate) fn stored_value(&self, value: Value) -> Value {
        match value {
            Value::Uuid(_) | Value::DateTimeUtc(_) => self.form().value(value),
            value => value,
        }
    }
}
