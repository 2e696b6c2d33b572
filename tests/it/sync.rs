//! Blocking calls: section I of the specification.

#[path = "sync/blocks.rs"]
mod blocks;
#[path = "sync/calls.rs"]
mod calls;
#[path = "sync/ends.rs"]
mod ends;
#[path = "sync/memory.rs"]
mod memory;
#[path = "sync/permission.rs"]
mod permission;
#[path = "sync/surroundings.rs"]
mod surroundings;
#[path = "sync/transactions.rs"]
mod transactions;
