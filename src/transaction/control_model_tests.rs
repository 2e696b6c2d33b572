//! A naive model of a server, which the ledger is tested against: rows and settings, and copies of both for what is open. It
//! takes steps one by one, and asserts that each is sent where it may be.

use std::collections::BTreeMap;

use super::{
    super::{Control, Name},
    Statement,
};

pub(super) type Rows = BTreeMap<u8, u32>;

/// A server: rows, and copies of them for what is open. As on PostgreSQL an error aborts, up to the next rollback.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    pub(super) rows: Rows,
    pub(super) begun: Option<Rows>,
    pub(super) savepoints: Vec<(String, Rows)>,
    pub(super) settings: LocalSettings,
    /// The settings at each savepoint.
    pub(super) set_before: Vec<LocalSettings>,
    pub(super) aborted: bool,
    /// Whether `A` and `a` are one name, as on SQLite.
    pub(super) folds: bool,
}

impl Server {
    fn find(&self, name: &Name) -> usize {
        let fold = |name: &str| if self.folds { name.to_lowercase() } else { name.to_owned() };
        let name = name.to_string();
        let at = self.savepoints.iter().rposition(|(known, _)| fold(known) == fold(&name));
        at.unwrap_or_else(|| panic!("no such savepoint: {name}"))
    }

    pub(super) fn control(&mut self, step: &Control) {
        let ends = matches!(step, Control::RollbackTo(_) | Control::Rollback);
        assert!(!self.aborted || ends, "{step:?} in an aborted transaction");
        assert_eq!(self.begun.is_none(), matches!(step, Control::Begin(_)), "{step:?} in the wrong place");
        match step {
            Control::Begin(_) => self.begun = Some(self.rows.clone()),
            Control::Savepoint(name) => {
                self.savepoints.push((name.to_string(), self.rows.clone()));
                self.set_before.push(self.settings.clone());
            }
            Control::Set(locals) => {
                let before = self.settings.local;
                self.settings.saved.insert(locals.depth, before);
                self.settings.local = locals.depth;
            }
            Control::Restore(locals) => self.settings.local = self.settings.saved[&locals.depth],
            Control::Limit(_) => panic!("{step:?} is never owed"),
            Control::Release(name) => {
                let at = self.find(name);
                self.savepoints.truncate(at);
                self.set_before.truncate(at);
            }
            Control::RollbackTo(name) => {
                let at = self.find(name);
                self.savepoints.truncate(at + 1);
                self.set_before.truncate(at + 1);
                self.rows = self.savepoints[at].1.clone();
                self.settings = self.set_before[at].clone();
                self.aborted = false;
            }
            Control::Commit | Control::Rollback => {
                let before = self.begun.take().expect("was asserted above");
                if *step == Control::Rollback {
                    self.rows = before;
                }
                self.savepoints.clear();
                self.set_before.clear();
                self.settings = LocalSettings::default();
                self.aborted = false;
            }
        }
    }

    pub(super) fn statement(&mut self, statement: &Statement, stamp: u32) -> Result<Rows, ()> {
        assert!(!self.aborted, "a statement in an aborted transaction");
        match statement {
            Statement::Read => {}
            Statement::Write(key) => drop(self.rows.insert(*key, stamp)),
            Statement::Fail => {
                self.aborted = self.begun.is_some();
                return Err(());
            }
        }
        // What is set is seen by every statement, too.
        let mut seen = self.rows.clone();
        seen.insert(u8::MAX, self.settings.local);
        Ok(seen)
    }
}

/// A setting that is local to the transaction: whose it is, by depth, and what was kept of it.
#[derive(Debug, Clone, Default)]
pub(super) struct LocalSettings {
    local: u32,
    saved: BTreeMap<u32, u32>,
}
