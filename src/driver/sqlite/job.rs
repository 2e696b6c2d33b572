//! What is done to a SQLite database in one piece: control steps, then a statement. All of it blocks; where it may do so
//! is decided elsewhere.

use rusqlite::{CachedStatement, Connection, Statement};

use super::{
    classify,
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
    /// The open transaction is a read-only one.
    pub(super) query_only: bool,
}

/// Takes the steps, then runs the statement.
pub(super) fn run(held: &mut Held, steps: &[Control], query: Query<'_>, want: Want) -> Result<Answer, Fault> {
    take_steps(held, steps)?;
    let open = !held.db.is_autocommit();
    statement(&held.db, query, want).map_err(|error| Fault::new(verdict(&held.db, open), error))
}

/// What an error means. Some roll the whole transaction back: a full disk, an interrupt, sometimes a busy database.
pub(super) fn verdict(db: &Connection, was_open: bool) -> Verdict {
    if was_open && db.is_autocommit() { Verdict::Gone } else { Verdict::Kept }
}

/// Takes control steps one after the other. If one fails, the transaction as a whole cannot be relied on.
pub(super) fn take_steps(held: &mut Held, steps: &[Control]) -> Result<(), Fault> {
    for step in steps {
        let text = Dialect::Sqlite.render(step);
        take_step(held, step, &text).map_err(|error| Fault::new(Verdict::Gone, classify::statement(error, &text)))?;
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

fn statement(db: &Connection, query: Query<'_>, want: Want) -> Result<Answer, Error> {
    let failed = |error| classify::statement(error, query.sql);
    if want == Want::Batch {
        return db.execute_batch(query.sql).map(|()| Answer::count(0)).map_err(failed);
    }
    let mut statement = prepare(db, query)?;
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
