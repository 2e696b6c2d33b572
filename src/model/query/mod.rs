//! Typed statements: select, insert, update, delete, unions, and raw SQL.
//!
//! A query is data until it is run. It is written as text for the dialect of the database at hand, and sent through the
//! calls of `db`.

mod bulk_upsert;
mod by_keys;
mod cardinality;
pub mod functions;
mod insert;
mod insert_plan;
mod join;
mod model_stream;
mod nested;
mod on_conflict;
mod page;
mod query;
mod raw;
mod read_back;
mod relation;
mod returning;
mod select;
mod select_ast;
mod select_text;
mod selection;
mod union;
mod update;

pub use self::{
    cardinality::{Cardinality, Many, Maybe, One},
    insert::Insert,
    model_stream::ModelStream,
    on_conflict::{ConflictTarget, OnConflict},
    page::{Page, PageOf},
    query::{Query, Rows},
    raw::{Raw, raw},
    relation::{Optional, Relation},
    returning::Returning,
    select::Select,
    selection::{Named, Selection},
    union::{Compound, Union},
    update::{Delete, Update},
};
pub(crate) use self::{
    insert_plan::{InsertPlan, write_returning},
    select::render,
    select_ast::{FromItem, Join, JoinKind, Lock, LockKind, LockWait},
};
