//! Models: a struct for each table, typed columns, queries made of them, and the `Manager` that runs them.
//!
//! The rooms, each of which imports from those above it: `table` (what a model says of its table), `expr` (expressions),
//! `catalog` (what the database says of its tables), `schema` (tables made and dropped), `query` (typed statements),
//! `prefetch` (rows with those that refer to them), `manager` (the calls on rows). The one exception is the trait
//! [`Model`], whose constructors make queries.

mod catalog;
pub mod derived;
mod expr;
mod manager;
mod prefetch;
mod query;
mod schema;
mod table;

pub use self::{
    expr::{
        Assignment, Column, Columns, Document, Expr, JsonPath, JsonStep, Number, Operand, Order, Ordered, Reference,
        RowValue, Text,
    },
    manager::{DeleteRow, IntoSelect, Manager, RecursiveDelete},
    prefetch::{Children, ChildrenOf, ChildrenWith, Prefetch, PrefetchType, Prefetched},
    query::{
        Compound, ConflictTarget, Delete, Insert, Many, Maybe, ModelStream, Named, OnConflict, One, Optional, Query,
        Raw, Relation, Returning, Rows, Select, Selection, Shape, Union, Update, functions, raw,
    },
    schema::{create_statements, create_tables, drop_tables},
    table::{
        ColumnDef, ColumnType, ColumnWrite, Field, ForeignKey, IndexDef, Key, Model, ReferenceAction, ReferenceDef,
        Stored, Table, TextEnum,
    },
};
