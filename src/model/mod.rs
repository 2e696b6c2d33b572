//! Models: a struct for each table, typed columns, queries made of them, and the `Manager` that runs them.
//!
//! A query is data until it is run: [`Select`] and its kin hold [`Expr`]essions, which write
//! themselves for the dialect at hand, and a [`Database`](crate::Database) runs the text. Nothing here knows a connection, a pool or a frame:
//! every statement goes through the calls of `db`, and so takes part in the transaction that the task has open.

#[macro_use]
mod fetch;
#[macro_use]
mod methods;
mod aggregate;
mod among;
mod assignment;
mod bulk_upsert;
mod cast;
mod catalog;
mod column;
mod columns;
pub mod derived;
mod expr;
mod field;
mod foreign_key;
pub mod functions;
mod hstore;
mod insert;
mod insert_plan;
mod join;
mod json_path;
mod key;
mod literal;
mod manager;
mod model_stream;
mod node;
mod number;
mod on_conflict;
mod operand;
mod operator;
mod order;
mod parts;
mod prefetch;
mod query;
mod raw;
mod read_back;
mod relation;
mod returning;
mod row_value;
mod rows;
mod schema;
mod select;
mod select_text;
mod selection;
mod shape;
mod stored;
mod sub_query;
mod table;
mod text;
mod text_enum;
mod traits;
mod union;
mod update;
mod value_row;
mod violation;

pub use self::{
    assignment::Assignment,
    column::Column,
    columns::Columns,
    expr::Expr,
    field::{ColumnType, Field},
    foreign_key::ForeignKey,
    insert::Insert,
    join::Reference,
    json_path::{Document, JsonPath, JsonStep},
    key::Key,
    manager::{DeleteRow, IntoSelect, Manager, RecursiveDelete},
    model_stream::ModelStream,
    number::{Number, Ordered},
    on_conflict::{ConflictTarget, OnConflict},
    operand::Operand,
    order::Order,
    prefetch::{Children, ChildrenOf, ChildrenWith, Prefetch, PrefetchType, Prefetched},
    query::Query,
    raw::{Raw, raw},
    relation::{Optional, Relation},
    returning::Returning,
    row_value::RowValue,
    rows::Rows,
    schema::{create_statements, create_tables, drop_tables},
    select::Select,
    selection::{Named, Selection},
    shape::{Many, Maybe, One, Shape},
    stored::Stored,
    table::{ColumnDef, ColumnWrite, IndexDef, ReferenceAction, ReferenceDef, Table},
    text::Text,
    text_enum::TextEnum,
    traits::Model,
    union::{Compound, Union},
    update::{Delete, Update},
};
