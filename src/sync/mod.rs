//! Blocking calls: a handle of a database, and one of a manager, with the same queries and blocks in blocking form.
//!
//! The futures are those of the asynchronous calls. They are polled on the caller's thread, while a thread of the handle's
//! own drives sockets and timers. What has no call of its own here is done by [`SyncDatabase::blocking`] and
//! [`SyncManager::blocking`].

mod blocks;
mod calls;
mod core;
mod engine;
mod handle;
mod manager;
mod rows;
mod thread_scope;

pub use self::{
    blocks::SyncTransaction,
    handle::SyncDatabase,
    manager::SyncManager,
    rows::{SyncModels, SyncRows},
};
