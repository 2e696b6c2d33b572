//! What the server's own catalogue says of constraints: which columns a violated one has, and who refers to a table.
//!
//! The database is asked, and not the models: it may have been made by others, with names and tables that no model knows.
//! Used by the manager where a call goes by constraints. It writes nothing.

mod references;
mod unique;

pub(super) use self::{
    references::{Reference, TableId, references_below},
    unique::violated_columns,
};
