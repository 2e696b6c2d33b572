//! The integration tests: through the public API, on every back end, against real servers. Each module is one behaviour,
//! and each test names the rule of the specification that it holds. `tests/run.sh` starts the servers and runs them all.
//! `cargo test` alone runs those that need SQLite only, and tells which it leaves out.

#![allow(clippy::unwrap_used, reason = "clippy knows only functions that are tests themselves, not what they share")]
#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, reason = "what the tests share serves more tests than are here")
)]

#[macro_use]
mod support;
use support::{dialects, drops, films, harness, proxy, recorder, test_servers, wire};

mod blocks;
mod cancel;
#[cfg(feature = "full")]
mod claims;
mod drivers;
#[cfg(feature = "full")]
mod guide;
mod hooks;
#[cfg(feature = "full")]
mod metrics;
mod models;
mod peewee_async;
mod pool;
mod sandbox;
mod servers;
mod statements;
mod suites;
mod sync;
#[cfg(feature = "full")]
mod traces;
mod types;
