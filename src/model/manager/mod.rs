//! The [`Manager`]: the calls on rows of models. Calls that read are in `read.rs`, those that write in files named
//! after them.
//!
//! Every statement goes through [`Database`](crate::Database), and so takes part in the transaction that the task has open.

mod bulk_create;
mod create_or_get;
mod delete;
mod get_or_create;
mod manager;
mod read;
mod recursive;
mod source;
mod write;

pub use self::{
    delete::{DeleteRow, RecursiveDelete},
    manager::Manager,
    source::IntoSelect,
};
