//! MySQL and MariaDB, by mysql_async: connect, run, control, classify errors, convert values. It knows no pool, no
//! frames, no models.
//!
//! A connection runs one command at a time. Owed steps go out in one multi-statement message, then the prepared
//! statement; a statement without parameters whose rows nobody wants rides in the same message. After every success the
//! server tells in its status flags whether a transaction is open.

mod classify;
mod command;
mod connection;
mod detached;
mod dial;
mod driver;
mod errand;
mod handles;
mod implicit;
mod kill;
mod known;
mod marker;
mod param_type;
mod placeholders;
mod prepared;
#[cfg(feature = "tls")]
mod second;
mod server;
mod session;
mod shape;
mod text;
mod texts;
mod tls;
mod upkeep;
mod values;
mod wire;

pub(crate) use self::{
    connection::{Lent, MysqlConnection},
    driver::MysqlDriver,
};
