//! MySQL and MariaDB, by mysql_async: connect, run, control, classify errors, convert values. It knows no pool, no
//! frames, no models.
//!
//! A connection runs one command at a time. Owed steps go out in one multi-statement message, then the prepared
//! statement; a statement without parameters whose rows nobody wants rides in the same message. After every success the
//! server tells in its status flags whether a transaction is open.

mod classify;
mod command;
mod connection;
mod connector;
mod detached;
mod driver;
#[cfg(feature = "tls")]
mod fallback;
mod implicit;
mod in_flight;
mod kill;
mod lent;
mod marker;
mod param_type;
mod placeholders;
mod prepared;
mod result_meta;
mod server;
mod session;
mod session_status;
mod statement;
mod statement_cache;
mod text;
mod tls;
mod upkeep;
mod values;
mod wire;

pub(crate) use self::{connection::MysqlConnection, driver::MysqlDriver, lent::Lent};
