//! The integration tests: through the public API, on every back end, against real servers. Each module is one behaviour,
//! and each test names the rule of the specification that it holds. `tests/run.sh` starts the servers and runs them.

#![allow(clippy::unwrap_used, reason = "clippy knows only functions that are tests themselves, not what they share")]

#[macro_use]
mod harness;
mod proxy;
mod servers;

mod blocks;
mod calls;
#[cfg(feature = "postgres")]
mod native_postgres;
mod native_sqlite;
mod parameters;
mod pinned;
mod server_errors;
mod stale_statements;
mod stream_memory;
mod streams;
mod types;
mod types_postgres;
