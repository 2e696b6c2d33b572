//! The steps that were sent with a flight, and the events that tell of them (rule 75).

use std::time::Instant;

use super::{
    labels::Labels,
    open_transaction::OpenTransaction,
    place::{Place, millis},
};
use crate::transaction::{
    control::{Control, Name, Steps},
    outcome::TransactionEnd,
};

/// The steps that were sent with a flight, and when.
pub(crate) struct Sent {
    pub(crate) steps: Steps,
    /// The transaction that was rolled back ahead of them, on a connection that is used on.
    pub(crate) over: Option<Box<OpenTransaction>>,
    since: Instant,
}

impl Default for Sent {
    fn default() -> Self {
        Self { steps: Steps::new(), over: None, since: Instant::now() }
    }
}

impl Sent {
    /// Emits an event for each step, of a flight of a block at `place` that has ended in `error`, if it has failed.
    pub(super) fn tell(mut self, labels: &Labels, place: &Place, error: Option<&str>) {
        if let Some(mut over) = self.over.take() {
            over.end(TransactionEnd::RolledBack, None);
        }
        let depths = depths(&self.steps, place.depth);
        for (step, depth) in self.steps.iter().zip(depths) {
            let savepoint = match step {
                Control::Savepoint(name) | Control::Release(name) | Control::RollbackTo(name) => Some(name.to_string()),
                _ => None,
            };
            tracing::debug!(
                target: "nestling",
                { "nestling.savepoint" = savepoint,
                "nestling.duration_ms" = millis(self.since.elapsed()),
                "error.type" = error,
                "nestling.database" = labels.name(),
                "nestling.transaction.name" = place.transaction.as_deref(),
                "nestling.depth" = depth },
                "{}", verb(step)
            );
        }
    }
}

fn verb(step: &Control) -> &'static str {
    match step {
        Control::Begin(_) => "begin",
        Control::Savepoint(_) => "savepoint",
        Control::Release(_) => "release",
        Control::Set(_) => "set",
        Control::Restore(_) => "restore",
        Control::Limit(_) => "limit",
        Control::RollbackTo(_) => "rollback to savepoint",
        Control::Commit => "commit",
        Control::Rollback => "rollback",
    }
}

/// The depths of the blocks of steps, if the last one leads to depth `after`. They are found backwards, as the depth of a
/// savepoint does not follow from a name of the caller's.
fn depths(steps: &[Control], after: u32) -> Vec<u32> {
    let mut open = after;
    let mut depths: Vec<u32> = steps
        .iter()
        .rev()
        .map(|step| {
            let (depth, before) = match step {
                Control::Begin(_) | Control::Commit | Control::Rollback => (1, 0),
                // Behind its savepoint, or ahead of its release: nothing opens or ends with it.
                Control::Set(locals) | Control::Restore(locals) => (locals.depth, locals.depth),
                Control::Limit(_) => (open, open),
                Control::Savepoint(name) => {
                    let depth = level(name).unwrap_or(open);
                    (depth, depth.saturating_sub(1))
                }
                Control::Release(name) => {
                    let depth = level(name).unwrap_or(open + 1);
                    (depth, depth)
                }
                Control::RollbackTo(name) => {
                    let depth = level(name).unwrap_or(open);
                    (depth, depth)
                }
            };
            open = before;
            depth
        })
        .collect();
    depths.reverse();
    depths
}

/// The depth of the block of a savepoint with a generated name.
fn level(name: &Name) -> Option<u32> {
    match name {
        Name::Level(level) => Some(level + 1),
        Name::Given(_) => None,
    }
}
