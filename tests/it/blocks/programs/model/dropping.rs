//! Blocks that are dropped at any moment: all that may have become of one by then, and of the blocks around it.
//!
//! Used by the model. It must not know what drops a block.

use std::collections::BTreeSet;

use super::{
    super::program::{End, Kind, Op, Step, Way},
    Cause, Flow, Model,
};

/// What has become of a block that is dropped at any moment.
#[derive(Clone, Copy, PartialEq)]
enum DropOutcome {
    /// It had ended by then.
    Ended,
    /// It is as if it had hung at its beginning.
    Undone,
    /// A root that is committed, though its caller has not heard of it (rule 40).
    Committed,
    /// It has no block of its own, and a statement of it was in flight: the block around it is aborted (rule 38).
    InFlight,
    /// Its task was aborted before it ran at all.
    NotBegun,
}

/// What a block that is undone has left at the root, by a `transaction` that joined in its body.
#[derive(Clone, Copy)]
enum Trace {
    Nothing,
    /// It called `set_rollback_only` (rule 20).
    RollbackOnly,
    /// It failed, or was dropped with the block (rules 26, 27).
    Marked(Cause),
}

impl Model<'_> {
    /// What may come of a block that is dropped at any moment.
    pub(super) fn maybe_dropped(&mut self, step: &Step, kind: Kind, body: &[Step], end: End, way: Option<Way>) -> Flow {
        let mut outcomes = vec![DropOutcome::Ended];
        if let Some(way) = way {
            outcomes.push(DropOutcome::Undone);
            let is_root = self.frames.is_empty() && matches!(kind, Kind::Atomic | Kind::Transaction);
            outcomes.extend(is_root.then_some(DropOutcome::Committed));
            let has_no_block = !self.frames.is_empty() && matches!(kind, Kind::Connection | Kind::Transaction);
            outcomes.extend(has_no_block.then_some(DropOutcome::InFlight));
            outcomes.extend(matches!(way, Way::Abort(_)).then_some(DropOutcome::NotBegun));
        }
        let outcome = self.one_of(&outcomes);
        if outcome != DropOutcome::Ended {
            note_numbers(body, &mut self.unknown);
        }
        match outcome {
            DropOutcome::Ended => self.block(step, kind, body, end),
            DropOutcome::Undone => self.undone(step, kind, body),
            DropOutcome::Committed => match self.block(step, kind, body, end) {
                Flow::Done => Flow::Hangs(0),
                other => other,
            },
            DropOutcome::InFlight => {
                let flow = self.undone(step, kind, body);
                self.frames.last_mut().map(|frame| frame.aborted_by.get_or_insert(Cause::Cancelled));
                flow
            }
            DropOutcome::NotBegun => Flow::Hangs(0),
        }
    }

    /// As if it had hung at its beginning, but for what a `transaction` in it may have left at the root.
    fn undone(&mut self, step: &Step, kind: Kind, body: &[Step]) -> Flow {
        let was_entered = !self.frames.is_empty() && self.check().is_ok();
        let flow = self.block(step, kind, &[], End::Hangs(0));
        if was_entered {
            match self.one_of(&traces(body)) {
                Trace::Nothing => {}
                Trace::RollbackOnly => self.frames[0].rollback_only = true,
                Trace::Marked(cause) => self.marked = Some(cause),
            }
        }
        flow
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[if all.len() > 1 { self.choices.choose(all.len()) } else { 0 }]
    }
}

/// What the steps of a block may leave at the root, wherever they end.
fn traces(body: &[Step]) -> Vec<Trace> {
    let mut traces = vec![Trace::Nothing];
    if any(body, false, &|op, _| matches!(op, Op::Block { kind: Kind::Transaction, .. })) {
        traces.extend([Trace::Marked(Cause::Cancelled), Trace::Marked(Cause::Joined)]);
    }
    if any(body, false, &|op, joined| joined && matches!(op, Op::Mark)) {
        traces.push(Trace::RollbackOnly);
    }
    traces
}

/// Whether one of the steps is so; with each goes whether its innermost block of the transaction is the root, by a
/// `transaction` that joined.
fn any(steps: &[Step], joined: bool, is: &dyn Fn(&Op, bool) -> bool) -> bool {
    steps.iter().any(|step| {
        let inner = match &step.op {
            Op::Block { kind: Kind::Transaction, body, .. } => any(body, true, is),
            Op::Block { kind: Kind::Connection, body, .. } => any(body, joined, is),
            Op::Block { body, .. } => any(body, false, is),
            Op::Join { branches, .. } => any(branches, joined, is),
            _ => false,
        };
        inner || is(&step.op, joined)
    })
}

fn note_numbers(steps: &[Step], numbers: &mut BTreeSet<u32>) {
    for step in steps {
        numbers.insert(step.number);
        if let Op::Block { body: inner, .. } | Op::Join { branches: inner, .. } = &step.op {
            note_numbers(inner, numbers);
        }
    }
}
