//! SQLite, embedded, by rusqlite: open, run, control, classify errors, convert values. A statement runs inline where
//! the runtime allows it, otherwise on a thread of the connection. The module knows no pool, no frames, no models.

mod attempt;
mod cancel_flag;
mod classify;
mod connection;
mod connection_state;
mod decimals;
mod driver;
mod job;
mod native_error;
mod once;
mod open;
mod placeholders;
mod rows;
mod run_on;
mod shared;
mod statement_meta;
mod steps;
mod url;
mod values;
mod waits;
mod write_access;
mod write_lock;

pub(crate) use self::{connection::SqliteConnection, driver::SqliteDriver};
