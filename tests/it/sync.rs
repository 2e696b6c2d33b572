//! Blocking calls: section I of the specification.

mod blocks;
#[cfg(feature = "full")]
mod calls;
mod ends;
mod manager;
mod memory;
mod permission;
mod surroundings;
mod time_limits;
mod transactions;
