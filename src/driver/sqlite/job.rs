//! What is done to a SQLite database in one piece: control steps, and a statement. All of it blocks; where it may do so
//! is decided elsewhere.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Statement};

use super::{
    classify,
    stop::Stop,
    values::{self, Copier},
};
use crate::{
    control::Control,
    driver::{Answer, Dialect, Query, Want, wrong_count},
    error::{Error, ErrorKind},
    fault::{Fault, Verdict},
    value::Value,
};

/// A database with what SQLite does not tell of it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) db: Connection,
    pub(super) stop: Arc<Stop>,
    /// The open transaction is a read-only one.
    pub(super) query_only: bool,
    /// Steps that count as sent, but were called off together with their statement: they are taken ahead of the next.
    pub(super) left: Vec<Control>,
    /// Why the transaction is gone that whoever comes next may take to be open: the work that lost it may have been
    /// dropped, so that nobody has heard.
    pub(super) lost: Option<Error>,
}

impl Held {
    /// Whether nothing is open, and nothing is to be known, for whoever comes next.
    pub(super) fn is_idle(&self) -> bool {
        self.db.is_autocommit() && self.left.is_empty() && self.lost.is_none()
    }

    /// A statement of a block whose transaction was rolled back by the statement ahead of it, of which nobody may have
    /// heard yet: it would commit on its own.
    ///
    /// # Errors
    /// There is no transaction open.
    pub(super) fn check_open(&self) -> Result<(), Fault> {
        if !self.db.is_autocommit() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Aborted, "the transaction is gone");
        Err(Fault::new(Verdict::Gone, self.lost.iter().cloned().fold(error, Error::with_source)))
    }

    pub(super) fn new(db: Connection, stop: Arc<Stop>) -> Self {
        Self { db, stop, query_only: false, left: Vec::new(), lost: None }
    }
}

/// Runs the statement.
pub(super) fn run(held: &mut Held, query: Query<'_>, want: Want) -> Result<Answer, Fault> {
    let open = !held.db.is_autocommit();
    statement(held, query, want).map_err(|error| Fault::new(verdict(&held.db, open), error))
}

/// Undoes what whoever had the native connection may have set.
pub(super) fn reset(held: &mut Held) -> Result<(), Fault> {
    let stop = Arc::clone(&held.stop);
    let mut set = || {
        held.db.pragma_update(None, "foreign_keys", true)?;
        held.db.pragma_update(None, "query_only", false)?;
        held.query_only = false;
        stop.install(&mut held.db)
    };
    set().map_err(|error| Fault::new(Verdict::Gone, classify::statement(error, "PRAGMA")))
}

/// What an error means. Some roll the whole transaction back: a full disk, an interrupt, sometimes a busy database.
pub(super) fn verdict(db: &Connection, was_open: bool) -> Verdict {
    if was_open && db.is_autocommit() { Verdict::Gone } else { Verdict::Kept }
}

/// Takes control steps one after the other, and ahead of them what was left. If one fails, the transaction as a whole
/// cannot be relied on.
pub(super) fn take_steps(held: &mut Held, steps: &[Control]) -> Result<(), Fault> {
    held.left.extend_from_slice(steps);
    if let Some(at) = held.left.iter().rposition(|step| matches!(step, Control::Rollback)) {
        held.left.drain(..at);
        held.lost = None;
    }
    if matches!(held.left.first(), Some(Control::Begin(_))) {
        held.lost = None;
    }
    // A statement without steps that was on its way already is refused by its need of a transaction.
    if let Some(error) = held.lost.clone().filter(|_| !held.left.is_empty()) {
        held.left.clear();
        return Err(Fault::new(Verdict::Gone, error));
    }
    while let Some(step) = held.left.first().cloned() {
        let text = Dialect::Sqlite.render(&step);
        if let Err(error) = take_step(held, &step, &text) {
            let ends = held.left.iter().any(|step| matches!(step, Control::Commit | Control::Rollback));
            if held.stop.stops() && !ends {
                // It waited for another's lock, and whoever wanted it was dropped: it is still to be taken.
                return Err(Fault::kept(classify::statement(error, &text)));
            }
            held.left.clear();
            if matches!(steps.last(), Some(Control::Commit)) {
                // A COMMIT that failed leaves the transaction open. Should this fail too, the state tells.
                let _ = take_step(held, &Control::Rollback, &Dialect::Sqlite.render(&Control::Rollback));
            }
            return Err(Fault::new(Verdict::Gone, classify::statement(error, &text)));
        }
        held.left.remove(0);
    }
    Ok(())
}

