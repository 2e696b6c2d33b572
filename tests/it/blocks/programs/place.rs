//! Where a step stands in its program, and what it may do there: what would make the outcome a matter of chance is put
//! in the place of something else.
//!
//! Used when a program is made, by hand or by the generator.

use super::program::{End, Kind, Op, SLOTS, Step, Steps, Way};

/// Numbers the steps, and gives branches their slots.
pub(super) fn numbered(steps: &[Step], keeps: bool) -> Steps {
    Numbers { step: 0, slot: 0, keeps }.steps(steps, Place { may_set: true, ..Place::default() })
}

struct Numbers {
    step: u32,
    slot: i64,
    keeps: bool,
}

/// Where a step stands.
#[derive(Default, Clone, Copy)]
struct Place {
    slot: i64,
    /// How many blocks around it may be dropped, or may catch a panic, without touching a sibling.
    around: usize,
    branch: bool,
    /// Whether its branch shares a connection with its siblings.
    shared: bool,
    /// Whether it is in a block at all.
    enclosed: bool,
    /// Whether one of the blocks around it is a transaction.
    transacted: bool,
    /// Whether one of the blocks around it may be dropped at any moment.
    fragile: bool,
    /// Whether it is certain that a setting is there once it was set.
    may_set: bool,
    /// Whether something may be kept beyond the block directly around it.
    holds: bool,
}

impl Numbers {
    fn steps(&mut self, steps: &[Step], place: Place) -> Steps {
        let last = steps.len().saturating_sub(1);
        let holds = |index| place.holds && index == last;
        steps.iter().enumerate().map(|(index, step)| self.step(step, Place { holds: holds(index), ..place })).collect()
    }

    fn step(&mut self, step: &Step, place: Place) -> Step {
        self.step += 1;
        let number = self.step;
        let op = match &step.op {
            // What one branch does to the connection that it shares would hit its siblings, sooner or later. So a
            // branch has a block of its own.
            Op::Abandon if place.branch => Op::Read,
            Op::Set(_) if !place.may_set => Op::Look,
            Op::Keep(_) if !place.holds => Op::Read,
            Op::Finish { .. } if !self.keeps || place.branch || place.fragile => Op::Read,
            Op::Block { kind, body, end, way } => {
                let kind = match kind {
                    Kind::Transaction if place.shared => Kind::Atomic,
                    Kind::Connection if place.branch && place.enclosed => Kind::Atomic,
                    kind => *kind,
                };
                self.block(kind, body, *end, *way, place)
            }
            Op::Join { branches, tasks } => self.join(branches, *tasks, place),
            other => other.clone(),
        };
        Step { number, slot: place.slot, op, passes: step.passes }
    }

    fn join(&mut self, branches: &[Step], tasks: bool, place: Place) -> Op {
        if self.keeps {
            // One after the other: nobody waits for a turn then.
            return self.block(Kind::Connection, branches, End::Returns, None, place);
        }
        // Those that are left: joins in the branches take theirs too.
        let branches = branches.iter().map_while(|branch| (self.slot < SLOTS).then(|| self.branch(branch, place)));
        Op::Join { branches: branches.collect(), tasks }
    }

    fn branch(&mut self, step: &Step, place: Place) -> Step {
        self.slot += 1;
        let shared = place.shared || place.enclosed;
        let may_set = place.may_set && !shared;
        self.step(step, Place { slot: self.slot, around: 0, branch: true, shared, may_set, ..place })
    }

    fn block(&mut self, kind: Kind, body: &[Step], end: End, way: Option<Way>, place: Place) -> Op {
        // Whoever drops one must know when all of it has ended, and that is only so of one at a time. What a pinned
        // connection does outside of transactions is not undone.
        let way = way.filter(|_| !place.branch && !place.fragile && kind != Kind::Connection);
        let around = if way.is_some() { 0 } else { place.around };
        let opens = match kind {
            Kind::Connection => false,
            Kind::Transaction => !place.transacted,
            Kind::Atomic | Kind::Savepoint | Kind::Named(_) => true,
        };
        let inner = Place {
            around: around + 1,
            enclosed: true,
            transacted: place.transacted || kind != Kind::Connection,
            fragile: place.fragile || way.is_some(),
            may_set: place.may_set && (way.is_none() || !place.enclosed),
            holds: self.keeps && opens && !place.branch && !place.fragile && way.is_none(),
            ..place
        };
        let end = match end {
            End::Returns | End::Fails => end,
            End::Hangs(up) => End::Hangs(up.min(around)),
            End::Panics(up) => End::Panics(up.min(around)),
        };
        Op::Block { kind, body: self.steps(body, inner), end, way }
    }
}
