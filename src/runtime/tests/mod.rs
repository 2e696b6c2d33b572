//! The core driven alone, against a session that records what it is asked and fails where it is told to. No database,
//! no driver and no pool takes part.

mod blocks;
mod contexts;
mod detach_on_drop;
mod endings;
mod fake;
mod frames;
mod joins;
mod permits;
mod pins;
mod programs;
mod races;
mod scopes;
mod server;
mod tasks;
