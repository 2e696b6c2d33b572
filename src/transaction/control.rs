//! Control steps (BEGIN, SAVEPOINT and the like) as data, and the [`Ledger`] of those that a session owes its server.
//!
//! Used by `runtime`, which owes and takes steps, and by the drivers, which render them. It knows no SQL text, no connection and
//! no frame, and is tested against a naive model of a server (`control_tests.rs`).

use std::{mem, time::Duration};

use smallvec::SmallVec;

pub(crate) use crate::transaction::name::{Name, PREFIX, is_reserved, may_be_one};
pub(crate) use crate::transaction::settings::{Isolation, Locals, Settings};

/// Steps in the order in which they are sent. A block and its parent fit in without an allocation.
pub(crate) type Steps = SmallVec<[Control; 4]>;

/// One step that opens, ends or undoes a transaction or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Control {
    Begin(Settings),
    Savepoint(Name),
    /// Behind a savepoint: the settings of its block, what they were before being kept.
    Set(Locals),
    /// Ahead of the release: what the settings were before the block.
    Restore(Locals),
    Release(Name),
    RollbackTo(Name),
    /// Behind all others: the time that the statement of this flight may take. It is made for a flight and never owed
    /// (PostgreSQL).
    Limit(Duration),
    Commit,
    Rollback,
}

impl Control {
    /// What this sets for a block alone.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for a driver that is not built"))]
    pub(crate) fn locals(&self) -> &[(String, String)] {
        match self {
            Self::Begin(settings) | Self::Set(Locals { settings, .. }) => settings.locals(),
            _ => &[],
        }
    }

    /// Whether this step leaves something open at the server.
    fn opens(&self) -> bool {
        match self {
            Self::Begin(_) | Self::Savepoint(_) | Self::Set(_) => true,
            Self::Restore(_)
            | Self::Release(_)
            | Self::RollbackTo(_)
            | Self::Limit(_)
            | Self::Commit
            | Self::Rollback => false,
        }
    }

    /// Whether this begins a transaction that may write.
    #[cfg_attr(not(feature = "sqlite-system"), allow(dead_code, reason = "for a driver that is not built"))]
    pub(crate) fn begins_writing(&self) -> bool {
        matches!(self, Self::Begin(settings) if settings.read_only() != Some(true))
    }

    fn is_savepoint(&self, test: impl FnOnce(&Name) -> bool) -> bool {
        matches!(self, Self::Savepoint(name) if test(name))
    }
}

/// How many steps were owed, cancelled out or dropped, and sent.
///
/// Over a ledger's life, and until its tally is taken, `owed == cancelled + sent +` what is still owed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) owed: u64,
    pub(crate) cancelled: u64,
    pub(crate) sent: u64,
}

/// The control steps that a session owes its server, and what the server has open.
///
/// A step is never sent on its own but goes ahead of the next statement, so that opposites can cancel out in between.
/// Rails' lazy transactions were first at this; the ledger takes it on to savepoints and rollbacks.
///
/// # Names
/// A name means the innermost open savepoint of that name. Blocks are ended from the inside out; where an outer one is
/// ended first, those inside end with it, and only names that repeat can then be mistaken. A block that ended with an
/// outer one must not write any more: its name may be another's by now. Where nothing has that name, nothing is done.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Not yet sent. First what ends something that was sent (a [`Control::Rollback`], or `RollbackTo`s and
    /// `Release`s), then what opens (`Begin`, `Savepoint`s), outermost first. What was opened and ended unsent is not
    /// here.
    owed: Steps,
    /// What the server has open, outermost first: `Begin`, then `Savepoint`s.
    open: Steps,
    /// How many of `open` are left once `owed` is sent.
    kept: usize,
    tally: Tally,
}

impl Ledger {
    /// Owes a step, or cancels it out against one that is owed already.
    ///
    /// COMMIT is not owed but goes out at once: see [`finish`](Self::finish).
    pub(crate) fn owe(&mut self, step: Control) {
        match step {
            Control::Savepoint(name) if self.ends_with_rollback_of(&name) => self.reopen(),
            Control::Begin(_) | Control::Savepoint(_) | Control::Set(_) => self.push(step),
            // Its block was not sent, as all that is open inside has ended: then nor was what it set.
            Control::Restore(_) if self.openings() < self.owed.len() => self.cancel_unpushed(),
            Control::Restore(_) => self.push(step),
            Control::Release(name) => self.release(name),
            Control::RollbackTo(name) => self.roll_back_to(name),
            Control::Rollback => self.owe_rollback(),
            Control::Commit | Control::Limit(_) => debug_assert!(false, "it goes out at once"),
        }
    }

    /// A root was dropped whose session is used on: the next flight rolls it back, unless its BEGIN was never sent.
    ///
    /// The transaction is over with this, for [`begun`](Self::begun) too.
    pub(crate) fn owe_rollback(&mut self) {
        if self.begun() {
            self.cancel_from(0);
            self.forget_open();
            self.push(Control::Rollback);
        } else {
            self.cancel_from(self.openings());
        }
    }

