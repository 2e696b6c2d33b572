//! The catalogue of the database: the columns of constraints, the foreign keys to a table, the types of columns.
//!
//! The models are not enough: other programs may have made the database, with names and tables that no model has.

mod references;
mod types;
mod unique;

pub(super) use self::{
    references::{Reference, TableId, references_below},
    types::column_types,
    unique::{UniqueKey, unique_keys, violated_columns},
};
