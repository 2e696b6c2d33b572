//! The manager: what its calls promise (rules 64 to 70 and 72), on every back end.

mod bulk;
mod create_or_get;
mod delete;
mod delete_shapes;
mod get;
mod get_or_create;
mod people;
mod reading;
mod writing;
