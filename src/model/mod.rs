//! Models: definitions of tables, columns and fields; tables created and dropped; calls on rows; prefetch.
//!
//! A struct with `#[derive(Model)]` is a table. Its rows are read and written by calls of the [`Manager`], or by statements
//! of [`query`](crate::query).

// The rooms, each of which imports from those before it: `table` (what a model says of its table), `expr` (expressions),
// `catalog` (what the database says of its tables), `schema` (tables made and dropped), `query` (typed statements),
// `prefetch` (rows with those that refer to them), `manager` (the calls on rows). The one exception is the trait `Model`,
// whose constructors make queries.
pub(crate) mod catalog;
pub(crate) mod derived;
pub(crate) mod derived_reads;
pub(crate) mod expr;
pub(crate) mod manager;
pub(crate) mod prefetch;
pub(crate) mod query;
pub(crate) mod schema;
pub(crate) mod table;

#[cfg(feature = "derive")]
pub use nestling_derive::{Field, IntEnum, Model, TextEnum};

pub use self::{
    expr::{Assignment, Column, Columns, Reference},
    manager::{DeleteRow, IntoSelect, Manager, RecursiveDelete},
    prefetch::{Children, ChildrenOf, ChildrenWith, Prefetch, PrefetchType, Prefetched},
    schema::{create_statements, create_tables, drop_tables},
    table::{
        ColumnDef, ColumnType, ColumnWrite, Field, ForeignKey, IndexDef, IntEnum, Key, Model, ReferenceAction,
        ReferenceDef, Stored, Table, TextEnum,
    },
};
