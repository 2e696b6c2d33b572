//! The model: what a program must do, said as simply as can be. A savepoint is a copy of the table.
//!
//! Used to check the machine. It knows the specification and the dialects, and of nestling the names of its errors alone.

mod dropping;

use std::collections::BTreeSet;

use nestling::ErrorKind;

use super::{
    choices::Choices,
    outcome::{Cause, Failure, Outcome, Record, Rows, Seen},
    program::{End, Kind, Op, Program, Step, What},
    settings::Settings,
    ways::Ways,
};

/// How steps ended.
enum Flow {
    Done,
    Failed(Failure),
    /// To be dropped with the block that is so many blocks up.
    Hangs(usize),
    Panics(usize),
}

struct Frame {
    before: Rows,
    settings_before: Settings,
    aborted_by: Option<Cause>,
    /// What the savepoint was called by the program.
    name: Option<&'static str>,
    /// `set_rollback_only` was called in it (rule 20).
    rollback_only: bool,
    /// Something was begun in it and is still under way: it cannot be kept.
    in_use: bool,
}

pub(super) struct Model<'c> {
    ways: Ways,
    choices: &'c mut Choices,
    rows: Rows,
    /// The settings of the session, where one is held.
    settings: Settings,
    /// How many blocks hold a connection without being a transaction.
    pins: usize,
    /// How many things are kept.
    kept: usize,
    /// The open blocks of the transaction, outermost first.
    frames: Vec<Frame>,
    /// A joined transaction has failed (rules 26, 27).
    marked: Option<Cause>,
    /// The depths at which a `transaction` has joined, innermost last: its innermost block is the root.
    joined_at: Vec<usize>,
    record: Record,
    unknown: BTreeSet<u32>,
}

/// One way in which a program may run.
pub(super) struct Expected {
    /// What each step sees.
    pub(super) record: Record,
    /// What is committed in the end.
    pub(super) rows: Rows,
    /// The steps of which nothing is known, as they were dropped at any moment.
    pub(super) unknown: BTreeSet<u32>,
}

/// All ways in which a program may run.
pub(super) fn expect(program: &Program, ways: Ways) -> impl Iterator<Item = Expected> {
    let (mut choices, mut goes_on) = (Choices::default(), true);
    std::iter::from_fn(move || {
        let expected = goes_on.then(|| one(program, ways, &mut choices))?;
        goes_on = choices.next();
        Some(expected)
    })
}

fn one(program: &Program, ways: Ways, choices: &mut Choices) -> Expected {
    let (rows, record, settings, unknown, frames, joined_at) = Default::default();
    let mut model =
        Model { ways, choices, rows, settings, pins: 0, kept: 0, frames, marked: None, joined_at, record, unknown };
    model.steps(&program.steps);
    let closed = model.finish(true);
    let Model { mut record, rows, unknown, .. } = model;
    record.retain(|number, _| !unknown.contains(number));
    record.insert(0, Seen { outcome: closed, depth: 0 });
    Expected { record, rows, unknown }
}

