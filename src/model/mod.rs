//! Models: a struct for each table, typed columns, queries made of them, and the `Manager` that runs them.
//!
//! A query is data until it is run: [`Select`] and its kin hold [`Expr`]essions, which become a statement of sea_query for
//! the dialect at hand, and a [`Database`](crate::Database) runs that. Nothing here knows a connection, a pool or a frame:
//! every statement goes through the calls of `db`, and so takes part in the transaction that the task has open.

mod assignment;
mod column;
mod expr;
mod field;
mod foreign_key;
mod hstore;
mod key;
mod node;
mod operand;
mod query;
mod select;
mod selection;
mod table;
mod traits;

pub use self::{
    assignment::Assignment,
    column::Column,
    expr::Expr,
    field::{ColumnType, Field},
    foreign_key::ForeignKey,
    key::Key,
    operand::Operand,
    query::Query,
    select::{Order, Select},
    selection::Selection,
    table::{ColumnDef, IndexDef, ReferenceAction, ReferenceDef, Table},
    traits::Model,
};
