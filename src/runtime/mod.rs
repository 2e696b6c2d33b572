//! The transaction runtime: contexts, frames, their locks, blocks and scopes, generic over a [`Session`].
//!
//! `session` implements it over leased connections; the tests drive it alone against a recording session. It knows no SQL,
//! no driver and no pool: a session is asked to end a transaction, to stop what runs, and to give its connection back.

mod block;
mod clock;
mod context;
mod failure;
mod flight;
mod frame;
mod lock;
mod permit;
mod scope;
mod session;
mod stream_use;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    block::{Block, Opened},
    clock::{Bounded, DeadlineClock, Waited, require_live_runtime, require_runtime, within, within_unless_stuck},
    failure::Idle,
    flight::FrameFlight,
    frame::{Context, Frame, Opening},
    permit::Permit,
    scope::{Entered, Scope, TaskLocal, ThreadContext},
    session::{Session, SessionState},
    stream_use::StreamUse,
    task::{joined, spawn_in_fresh_context},
};
