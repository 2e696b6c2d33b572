//! The core: contexts, frames, turns, scopes and the scheduler, generic over a [`Session`].
//!
//! The database room builds on it, and the tests drive it alone against a recording session. No SQL, no driver and no
//! pool in here: a session is asked to end a transaction, to stop what runs, and to give its connection back.

mod block;
mod clock;
mod context;
mod frame;
mod label;
mod purpose;
mod schedule;
mod scope;
#[cfg(test)]
mod tests;
mod trunk;
mod turn;

use std::{fmt::Debug, sync::Arc, time::Duration};

pub(crate) use self::{
    block::{Block, Opened, joined},
    clock::{require_live_runtime, require_runtime, within},
    context::Context,
    frame::{Flight, Frame, Opening},
    label::Label,
    schedule::spawn_in_fresh_context,
    scope::{Entered, Scope, Slot},
    trunk::{Last, Trunk},
    turn::Turn,
};
use crate::{
    control::{Steps, Tally},
    fault::{Fault, Sparing},
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
    fn finish(trunk: Arc<Trunk<Self>>, steps: Steps) -> impl Future<Output = Result<(), Fault>> + Send + 'static;

    /// What is in flight was dropped: the server is to stop it, if it is at work, before anything else is sent. MUST
    /// NOT block.
    fn interrupt(&self, sparing: Sparing);

    /// The block that owns the session has ended, in whatever way: give the connection back once it is idle, or throw
    /// it away. MUST NOT block; called once, maybe while statements of other tasks are still in flight.
    fn release(&self);

    /// Steps were owed, cancelled or sent.
    fn count(&self, tally: Tally);
}