impl Model<'_> {
    fn steps(&mut self, steps: &[Step]) -> Flow {
        for step in steps {
            let flow = self.step(step);
            if !matches!(flow, Flow::Done) {
                return flow;
            }
        }
        Flow::Done
    }

    fn step(&mut self, step: &Step) -> Flow {
        let outcome = match &step.op {
            Op::Block { kind, body, end, way } => match self.maybe_dropped(step, *kind, body, *end, *way) {
                Flow::Done => Outcome::Done,
                Flow::Failed(failure) => Outcome::Failed(failure),
                Flow::Hangs(0) => Outcome::Dropped,
                Flow::Panics(0) => Outcome::Panicked,
                Flow::Hangs(up) => return Flow::Hangs(up - 1),
                Flow::Panics(up) => return Flow::Panics(up - 1),
            },
            Op::Join { branches, .. } => self.join(branches),
            Op::Finish { polls } => self.finish(*polls),
            Op::Mark if self.frames.is_empty() => Outcome::Failed(Failure::Plain(ErrorKind::NoTransaction)),
            Op::Mark => {
                let depth = self.frames.len();
                let at = if self.joined_at.last() == Some(&depth) { 0 } else { depth - 1 };
                self.frames[at].rollback_only = true;
                Outcome::Done
            }
            _ => match self.check() {
                Err(failure) => Outcome::Failed(failure),
                Ok(()) => self.statement(step),
            },
        };
        self.record.insert(step.number, Seen { outcome: outcome.clone(), depth: self.frames.len() as u32 });
        match outcome {
            Outcome::Failed(failure) if step.passes => Flow::Failed(failure),
            _ => Flow::Done,
        }
    }

    /// Branches have rows of their own and touch nothing that they share: their order makes no difference.
    fn join(&mut self, branches: &[Step]) -> Outcome {
        let mut first = Outcome::Done;
        for branch in branches {
            match self.step(branch) {
                Flow::Failed(failure) if first == Outcome::Done => first = Outcome::Failed(failure),
                Flow::Done | Flow::Failed(_) => {}
                Flow::Hangs(_) | Flow::Panics(_) => unreachable!("a branch keeps these to itself"),
            }
        }
        first
    }

    /// Whether anything is sent at all.
    fn check(&self) -> Result<(), Failure> {
        if let Some(cause) = self.marked {
            return Err(Failure::Follows(ErrorKind::RollbackOnly, cause));
        }
        match self.frames.last().and_then(|frame| frame.aborted_by) {
            Some(cause) => Err(Failure::Follows(ErrorKind::Aborted, cause)),
            None => Ok(()),
        }
    }

    fn statement(&mut self, step: &Step) -> Outcome {
        match &step.op {
            Op::Insert { key, name } => {
                let (key, name) = (step.key(*key), step.name(*name));
                if self.rows.contains_key(&key) || self.rows.values().any(|taken| *taken == name) {
                    return self.violation();
                }
                self.rows.insert(key, name);
                Outcome::Count(1)
            }
            Op::Rename { key, name } => {
                let (key, name) = (step.key(*key), step.name(*name));
                if !self.rows.contains_key(&key) {
                    return Outcome::Count(0);
                }
                if self.rows.iter().any(|(other, taken)| *other != key && *taken == name) {
                    return self.violation();
                }
                self.rows.insert(key, name);
                Outcome::Count(1)
            }
            Op::Delete { key } => Outcome::Count(self.rows.remove(&step.key(*key)).is_some().into()),
            Op::Abandon if self.ways.abandons => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.aborted_by = Some(Cause::Cancelled);
                }
                Outcome::Dropped
            }
            Op::Abandon => Outcome::Done,
            Op::Set(setting) => {
                if self.pins > 0 || !self.frames.is_empty() {
                    self.settings[*setting] = true;
                }
                Outcome::Done
            }
            Op::Look => Outcome::Settings(self.settings),
            Op::Keep(what) => self.keep(*what),
            _ => {
                let rows = self.rows.range(step.keys());
                Outcome::Rows(rows.map(|(key, name)| (*key, name.clone())).collect())
            }
        }
    }

    fn violation(&mut self) -> Outcome {
        if let Some(frame) = self.frames.last_mut().filter(|_| self.ways.errors_abort) {
            frame.aborted_by = Some(Cause::Taken);
        }
        Outcome::Failed(Failure::Taken)
    }

    fn keep(&mut self, what: What) -> Outcome {
        let what = self.ways.keeps(what);
        let is_ready = match what {
            // Nobody knows whether it is ready at its first poll: on the spot too, what was cancelled may have to end first.
            What::Short => self.choices.choose(2) == 1,
            // The second may be prepared already, and come ahead of the first, which is not.
            What::Two => self.ways.pipelines && self.choices.choose(2) == 1,
            _ => false,
        };
        let kept = usize::from(what == What::Two) + usize::from(!is_ready);
        if let Some(frame) = self.frames.last_mut() {
            frame.in_use |= kept > 0;
        }
        self.kept += kept;
        if is_ready { Outcome::Done } else { Outcome::Kept }
    }

    fn finish(&mut self, polls: bool) -> Outcome {
        let kept = std::mem::take(&mut self.kept);
        if polls { Outcome::Closed(kept) } else { Outcome::Done }
    }

    fn block(&mut self, step: &Step, kind: Kind, body: &[Step], end: End) -> Flow {
        let inside = !self.frames.is_empty();
        match kind {
            Kind::Connection => {
                self.pins += 1;
                let flow = self.body(step, body, end);
                self.pins -= 1;
                self.leave_session();
                flow
            }
            Kind::Savepoint | Kind::Named(_) if !inside => Flow::Failed(Failure::Plain(ErrorKind::NoTransaction)),
            Kind::Transaction if inside => self.joined(step, body, end),
            Kind::Named(name) if !self.ways.nests_names && self.is_open(name) => {
                Flow::Failed(Failure::Plain(ErrorKind::Config))
            }
            _ => {
                let name = match kind {
                    Kind::Named(name) => Some(name),
                    _ => None,
                };
                if let Err(failure) = self.check() {
                    return Flow::Failed(failure);
                }
                let (before, settings_before) = (self.rows.clone(), self.settings);
                let (aborted_by, rollback_only, in_use) = (None, false, false);
                self.frames.push(Frame { before, settings_before, aborted_by, name, rollback_only, in_use });
                let flow = self.body(step, body, end);
                self.leave(flow)
            }
        }
    }

    /// Whether a savepoint of this name is open, or may be: those that have no name are called _n1, _n2 and so on.
    fn is_open(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let generated = name.strip_prefix("_n").is_some_and(|digits| digits.parse::<u32>().is_ok());
        generated || self.frames.iter().any(|frame| frame.name.is_some_and(|open| open.to_lowercase() == name))
    }

    fn body(&mut self, step: &Step, body: &[Step], end: End) -> Flow {
        match (self.steps(body), end) {
            (Flow::Done, End::Returns) => Flow::Done,
            (Flow::Done, End::Fails) => Flow::Failed(Failure::Own(step.number)),
            (Flow::Done, End::Hangs(up)) => Flow::Hangs(up),
            (Flow::Done, End::Panics(up)) => Flow::Panics(up),
            (early, _) => early,
        }
    }

    fn joined(&mut self, step: &Step, body: &[Step], end: End) -> Flow {
        if let Err(failure) = self.check() {
            return Flow::Failed(failure);
        }
        self.joined_at.push(self.frames.len());
        let flow = self.body(step, body, end);
        self.joined_at.pop();
        let cause = match &flow {
            Flow::Done => return flow,
            Flow::Failed(_) => Cause::Joined,
            Flow::Hangs(_) | Flow::Panics(_) => Cause::Cancelled,
        };
        self.marked.get_or_insert(cause);
        flow
    }

    /// The one decision at the end of a block.
    fn leave(&mut self, flow: Flow) -> Flow {
        let frame = self.frames.pop().expect("a block that was entered");
        let root = self.frames.is_empty();
        let rolled_back = |cause| Flow::Failed(Failure::Follows(ErrorKind::RolledBack, cause));
        let (keep, flow) = match (flow, self.marked.filter(|_| root), frame.aborted_by) {
            (Flow::Done, _, _) if frame.in_use => (false, Flow::Failed(Failure::Plain(ErrorKind::TurnTimeout))),
            (Flow::Done, Some(cause), _) => {
                (false, Flow::Failed(Failure::Follows(ErrorKind::UnexpectedRollback, cause)))
            }
            (Flow::Done, None, Some(cause)) => (false, rolled_back(cause)),
            (Flow::Done, None, None) => (!frame.rollback_only, Flow::Done),
            (early, _, _) => (false, early),
        };
        if !keep {
            self.rows = frame.before;
            if self.ways.undoes_settings {
                self.settings = frame.settings_before;
            }
        }
        if root {
            self.marked = None;
        }
        self.leave_session();
        flow
    }

    /// With the last block that has it, a session's settings are as at the start.
    fn leave_session(&mut self) {
        if self.pins == 0 && self.frames.is_empty() {
            self.settings = Settings::default();
        }
    }
}
