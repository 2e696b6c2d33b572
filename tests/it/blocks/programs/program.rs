//! A program: blocks in one another with statements in between, and ways to end that are not all happy ones.
//!
//! Used by the generator, which makes them, and by the model and the machine, which run them. It must know neither.

use std::{fmt, sync::Arc};

use super::place;

/// Steps that run one after the other.
pub(super) type Steps = Arc<[Step]>;

/// How many keys each slot has for itself.
pub(super) const KEYS: i64 = 10;

/// How many slots there are for branches, from 1.
pub(super) const SLOTS: i64 = 15;

#[derive(Clone)]
pub(super) struct Program {
    /// Whether it runs inside `nestling::scope`, so that an outermost `transaction` runs in place.
    pub(super) scoped: bool,
    /// Whether futures and streams are kept beyond their blocks. Such a program has short time-outs, and no joins.
    pub(super) keeps: bool,
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
    /// Changes a setting of the session by plain SQL.
    Set(usize),
    /// Reads the settings of the session.
    Look,
    /// Begins something, and keeps it beyond the block. The last step of its block.
    Keep(What),
    /// What was kept so far is polled at last, or dropped.
    Finish {
        polls: bool,
    },
    Block {
        kind: Kind,
        body: Steps,
        end: End,
        /// It may be dropped before its end.
        way: Option<Way>,
    },
    /// All at once: as by `join!`, or each in a task of its own.
    Join {
        branches: Steps,
        tasks: bool,
    },
}

/// What is kept beyond a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    /// A statement that would take for ever.
    Sleep,
    /// A statement with one row, which may be ready at once.
    Short,
    /// Both of them, one behind the other.
    Two,
    /// A stream of few rows, of which one was read.
    Few,
    /// A stream of more rows than are taken in unread.
    Many,
}

/// When a block is dropped, if it has not ended by then.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// After so many polls.
    Polls(usize),
    /// When so many requests have been sent.
    Flights(u64),
    /// It is in a task that is aborted when its caller has yielded so often.
    Abort(usize),
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
    pub(super) fn new(scoped: bool, keeps: bool, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        Self { scoped, keeps, steps: place::numbered(&steps, keeps) }
    }

    /// The program as text, with a note behind each step.
    pub(super) fn listing(&self, note: impl Fn(u32) -> String) -> String {
        let mut out = format!("{} {{\n", if self.scoped { "scope" } else { "no scope" });
        list(&self.steps, 1, &note, &mut out);
        out.push_str("     }");
        out
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
            Op::Set(setting) => format!("set {setting}"),
            Op::Look => "look at the settings".into(),
            Op::Keep(what) => format!("keep {what:?}"),
            Op::Finish { polls: true } => "poll what was kept".into(),
            Op::Finish { polls: false } => "drop what was kept".into(),
            Op::Block { kind, way: None, .. } => format!("{kind} {{"),
            Op::Block { kind, way: Some(way), .. } => format!("{kind}, dropped after {way:?} {{"),
            Op::Join { tasks: false, .. } => "join {".into(),
            Op::Join { tasks: true, .. } => "tasks {".into(),
        };
        let passes = if step.passes && !text.ends_with('{') { "?" } else { "" };
        let line = format!("{:4} {indent}{text}{passes}", step.number);
        out.push_str(&format!("{line:48}{}\n", note(step.number)));
        let end = match &step.op {
            Op::Block { body, end, .. } => {
                list(body, depth + 1, note, out);
                end.to_string()
            }
            Op::Join { branches, .. } => {
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
