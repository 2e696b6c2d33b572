//! Models: a struct for each table, typed columns, queries made of them, and the `Manager` that runs them.
//!
//! A query is data until it is run: [`Select`] and its kin hold [`Expr`]essions, which become a statement of sea_query for
//! the dialect at hand, and a [`Database`](crate::Database) runs that. Nothing here knows a connection, a pool or a frame:
//! every statement goes through the calls of `db`, and so takes part in the transaction that the task has open.

mod assignment;
mod catalog;
mod column;
mod columns;
pub mod derived;
mod expr;
mod field;
mod foreign_key;
mod hstore;
mod insert;
mod insert_plan;
mod key;
mod manager;
mod model_stream;
mod node;
mod number;
mod on_conflict;
mod operand;
mod order;
mod parts;
mod prefetch;
mod query;
mod read_back;
mod row_value;
mod rows;
mod select;
mod selection;
mod shape;
mod table;
mod text_enum;
mod traits;
mod update;
mod value_row;

pub use self::{
    assignment::Assignment,
    column::Column,
    columns::Columns,
    expr::Expr,
    field::{ColumnType, Field},
    foreign_key::{ForeignKey, Reference},
    insert::Insert,
    key::Key,
    manager::{DeleteRow, IntoSelect, Manager, RecursiveDelete},
    model_stream::ModelStream,
    number::Number,
    on_conflict::{ConflictTarget, OnConflict},
    operand::Operand,
    order::Order,
    prefetch::{Children, ChildrenOf, ChildrenWith, Prefetch, PrefetchType, Prefetched},
    query::Query,
    rows::Rows,
    select::Select,
    selection::Selection,
    shape::{Many, Maybe, One, Shape},
    table::{ColumnDef, IndexDef, ReferenceAction, ReferenceDef, Table},
    text_enum::TextEnum,
    traits::Model,
    update::{Delete, Returning, Update},
};
