//! The core: contexts, frames, turns, scopes and the scheduler, generic over a [`Session`].
//!
//! The database room builds on it, and the tests drive it alone against a recording session. No SQL, no driver and no
//! pool in here: a session is asked to end a transaction, to stop what runs, and to give its connection back.

mod block;
mod clock;
mod closed;
mod context;
mod flight;
mod frame;
mod join;
mod label;
mod purpose;
mod schedule;
mod scope;
mod session_state;
mod stream_use;
#[cfg(test)]
mod tests;
mod turn;
mod turnstile;

use std::{fmt::Debug, sync::Arc, time::Duration};

pub(crate) use self::{
    block::{Block, Opened},
    clock::{Waited, require_live_runtime, require_runtime, within, within_unless_stuck},
    context::Context,
    flight::FrameFlight,
    frame::{Frame, Opening},
    join::joined,
    label::Label,
    schedule::spawn_in_fresh_context,
    scope::{Entered, Scope, Slot},
    session_state::SessionState,
    stream_use::StreamUse,
    turn::Turn,
};
use crate::transaction::{
    control::{Steps, Tally},
    impact::{CancelScope, DriverError},
};

/// What the core asks of a server session. The database implements it over a leased connection.
pub(crate) trait Session: Debug + Send + Sync + Sized + 'static {
    /// Which database the session belongs to: frames are looked up by it (rule 1).
    fn database(&self) -> usize;

    /// Lends the place where the calling thread keeps its context; `None` while the thread ends.
    fn with_slot<T>(lend: impl FnOnce(&Slot<Self>) -> T) -> Option<T>;

    /// How long a statement or a block waits for its turn.
    fn turn_timeout(&self) -> Duration;

    /// Sends `steps`, which end the transaction, and waits for the answer. The future runs to its end even if nobody
    /// waits for it any more.
    fn finish(
        session_state: Arc<SessionState<Self>>,
        steps: Steps,
    ) -> impl Future<Output = Result<(), DriverError>> + Send + 'static;

    /// Whether several statements may be in flight at once. Where they may not, each has the turn of its block alone: so
    /// that nothing of a block that has ended waits in line at the driver.
    fn pipelines(&self) -> bool;

    /// Whether the server undoes settings with the savepoint that they were made behind; else they are set back.
    fn undoes_settings(&self) -> bool;

    /// What is in flight was dropped, or belongs to a block that has ended: it is taken from whoever holds it, and the
    /// server is to stop it, if it is at work, before anything else is sent. MUST NOT block.
    fn interrupt(&self, sparing: CancelScope);

    /// The block that owns the session has ended, in whatever way: give the connection back once it is idle, or throw
    /// it away. MUST NOT block; called once, maybe while statements of other tasks are still in flight.
    fn release(&self);

    /// Steps were owed, cancelled or sent.
    fn count(&self, tally: Tally);
}