    /// All that is owed, to be sent now. From here on it counts as sent.
    pub(crate) fn take(&mut self) -> Steps {
        let steps = mem::take(&mut self.owed);
        self.open.truncate(self.kept);
        for step in steps.iter().filter(|step| step.opens()) {
            self.open.push(step.clone());
        }
        self.kept = self.open.len();
        self.tally.sent += count(steps.len());
        steps
    }

    /// The steps that end the transaction, to be sent now, or `None` if its BEGIN was never sent.
    ///
    /// Nothing is open or owed after it, save for the rollback of an earlier root that is owed still.
    pub(crate) fn finish(&mut self, commit: bool) -> Option<Steps> {
        if !self.begun() {
            self.cancel_from(self.openings());
            return None;
        }
        // COMMIT releases every savepoint, ROLLBACK undoes them: only what was rolled back by itself must be told. A
        // release in front of that one stays, as it may uncover the savepoint that is meant.
        let undone = self.owed.iter().rposition(|step| matches!(step, Control::RollbackTo(_)));
        self.cancel_from(undone.filter(|_| commit).map_or(0, |at| at + 1));
        self.push(if commit { Control::Commit } else { Control::Rollback });
        let steps = self.take();
        self.forget_open();
        Some(steps)
    }

    /// The connection was replaced before anything took effect on the old one: what was open there is owed again.
    pub(crate) fn reset(&mut self) {
        let endings = self.openings();
        self.tally.cancelled += count(endings);
        self.tally.owed += count(self.kept);
        self.open.truncate(self.kept);
        self.open.extend(self.owed.drain(..).skip(endings));
        mem::swap(&mut self.owed, &mut self.open);
        self.kept = 0;
    }

    /// Whether the Begin of the transaction that is open was sent.
    pub(crate) fn begun(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether nothing is owed.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.owed.is_empty()
    }

    /// What was counted since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        mem::take(&mut self.tally)
    }

    /// Whether the last that is owed is to roll back savepoint `name` and to release it.
    fn ends_with_rollback_of(&self, name: &Name) -> bool {
        // The innermost of that name is meant by both, as neither of them opens another.
        matches!(&*self.owed, [.., Control::RollbackTo(undone), Control::Release(ended)] if undone == name && ended == name)
    }

    /// A block opens where its sibling of the same name was rolled back. Rolled back and not released, the sibling's
    /// savepoint is what a new one would be.
    fn reopen(&mut self) {
        self.cancel_unpushed();
        self.cancel_from(self.owed.len() - 1);
        self.kept += 1;
    }

    fn release(&mut self, name: Name) {
        if let Some(at) = innermost(&self.owed, &name) {
            self.cancel_from(at);
            self.cancel_unpushed();
        } else if let Some(at) = innermost(&self.open[..self.kept], &name) {
            self.cancel_from(self.openings());
            self.kept = at;
            self.push(Control::Release(name));
        } else {
            self.cancel_unpushed();
        }
    }

    fn roll_back_to(&mut self, name: Name) {
        if let Some(at) = innermost(&self.owed, &name) {
            self.cancel_from(at + 1);
            return self.cancel_unpushed();
        }
        let Some(at) = innermost(&self.open[..self.kept], &name) else {
            return self.cancel_unpushed();
        };
        // All that is owed came after the savepoint was sent, and is undone by rolling back to it. But where the server
        // still has another of that name inside, what ends that one must stay, or the wrong one would be rolled back.
        let hidden = self.open[at + 1..].iter().any(|step| step.is_savepoint(|other| other.clashes(&name)));
        self.cancel_from(if hidden { self.openings() } else { 0 });
        self.kept = at + 1;
        let step = Control::RollbackTo(name);
        if self.owed.last() == Some(&step) {
            self.cancel_unpushed();
        } else {
            self.push(step);
        }
    }

    /// Where in `owed` the steps begin that open something.
    fn openings(&self) -> usize {
        self.owed.iter().position(Control::opens).unwrap_or(self.owed.len())
    }

    fn push(&mut self, step: Control) {
        self.tally.owed += 1;
        self.owed.push(step);
    }

    /// A step was to be owed that has cancelled out at once.
    fn cancel_unpushed(&mut self) {
        self.tally.owed += 1;
        self.tally.cancelled += 1;
    }

    fn cancel_from(&mut self, at: usize) {
        self.tally.cancelled += count(self.owed.len() - at);
        self.owed.truncate(at);
    }

    fn forget_open(&mut self) {
        self.open.clear();
        self.kept = 0;
    }
}

fn innermost(steps: &[Control], name: &Name) -> Option<usize> {
    steps.iter().rposition(|step| step.is_savepoint(|other| other == name))
}

fn count(steps: usize) -> u64 {
    steps as u64
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
