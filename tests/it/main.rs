//! The integration tests: through the public API, on every back end, against real servers. Each module is one behaviour,
//! and each test names the rule of the specification that it holds. `tests/run.sh` starts the servers and runs them.

#![allow(clippy::unwrap_used, reason = "clippy knows only functions that are tests themselves, not what they share")]

#[macro_use]
mod harness;
mod drops;
mod films;
mod proxy;
mod recorder;
#[macro_use]
mod servers;
mod session_state;
mod view;
mod wire;

mod ancestor;
mod binding;
mod blocks;
mod brief;
mod broken;
mod calls;
mod closed_frames;
mod closing;
mod closing_blocks;
mod commit_asks;
mod connecting;
mod create_tables;
mod derives;
mod dialects;
mod dropped_blocks;
mod dropped_calls;
mod dropped_on_the_wire;
mod dropped_statements;
mod entering;
mod errors;
mod fairness;
mod gone;
mod guide;
mod hstore;
mod joining;
mod killing;
mod lazy;
mod leaving;
mod limits;
mod manager;
mod model_derive;
mod mysql;
mod native;
mod native_postgres;
mod native_sqlite;
mod no_runtime;
mod options;
mod orphans;
mod panics;
mod parameters;
mod pinned;
mod prefetch;
mod programs;
mod queries;
mod reading;
mod resend;
mod round_trips;
mod savepoints;
mod scope_layer;
mod scopes;
mod secrets;
mod server_errors;
mod settings;
mod shutdown;
mod stale;
mod stale_statements;
mod stopped;
mod stream_memory;
mod streams;
mod sync;
mod tasks;
mod tls;
mod traces;
mod turns;
mod types;
mod types_postgres;