fn take_step(held: &mut Held, step: &Control, text: &str) -> rusqlite::Result<()> {
    // SQLite may have rolled back by itself.
    if !(matches!(step, Control::Rollback) && held.db.is_autocommit()) {
        held.db.prepare_cached(text)?.raw_execute()?;
    }
    match step {
        Control::Begin(settings) => query_only(held, settings.read_only() == Some(true)),
        Control::Commit | Control::Rollback => query_only(held, false),
        Control::Savepoint(_) | Control::Release(_) | Control::RollbackTo(_) => Ok(()),
    }
}

/// A DEFERRED transaction may still write: a read-only one must not.
fn query_only(held: &mut Held, on: bool) -> rusqlite::Result<()> {
    if held.query_only != on {
        held.db.pragma_update(None, "query_only", on)?;
        held.query_only = on;
    }
    Ok(())
}

fn statement(held: &Held, query: Query<'_>, want: Want) -> Result<Answer, Error> {
    let Held { db, stop, .. } = held;
    let failed = |error| classify::statement(error, query.sql);
    if want == Want::Batch {
        stop.takes_along(!db.is_autocommit());
        return db.execute_batch(query.sql).map(|()| Answer::count(0)).map_err(failed);
    }
    let mut statement = prepare(db, query)?;
    stop.takes_along(!db.is_autocommit() && !statement.readonly());
    let before = db.total_changes();
    let mut rows = Vec::new();
    let mut returned = 0;
    if statement.column_count() == 0 {
        statement.raw_execute().map_err(failed)?;
    } else {
        let mut copier = Copier::default();
        let mut cursor = statement.raw_query();
        while let Some(row) = cursor.next().map_err(failed)? {
            returned += 1;
            if want == Want::Rows {
                copier.push(row).map_err(failed)?;
                if copier.is_full() {
                    rows.extend(copier.take());
                }
            }
        }
        rows.extend(copier.take());
    }
    // Without a change, `changes` tells of an earlier statement.
    let changed = db.total_changes() != before;
    let affected = if changed {
        db.changes()
    } else if statement.readonly() {
        returned
    } else {
        0
    };
    let last_insert_id = changed.then(|| db.last_insert_rowid());
    Ok(Answer { last_insert_id, ..Answer::rows(rows, affected) })
}

/// Prepares a statement and binds its parameters.
pub(super) fn prepare<'db>(db: &'db Connection, query: Query<'_>) -> Result<CachedStatement<'db>, Error> {
    let failed = |error| classify::statement(error, query.sql);
    let mut statement = db.prepare_cached(query.sql).map_err(failed)?;
    bind(&mut statement, query.params).map_err(|error| error.with_statement(query.sql))?;
    Ok(statement)
}

/// Binds values to `?`, `?1` and `$1`: a number tells which value, its lack that it is the next one.
fn bind(statement: &mut Statement<'_>, params: &[Value]) -> Result<(), Error> {
    let wrong = |text: String| Error::new(ErrorKind::Parameter, text);
    let mut taken = 0;
    for index in 1..=statement.parameter_count() {
        let number = match statement.parameter_name(index) {
            None => index,
            Some(name) => name
                .strip_prefix(['$', '?'])
                .and_then(|digits| digits.parse().ok())
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    wrong(format!("the parameter {name} has a name; parameters are numbered, as $1 or ?1"))
                })?,
        };
        taken = taken.max(number);
        let Some(value) = params.get(number - 1) else { continue };
        let bound = values::bound(value, number)?;
        statement.raw_bind_parameter(index, bound).map_err(|error| {
            wrong(format!("parameter ${number}: {} cannot be bound", value.type_name())).with_source(error)
        })?;
    }
    if taken != params.len() {
        return Err(wrong_count(params.len(), taken));
    }
    Ok(())
}
