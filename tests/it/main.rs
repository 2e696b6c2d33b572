//! The integration tests: through the public API, on every back end, against real servers. Each module is one behaviour,
//! and each test names the rule of the specification that it holds. `tests/run.sh` starts the servers and runs them.

#[macro_use]
mod harness;
mod proxy;
mod recorder;
mod servers;
mod wire;

mod blocks;
mod fairness;
mod killing;
mod programs;
mod stale;
mod stopped;
mod closing;
mod connecting;
mod errors;
mod lazy;
mod limits;
mod options;
mod round_trips;
mod secrets;
mod settings;
mod traces;
mod resend;
mod calls;
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
