//! A program: blocks in one another with statements in between, and ways to end that are not all happy ones.
//!
//! Used by the generator, which makes them, and by the model and the machine, which run them. It must know neither.

use std::{fmt, sync::Arc};

/// Steps that run one after the other.
pub(super) type Steps = Arc<[Step]>;

/// How many keys each slot has for itself.
pub(super) const KEYS: i64 = 10;

#[derive(Clone)]
pub(super) struct Program {
    /// Whether it runs inside `nestling::scope`, so that an outermost `transaction` runs in place.
    pub(super) scoped: bool,
    pub(super) steps: Steps,
}

#[derive(Clone)]
pub(super) struct Step {
    /// Its place in the listing.
    pub(super) number: u32,
    /// Whose rows it is about: 0 has the whole table, each branch of a `join` has rows of its own.
    pub(super) slot: i64,
    pub(super) op: Op,
    /// Whether its error is passed on, as by `?`, or swallowed.
    pub(super) passes: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Insert {
        key: i64,
        name: char,
    },
    Rename {
        key: i64,
        name: char,
    },
    Delete {
        key: i64,
    },
    Read,
    /// A statement that would take for ever, dropped as soon as it was sent.
    Abandon,
    /// `set_rollback_only`.
    Mark,
    Block {
        kind: Kind,
        body: Steps,
        end: End,
    },
    /// All at once, as by `join!`.
    Join(Steps),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Atomic,
    Savepoint,
    Named(&'static str),
    Transaction,
    Connection,
}

/// What the body of a block does last.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Returns,
    /// With an error of the program's own.
    Fails,
    /// It waits for ever, until the block that is so many blocks around its own is dropped.
    Hangs(usize),
    /// The panic is caught around the block that is so many blocks around its own.
    Panics(usize),
}

impl Step {
    pub(super) fn new(op: Op, passes: bool) -> Self {
        Self { number: 0, slot: 0, op, passes }
    }

    /// The row's key, where each slot has its own.
    pub(super) fn key(&self, key: i64) -> i64 {
        self.slot * KEYS + key
    }

    pub(super) fn name(&self, name: char) -> String {
        if self.slot == 0 { name.to_string() } else { format!("{name}{}", self.slot) }
    }

    /// The keys that this step may read.
    pub(super) fn keys(&self) -> std::ops::Range<i64> {
        if self.slot == 0 { 0..i64::from(i32::MAX) } else { self.key(0)..self.key(KEYS) }
    }
}

impl Program {
    /// Numbers the steps, gives branches their slots, and takes out what would make the outcome a matter of chance.
    pub(super) fn new(scoped: bool, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        let mut next = Numbers::default();
        Self { scoped, steps: next.steps(&steps, Place::default()) }
    }

    /// The program as text, with a note behind each step.
    pub(super) fn listing(&self, note: impl Fn(u32) -> String) -> String {
        let mut out = format!("{} {{\n", if self.scoped { "scope" } else { "no scope" });
        list(&self.steps, 1, &note, &mut out);
        out.push_str("     }");
        out
    }
}

#[derive(Default)]
struct Numbers {
    step: u32,
    slot: i64,
}

/// Where a step stands.
#[derive(Default, Clone, Copy)]
struct Place {
    slot: i64,
    /// How many blocks around it may be dropped, or may catch a panic, without touching a sibling.
    around: usize,
    branch: bool,
    /// Whether it is in a block at all.
    enclosed: bool,
}

impl Numbers {
    fn steps(&mut self, steps: &[Step], place: Place) -> Steps {
        steps.iter().map(|step| self.step(step, place)).collect()
    }

    fn step(&mut self, step: &Step, place: Place) -> Step {
        self.step += 1;
        let number = self.step;
        let op = match &step.op {
            // What one branch does to the transaction that it shares would hit its siblings, sooner or later. So a
            // branch has a block of its own.
            Op::Abandon if place.branch => Op::Read,
            Op::Block { kind: Kind::Transaction, body, end } if place.branch => {
                self.block(Kind::Atomic, body, *end, place)
            }
            Op::Block { kind: Kind::Connection, body, end } if place.branch && place.enclosed => {
                self.block(Kind::Atomic, body, *end, place)
            }
            Op::Block { kind, body, end } => self.block(*kind, body, *end, place),
            Op::Join(branches) => Op::Join(branches.iter().map(|branch| self.branch(branch, place)).collect()),
            other => other.clone(),
        };
        Step { number, slot: place.slot, op, passes: step.passes }
    }

    fn branch(&mut self, step: &Step, place: Place) -> Step {
        self.slot += 1;
        self.step(step, Place { slot: self.slot, around: 0, branch: true, ..place })
    }

    fn block(&mut self, kind: Kind, body: &[Step], end: End, place: Place) -> Op {
        let body = self.steps(body, Place { around: place.around + 1, enclosed: true, ..place });
        let end = match end {
            End::Returns | End::Fails => end,
            End::Hangs(up) => End::Hangs(up.min(place.around)),
            End::Panics(up) => End::Panics(up.min(place.around)),
        };
        Op::Block { kind, body, end }
    }
}

fn list(steps: &[Step], depth: usize, note: &impl Fn(u32) -> String, out: &mut String) {
    let indent = "    ".repeat(depth);
    for step in steps {
        let text = match &step.op {
            Op::Insert { key, name } => format!("insert {} {}", step.key(*key), step.name(*name)),
            Op::Rename { key, name } => format!("rename {} {}", step.key(*key), step.name(*name)),
            Op::Delete { key } => format!("delete {}", step.key(*key)),
            Op::Read => "read".into(),
            Op::Abandon => "abandon".into(),
            Op::Mark => "set_rollback_only".into(),
            Op::Block { kind, .. } => format!("{kind} {{"),
            Op::Join(_) => "join {".into(),
        };
        let passes = if step.passes && !text.ends_with('{') { "?" } else { "" };
        let line = format!("{:4} {indent}{text}{passes}", step.number);
        out.push_str(&format!("{line:48}{}\n", note(step.number)));
        let end = match &step.op {
            Op::Block { body, end, .. } => {
                list(body, depth + 1, note, out);
                end.to_string()
            }
            Op::Join(branches) => {
                list(branches, depth + 1, note, out);
                String::new()
            }
            _ => continue,
        };
        let passes = if step.passes { "?" } else { "" };
        out.push_str(&format!("     {indent}}}{passes}{end}\n"));
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atomic => f.write_str("atomic"),
            Self::Savepoint => f.write_str("savepoint"),
            Self::Named(name) => write!(f, "savepoint {name:?}"),
            Self::Transaction => f.write_str("transaction"),
            Self::Connection => f.write_str("connection"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returns => Ok(()),
            Self::Fails => f.write_str(" fails"),
            Self::Hangs(0) => f.write_str(" hangs and is dropped"),
            Self::Hangs(up) => write!(f, " hangs, and the block {up} up is dropped"),
            Self::Panics(0) => f.write_str(" panics"),
            Self::Panics(up) => write!(f, " panics, through {up} more"),
        }
    }
}

/// For proptest, which prints a program that failed.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.listing(|_| String::new()))
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        list(std::slice::from_ref(self), 0, &|_| String::new(), &mut out);
        f.write_str(&out)
    }
}
