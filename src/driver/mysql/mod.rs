//! MySQL and MariaDB, by mysql_async: connect, run, control, classify errors, convert values. The module knows no pool,
//! no frames, no models.
//!
//! A connection runs one command at a time. Owed steps are sent in one multi-statement message, ahead of the prepared
//! statement; a statement without parameters that returns no rows to the caller is part of that message. After each
//! success the server's status flags tell whether a transaction is open.

mod classify;
mod command;
mod connection;
mod connector;
mod driver;
#[cfg(feature = "tls")]
mod fallback;
mod greeting;
mod implicit;
mod in_flight;
mod kill;
mod lent;
mod login;
mod marker;
mod native_error;
mod param_type;
mod placeholders;
mod prepared;
mod result_meta;
mod server;
mod session;
mod session_status;
mod stall_detector;
mod statement;
mod statement_cache;
mod text;
mod tls;
mod upkeep;
mod values;
mod wire;

pub(crate) use self::{connection::MysqlConnection, driver::MysqlDriver, lent::Lent};
