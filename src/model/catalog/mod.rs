//! What the server's own catalogue says of constraints: which columns a violated one has, who refers to a table; and of what
//! types its columns are.
//!
//! The database is asked, and not the models: it may have been made by others, with names and tables that no model knows.
//! Used by the manager where a call goes by constraints. It writes nothing.

mod references;
mod types;
mod unique;

pub(super) use self::{
    references::{Reference, TableId, references_below},
    types::column_types,
    unique::{UniqueKey, unique_keys, violated_columns},
};
