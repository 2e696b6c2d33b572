//! Creates and drops the tables of models: for tests and small programs, and as a first draft of a migration.
//!
//! `tables.rs` has the public calls, `order.rs` says which table comes first, `statements.rs` and `references.rs` write the
//! statements, with the types of `types.rs` and the names of `names.rs`. `violation.rs` goes the other way, from the
//! name of a violated constraint to its columns.

mod names;
mod order;
mod references;
mod statements;
mod tables;
mod types;
mod violation;

pub use self::tables::{create_statements, create_tables, drop_tables};
