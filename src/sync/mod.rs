//! Blocking calls: a handle of a database, with the same queries and blocks in blocking form. The futures are those of
//! the asynchronous calls; they are polled on the caller's thread, while a thread of the handle's own drives sockets and
//! clocks. Nothing below knows of it.

mod allow;
mod blocks;
mod calls;
mod engine;
mod handle;
mod inside;
mod manager;
mod rows;

pub use self::{
    blocks::SyncTransaction,
    handle::SyncDatabase,
    manager::SyncManager,
    rows::{SyncModels, SyncRows},
};
