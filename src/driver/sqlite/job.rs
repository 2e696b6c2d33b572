//! What is done to a SQLite database in one piece: control steps, then a statement. All of it blocks; where it may do so
//! is decided elsewhere.

use std::{borrow::Cow, mem, sync::Arc};

use rusqlite::{CachedStatement, Connection, Statement};

use super::{
    classify,
    stop::Stop,
    values::{self, SqliteRow},
};
use crate::{
    control::Control,
    driver::{Answer, Dialect, Query, Want, wrong_count},
    error::{Error, ErrorKind},
    fault::{Fault, Verdict},
    row::Row,
    value::Value,
};

/// A database with what SQLite does not tell of it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) db: Connection,
    pub(super) stop: Arc<Stop>,
    /// The open transaction is a read-only one.
    pub(super) query_only: bool,
    /// Steps that came with work which was called off before it took them. The runtime counts them as sent, and what
    /// it sends next rests on them: they are taken ahead of that.
    pub(super) unpaid: Vec<Control>,
    /// What ended the transaction when nobody waited for the answer any more.
    pub(super) ended_by: Option<Error>,
}

impl Held {
    pub(super) fn new(db: Connection, stop: Arc<Stop>) -> Self {
        Self { db, stop, query_only: false, unpaid: Vec::new(), ended_by: None }
    }

    /// What an error means. Some roll the whole transaction back: a full disk, an interrupt, sometimes a busy database.
    pub(super) fn fault(&mut self, was_open: bool, error: Error) -> Fault {
        if !was_open || !self.db.is_autocommit() {
            return Fault::kept(error);
        }
        if self.stop.stops() {
            self.ended_by = Some(error.clone());
        }
        Fault::new(Verdict::Gone, error)
    }
}

/// Takes the steps, then runs the statement.
pub(super) fn run(held: &mut Held, steps: &[Control], query: Query<'_>, want: Want) -> Result<Answer, Fault> {
    take_steps(held, steps)?;
    let open = !held.db.is_autocommit();
    statement(&held.db, query, want).map_err(|error| held.fault(open, error))
}

/// Takes control steps one after the other. If one fails, the transaction as a whole cannot be relied on.
pub(super) fn take_steps(held: &mut Held, steps: &[Control]) -> Result<(), Fault> {
    let unpaid = mem::take(&mut held.unpaid);
    let steps = if unpaid.is_empty() { Cow::Borrowed(steps) } else { Cow::Owned([&unpaid, steps].concat()) };
    for (at, step) in steps.iter().enumerate() {
        let text = Dialect::Sqlite.render(step);
        let Err(error) = take_step(held, step, &text) else { continue };
        if held.stop.stops() {
            // A BEGIN that waited for another's lock when it was called off: the block around may still want it.
            held.unpaid = steps[at..].to_vec();
        }
        let error = held.ended_by.take().unwrap_or_else(|| classify::statement(error, &text));
        return Err(Fault::new(Verdict::Gone, error));
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
        Control::Commit | Control::Rollback => {
            held.ended_by = None;
            query_only(held, false)
        }
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
        let mut columns = None;
        let mut cursor = statement.raw_query();
        while let Some(row) = cursor.next().map_err(failed)? {
            returned += 1;
            if want == Want::Rows {
                // Not before the first step, which prepares anew a statement whose tables have changed.
                let columns = columns.get_or_insert_with(|| values::columns(row.as_ref()));
                rows.push(Row::new(SqliteRow::new(row, columns).map_err(failed)?));
            }
        }
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
