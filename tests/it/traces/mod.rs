//! What `tracing` sees. Section M, rule 75.

mod collector;
mod conventions;
mod levels;
mod seen;
mod terminal;
mod time_limits;
