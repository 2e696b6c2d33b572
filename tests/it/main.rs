//! The integration tests: through the public API, on every back end, against real servers. Each module is one behaviour,
//! and each test names the rule of the specification that it holds. `tests/run.sh` starts the servers and runs them.

#[macro_use]
mod harness;
mod proxy;
mod servers;

mod blocks;
mod mysql;
