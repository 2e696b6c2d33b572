//! What the output of the derive macros calls: constants of tables, checks of fields and values. `derived_reads.rs` has
//! what reads rows.
//!
//! It is public for that reason alone, as `nestling::__private`, and may change with every version.

use crate::{
    data::{row::Row, value::Value},
    model::{
        expr::{Node, Operand},
        table::{ColumnDef, ColumnType, ColumnWrite, Field, IndexDef, ReferenceAction, ReferenceDef, Stored, Table},
    },
};

/// What a column has that does not follow from the type of its field.
#[derive(Debug, Clone, Copy)]
pub struct ColumnSettings {
    /// As [`ColumnDef::auto`].
    pub auto: bool,
    /// As [`ColumnDef::max_length`].
    pub max_length: Option<u32>,
    /// As [`ColumnDef::default_sql`].
    pub default_sql: Option<&'static str>,
    /// As [`ColumnDef::check`].
    pub check: Option<&'static str>,
    /// As [`ColumnDef::references`].
    pub references: Option<ReferenceDef>,
    /// As [`ColumnDef::stored`].
    pub stored: Stored,
    /// As [`ColumnDef::write`].
    pub write: ColumnWrite,
}

impl ColumnSettings {
    /// Those of a field without attributes.
    pub const DEFAULT: Self = Self {
        auto: false,
        max_length: None,
        default_sql: None,
        check: None,
        references: None,
        stored: Stored::Native,
        write: ColumnWrite::Caller,
    };
}

/// A column. `(ty, null)` are the constants of its [`Field`].
#[must_use]
pub const fn column(
    name: &'static str,
    field: &'static str,
    (ty, null): (ColumnType, bool),
    settings: ColumnSettings,
) -> ColumnDef {
    let ColumnSettings { auto, max_length, default_sql, check, references, stored, write } = settings;
    ColumnDef { name, field, ty, null, auto, max_length, default_sql, check, references, stored, write }
}

/// An index, or a unique constraint.
#[must_use]
pub const fn index(columns: &'static [usize], unique: bool) -> IndexDef {
    IndexDef { columns, unique }
}

/// A table.
#[must_use]
pub const fn table(
    model: &'static str,
    schema: Option<&'static str>,
    name: &'static str,
    columns: &'static [ColumnDef],
    primary_key: &'static [usize],
    indexes: &'static [IndexDef],
) -> Table {
    Table { model, schema, name, columns, primary_key, indexes }
}

/// Whether the field is text.
#[must_use]
pub const fn is_text<T: Field>() -> bool {
    matches!(T::TYPE, ColumnType::Text)
}

/// Whether the field refers to a row.
#[must_use]
pub const fn is_reference<T: Field>() -> bool {
    T::REFERENCES.is_some()
}

/// Whether a database can number rows by the field.
#[must_use]
pub const fn can_be_auto<T: Field>() -> bool {
    let integer = matches!(T::TYPE, ColumnType::I16 | ColumnType::I32 | ColumnType::I64 | ColumnType::U64);
    integer && !T::NULL && !is_reference::<T>()
}

/// What the field refers to.
#[must_use]
pub const fn reference<T: Field>(
    on_delete: Option<ReferenceAction>,
    on_update: Option<ReferenceAction>,
    index: bool,
) -> Option<ReferenceDef> {
    match T::REFERENCES {
        Some(table) => Some(ReferenceDef { table, on_delete, on_update, index }),
        None => None,
    }
}

/// Who writes a column.
#[must_use]
pub const fn write(read_only: bool, generated: bool, sql: Option<&'static str>) -> ColumnWrite {
    match (generated, read_only) {
        (true, _) => ColumnWrite::Generated(sql),
        (false, true) => ColumnWrite::Database,
        (false, false) => ColumnWrite::Caller,
    }
}

/// A value in the form in which its column stores it.
#[inline]
#[must_use]
pub fn stored(table: &'static Table, column: usize, value: Value) -> Value {
    table.columns[column].stored_value(value)
}

/// The default of a field, as a value.
pub fn default_value<T: Field>(value: impl Operand<T>) -> Value {
    match value.into_node() {
        Node::Value(value) => value,
        _ => Value::Invalid("the default of a field is a value, not an expression of SQL"),
    }
}

/// A model was asked for the value of a column that its table does not have.
///
/// # Panics
/// Always: the numbers of columns come from the table itself.
#[cold]
pub fn no_column(table: &Table, column: usize) -> ! {
    panic!("the table of {} has no column {column}, but {}", table.model, table.columns.len())
}

/// Whether the first columns of a row are called so.
#[inline]
#[must_use]
pub fn begins_with(row: &Row, names: &[&str]) -> bool {
    let columns = row.columns();
    columns.len() >= names.len() && columns.zip(names).all(|(column, name)| column == *name)
}
