//! SQLite, embedded, by rusqlite: connect, run, control, classify errors, convert values. A statement runs on the spot
//! where the runtime allows it, and on a thread of the connection's own elsewhere. It knows no pool, no frames, no models.

mod classify;
mod connection;
mod decimals;
mod driver;
mod flight;
mod job;
mod known;
mod once;
mod open;
mod place;
mod placeholders;
mod rows;
mod stop;
mod url;
mod values;
mod waits;
mod write_lock;
mod writing;

pub(crate) use self::{connection::SqliteConnection, driver::SqliteDriver};
