//! The model: what a program must do, said as simply as can be. A savepoint is a copy of the table.
//!
//! Used to check the machine. It knows the specification and the two dialects, and nothing of nestling but the names of
//! its errors.

use nestling::ErrorKind;

use super::{
    outcome::{Cause, Failure, Outcome, Record, Rows, Seen},
    program::{End, Kind, Op, Program, Step},
};

/// In what the back ends differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ways {
    /// A failed statement dooms its block (rule 31), or it does not (rule 32).
    pub(super) errors_doom: bool,
    /// A statement can be dropped while the server is at it. Where it runs on the spot it cannot.
    pub(super) abandons: bool,
    /// Two savepoints of one name may be open. Where they cannot, the second is refused (rule 21).
    pub(super) nests_names: bool,
}

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
    doom: Option<Cause>,
    /// What the savepoint was called by the program.
    name: Option<&'static str>,
    /// `set_rollback_only` was called in it (rule 20).
    rollback_only: bool,
}

pub(super) struct Model {
    ways: Ways,
    rows: Rows,
    /// The open blocks of the transaction, outermost first.
    frames: Vec<Frame>,
    /// A joined transaction has failed (rules 26, 27).
    marked: Option<Cause>,
    /// The depths at which a `transaction` has joined, innermost last: its innermost block is the root.
    joined_at: Vec<usize>,
    record: Record,
}

/// What each step sees, and what is committed in the end.
pub(super) fn expect(program: &Program, ways: Ways) -> (Record, Rows) {
    let (rows, record) = Default::default();
    let mut model = Model { ways, rows, frames: vec![], marked: None, joined_at: vec![], record };
    model.steps(&program.steps);
    (model.record, model.rows)
}

impl Model {
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
            Op::Block { kind, body, end } => match self.block(step, *kind, body, *end) {
                Flow::Done => Outcome::Done,
                Flow::Failed(failure) => Outcome::Failed(failure),
                Flow::Hangs(0) => Outcome::Dropped,
                Flow::Panics(0) => Outcome::Panicked,
                Flow::Hangs(up) => return Flow::Hangs(up - 1),
                Flow::Panics(up) => return Flow::Panics(up - 1),
            },
            Op::Join(branches) => self.join(branches),
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
        match self.frames.last().and_then(|frame| frame.doom) {
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
                    frame.doom = Some(Cause::Cancelled);
                }
                Outcome::Dropped
            }
            Op::Abandon => Outcome::Done,
            _ => {
                let rows = self.rows.range(step.keys());
                Outcome::Rows(rows.map(|(key, name)| (*key, name.clone())).collect())
            }
        }
    }

    fn violation(&mut self) -> Outcome {
        if let Some(frame) = self.frames.last_mut().filter(|_| self.ways.errors_doom) {
            frame.doom = Some(Cause::Taken);
        }
        Outcome::Failed(Failure::Taken)
    }

    fn block(&mut self, step: &Step, kind: Kind, body: &[Step], end: End) -> Flow {
        let inside = !self.frames.is_empty();
        match kind {
            Kind::Connection => self.body(step, body, end),
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
                self.frames.push(Frame { before: self.rows.clone(), doom: None, name, rollback_only: false });
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
        let (keep, flow) = match (flow, self.marked.filter(|_| root), frame.doom) {
            (Flow::Done, Some(cause), _) => {
                (false, Flow::Failed(Failure::Follows(ErrorKind::UnexpectedRollback, cause)))
            }
            (Flow::Done, None, Some(cause)) => (false, rolled_back(cause)),
            (Flow::Done, None, None) => (!frame.rollback_only, Flow::Done),
            (early, _, _) => (false, early),
        };
        if !keep {
            self.rows = frame.before;
        }
        if root {
            self.marked = None;
        }
        flow
    }
}
