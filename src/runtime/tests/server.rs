//! A model of a server with one session: a set of keys, copies of it for what is open, and PostgreSQL's way of aborting
//! a transaction at its first error. It is told steps, and knows no runtime.

use std::collections::BTreeSet;

use crate::transaction::{control::Control, impact::Impact};

pub(super) type Keys = BTreeSet<u8>;

#[derive(Debug, Default)]
pub(super) struct Server {
    keys: Keys,
    begun: Option<Keys>,
    savepoints: Vec<(String, Keys)>,
    aborted: bool,
    /// The transaction was lost, and nothing is taken before its end is told: what is behind on its way must not commit
    /// on its own.
    pub(super) gone: bool,
    /// The connection is gone: nothing is taken any more.
    pub(super) dead: bool,
    /// What was sent that nothing may send.
    pub(super) wrong: Vec<String>,
}

impl Server {
    /// What everyone else sees.
    pub(super) fn committed(&self) -> &Keys {
        self.begun.as_ref().unwrap_or(&self.keys)
    }

    pub(super) fn is_open(&self) -> bool {
        self.begun.is_some()
    }

    pub(super) fn abort(&mut self) {
        self.aborted = self.is_open();
    }

    pub(super) fn roll_back(&mut self) {
        if let Some(before) = self.begun.take() {
            self.keys = before;
        }
        self.savepoints.clear();
        self.aborted = false;
        self.gone = false;
    }

    /// The connection breaks.
    pub(super) fn die(&mut self) {
        self.roll_back();
        self.dead = true;
    }

    pub(super) fn control(&mut self, step: &Control) {
        let begins = matches!(step, Control::Begin(_));
        if begins == self.is_open() && *step != Control::Rollback {
            return self.wrong.push(format!("{} in the wrong place", text(step)));
        }
        if self.aborted && !matches!(step, Control::RollbackTo(_) | Control::Rollback) {
            return self.wrong.push(format!("{} in an aborted transaction", text(step)));
        }
        match step {
            Control::Begin(_) => self.begun = Some(self.keys.clone()),
            Control::Savepoint(name) => self.savepoints.push((name.to_string(), self.keys.clone())),
            Control::Release(name) | Control::RollbackTo(name) => {
                let name = name.to_string();
                let Some(at) = self.savepoints.iter().rposition(|(known, _)| *known == name) else {
                    return self.wrong.push(format!("{} of no savepoint", text(step)));
                };
                if matches!(step, Control::Release(_)) {
                    return self.savepoints.truncate(at);
                }
                self.savepoints.truncate(at + 1);
                self.keys = self.savepoints[at].1.clone();
                self.aborted = false;
            }
            Control::Commit => {
                self.begun = None;
                self.savepoints.clear();
            }
            Control::Rollback => self.roll_back(),
            Control::Set(_) | Control::Restore(_) | Control::Limit(_) => {}
        }
    }

    /// Writes a key for a frame that believes to be `depth` blocks deep; `None` fails. Tells whether it was taken.
    pub(super) fn statement(&mut self, key: Option<u8>, depth: u32) -> Result<(), (Impact, &'static str)> {
        let open = u32::from(self.is_open()) + u32::try_from(self.savepoints.len()).expect("programs are small");
        if open != depth {
            self.wrong.push(format!("a statement of depth {depth} at depth {open}"));
        }
        if self.aborted {
            return Err((Impact::Refused, "25P02"));
        }
        match key {
            Some(key) => {
                self.keys.insert(key);
                Ok(())
            }
            None => {
                self.abort();
                Err((Impact::Block, "22012"))
            }
        }
    }
}

pub(super) fn text(step: &Control) -> String {
    match step {
        Control::Begin(_) => "BEGIN".into(),
        Control::Savepoint(name) => format!("SAVEPOINT {name}"),
        Control::Set(locals) => format!("SET {}", locals.depth),
        Control::Restore(locals) => format!("RESTORE {}", locals.depth),
        Control::Limit(left) => format!("LIMIT {left:?}"),
        Control::Release(name) => format!("RELEASE {name}"),
        Control::RollbackTo(name) => format!("ROLLBACK TO {name}"),
        Control::Commit => "COMMIT".into(),
        Control::Rollback => "ROLLBACK".into(),
    }
}
