//! The transaction runtime: contexts, frames, their locks, blocks and scopes, generic over a [`Session`].
//!
//! `session` implements it over leased connections; the tests drive it alone against a recording session. It knows no SQL,
//! no driver and no pool: a session is asked to end a transaction, to stop what runs, and to give its connection back.

mod attached;
mod block;
mod clock;
mod context;
mod ending;
mod failure;
mod flight;
mod frame;
mod hooks;
mod hooks_behind;
mod lock;
mod observed;
mod opening;
mod origin;
mod permit;
mod scope;
mod session;
mod stream_use;
mod task;
mod task_group;
mod tasks;
#[cfg(test)]
mod tests;

pub use self::hooks::TransactionOutcome;
pub(crate) use self::{
    block::{Block, Opened},
    clock::{
        Bounded, DeadlineClock, GRACE, Waited, pause, require_live_runtime, require_runtime, within,
        within_unless_stuck,
    },
    failure::Idle,
    flight::FrameFlight,
    frame::{Context, Frame},
    hooks::{Hook, HookError, Moment},
    hooks_behind::run_at_once,
    observed::Observed,
    opening::Opening,
    origin::{CallSite, Label, Origin},
    permit::Permit,
    scope::{Entered, Scope, TaskLocal, ThreadContext},
    session::{Session, SessionState},
    stream_use::StreamUse,
    task::{joined, spawn_in_fresh_context},
    task_group::TaskGroup,
};
