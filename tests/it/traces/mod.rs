//! What `tracing` sees. Section M, rule 75.

mod collector;
mod conventions;
mod levels;
mod own_blocks;
mod seen;
mod terminal;
mod time_limits;
