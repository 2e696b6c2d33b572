//! What is done to a SQLite database in one piece: control steps, and a statement. All of it blocks; where it may do so
//! is decided elsewhere.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{Batch, Connection, Statement, fallible_iterator::FallibleIterator as _};

use super::{
    classify,
    known::{Known, Learnt},
    place::{Pace, Spot},
    placeholders::Text,
    stop::{self, Stop},
    values::{self, Copier},
    write_lock::WriteLock,
    writing::{Halt, Stopped, Wait, Writing},
};
use crate::{
    data::{row::Row, value::Value},
    driver::{Answer, Dialect, Query, Reader, Want, left_open},
    error::{Error, ErrorKind},
    sql::{
        statement::{SessionEffect, session_effect},
        tokens::Syntax,
    },
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// A database with what SQLite does not tell of it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) db: Connection,
    pub(super) stop: Arc<Stop>,
    pub(super) known: Known,
    /// The thread that the work runs on just now.
    pub(super) spot: Spot,
    /// How long the last COMMIT took.
    commit: Pace,
    /// The open transaction is a read-only one.
    pub(super) query_only: bool,
    /// Steps that count as sent, but were called off together with their statement: they are taken ahead of the next.
    pub(super) left: Vec<Control>,
    /// Why the transaction is gone that whoever comes next may take to be open: the work that lost it may have been
    /// dropped, so that nobody has heard.
    pub(super) lost: Option<Error>,
    pub(super) writing: Writing,
    /// Whether the work that runs may stop to wait for a lock of another process, and be done again.
    pub(super) may_wait: bool,
    /// Whether the session may have been changed: then it is not for others as it is.
    pub(super) handled: Arc<AtomicBool>,
}

impl Held {
    /// A statement of a block whose transaction was rolled back by the statement ahead of it, of which nobody may have
    /// heard yet: it would commit on its own.
    ///
    /// # Errors
    /// There is no transaction open.
    pub(super) fn check_open(&self) -> Result<(), DriverError> {
        if !self.db.is_autocommit() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Aborted, "the transaction is gone");
        Err(DriverError::new(Impact::Transaction, self.lost.iter().cloned().fold(error, Error::with_source)))
    }

    pub(super) fn new(db: Connection, stop: Arc<Stop>, statements: usize, lock: Option<Arc<WriteLock>>) -> Self {
        Self {
            db,
            writing: Writing::new(lock, Arc::clone(&stop)),
            stop,
            known: Known::new(statements),
            spot: Spot::OWN_THREAD,
            commit: Pace::default(),
            query_only: false,
            left: Vec::new(),
            lost: None,
            may_wait: false,
            handled: Arc::default(),
        }
    }
}

/// Runs the statement.
pub(super) fn run(held: &mut Held, query: Query<'_>, want: Want) -> Result<Answer, Stopped> {
    let open = !held.db.is_autocommit();
    let result = if want == Want::Batch { batch(held, query.sql) } else { statement(held, query, want, open) };
    let answer = result.map_err(|halt| stopped(held, open, halt))?;
    keeps_transaction(&held.db, open, query.sql).map_err(Stopped::Failed)?;
    Ok(answer)
}

/// Looks whether a statement that has succeeded has ended the transaction around it, or begun one.
pub(super) fn keeps_transaction(db: &Connection, was_open: bool, sql: &str) -> Result<(), DriverError> {
    match (was_open, !db.is_autocommit()) {
        (true, false) => {
            let text = "the statement has ended the transaction that it ran in";
            Err(DriverError::new(Impact::Transaction, Error::new(ErrorKind::ImplicitCommit, text).with_statement(sql)))
        }
        (false, true) => {
            db.execute_batch("ROLLBACK").map_err(|error| DriverError::harmless(classify::statement(error, sql)))?;
            let DriverError { error, impact } = left_open();
            Err(DriverError::new(impact, error.with_statement(sql)))
        }
        (true, true) | (false, false) => Ok(()),
    }
}

/// What a halt means. A lock that was not to be had leaves everything as it was, unless the transaction went with it.
pub(super) fn stopped(held: &Held, was_open: bool, halt: Halt) -> Stopped {
    match halt {
        Halt::Failed(error) => {
            let impact = impact(&held.db, was_open);
            if held.may_wait && impact == Impact::None && classify::may_come_free(&error) {
                return Stopped::Waits(Wait::Other);
            }
            Stopped::Failed(DriverError::new(impact, error))
        }
        Halt::Waits(wait) => Stopped::Waits(wait),
    }
}

/// Pragmas that change what statements do, as they are set when a database is opened.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA query_only = OFF; PRAGMA recursive_triggers = OFF; \
    PRAGMA ignore_check_constraints = OFF; PRAGMA reverse_unordered_selects = OFF; PRAGMA case_sensitive_like = OFF; \
    PRAGMA automatic_index = ON; PRAGMA writable_schema = OFF; PRAGMA legacy_alter_table = OFF";

/// Undoes what the last user of the connection may have set.
pub(super) fn reset(held: &mut Held) -> Result<(), Stopped> {
    let stop = Arc::clone(&held.stop);
    let spot = held.spot;
    let set = || {
        held.db.execute_batch(PRAGMAS)?;
        held.query_only = false;
        stop.install(&mut held.db)
    };
    spot.run(set).map_err(|error| DriverError::new(Impact::Transaction, classify::statement(error, "PRAGMA")).into())
}

/// What an error means. Some roll the whole transaction back: a full disk, an interrupt, sometimes a busy database.
pub(super) fn impact(db: &Connection, was_open: bool) -> Impact {
    if was_open && db.is_autocommit() { Impact::Transaction } else { Impact::None }
}

/// Takes control steps one after the other, and ahead of them what was left. If one fails, the transaction as a whole
/// cannot be relied on.
pub(super) fn take_steps(held: &mut Held, steps: &[Control]) -> Result<(), Stopped> {
    let is_first = held.left.is_empty();
    if is_first && steps.is_empty() {
        return Ok(());
    }
    if is_first {
        return take_all(held, steps);
    }
    held.left.extend_from_slice(steps);
    let left = std::mem::take(&mut held.left);
    take_all(held, &left)
}

/// Takes steps; those that must wait are left.
fn take_all(held: &mut Held, steps: &[Control]) -> Result<(), Stopped> {
    let undone = steps.iter().rposition(|step| matches!(step, Control::Rollback));
    let steps = &steps[undone.unwrap_or(0)..];
    if matches!(steps.first(), Some(Control::Begin(_) | Control::Rollback)) {
        held.lost = None;
    }
    // A statement without steps that was on its way already is refused by its need of a transaction.
    if let Some(error) = &held.lost {
        return Err(DriverError::new(Impact::Transaction, error.clone()).into());
    }
    for (at, step) in steps.iter().enumerate() {
        let taken = take_step_or_wait(held, step);
        if let Err(halt) = taken {
            held.left.extend_from_slice(&steps[at..]);
            return Err(match halt {
                Halt::Failed(error) => step_failed(held, error),
                Halt::Waits(wait) => Stopped::Waits(wait),
            });
        }
    }
    Ok(())
}

fn take_step_or_wait(held: &mut Held, step: &Control) -> Result<(), Halt> {
    if step.begins_writing() {
        held.writing.take(true, held.spot).map_err(Halt::Waits)?;
    }
    let text = Dialect::Sqlite.render(step);
    take_step(held, step, &text).map_err(|error| classify::statement(error, &text).into())
}

/// What it means that the first of the steps that are left has failed.
fn step_failed(held: &mut Held, error: Error) -> Stopped {
    let ends = held.left.iter().any(|step| matches!(step, Control::Commit | Control::Rollback));
    if held.stop.stops() && !ends {
        // It waited for another's lock, and whoever wanted it was dropped: it is still to be taken.
        return DriverError::harmless(error).into();
    }
    if held.may_wait && classify::may_come_free(&error) {
        return Stopped::Waits(Wait::Other);
    }
    let commits = matches!(held.left.last(), Some(Control::Commit));
    held.left.clear();
    if commits {
        // A COMMIT that failed leaves the transaction open. Should this fail too, the state tells.
        let _ = take_step(held, &Control::Rollback, &Dialect::Sqlite.render(&Control::Rollback));
    }
    DriverError::new(Impact::Transaction, error).into()
}

fn take_step(held: &mut Held, step: &Control, text: &str) -> rusqlite::Result<()> {
    // SQLite may have rolled back by itself.
    if !(matches!(step, Control::Rollback) && held.db.is_autocommit()) {
        let Held { db, spot, commit, .. } = held;
        let mut statement = db.prepare_cached(text)?;
        match step {
            // It writes to the file, and waits for the disk.
            Control::Commit => spot.pace(commit, || statement.raw_execute())?,
            // A long transaction takes long to undo.
            Control::Rollback | Control::RollbackTo(_) => spot.run(|| statement.raw_execute())?,
            Control::Begin(_) | Control::Savepoint(_) | Control::Release(_) | Control::Set(_) | Control::Restore(_) => {
                statement.raw_execute()?
            }
        };
    }
    match step {
        Control::Begin(settings) => query_only(held, settings.read_only() == Some(true)),
        Control::Commit | Control::Rollback => query_only(held, false),
        Control::Savepoint(_)
        | Control::Set(_)
        | Control::Restore(_)
        | Control::Release(_)
        | Control::RollbackTo(_) => Ok(()),
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

/// Runs a text of several statements. Outside a transaction each is committed on its own, so that the write lock is taken
/// for all of them.
fn batch(held: &mut Held, sql: &str) -> Result<Answer, Halt> {
    let Held { db, stop, spot, writing, may_wait, handled, .. } = held;
    let failed = |error| classify::statement(error, sql);
    note_effect(handled, session_effect(sql, Syntax::Sqlite));
    stop.takes_along(!db.is_autocommit());
    if db.is_autocommit() && writing.is_due() && writes(db, sql) {
        writing.take(false, *spot).map_err(Halt::Waits)?;
    }
    spot.run(|| {
        let mut batch = Batch::new(db, sql);
        while let Some(mut statement) = batch.next().map_err(failed)? {
            let mut rows = statement.raw_query();
            while rows.next().map_err(failed)?.is_some() {}
            if std::mem::take(may_wait) {
                // What has run must not run again: from now on a lock is waited for here.
                stop::wait_on();
            }
        }
        Ok(Answer::count(0))
    })
}

/// Whether one of the statements of a text may write, as far as can be told before the first has run.
fn writes(db: &Connection, sql: &str) -> bool {
    let mut batch = Batch::new(db, sql);
    loop {
        match batch.next() {
            Ok(Some(statement)) if statement.readonly() => {}
            Ok(None) => return false,
            // What cannot be prepared yet may need the table that one ahead of it makes.
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}

fn statement(held: &mut Held, query: Query<'_>, want: Want, is_open: bool) -> Result<Answer, Halt> {
    let Held { db, stop, known, spot, writing, handled, .. } = held;
    let failed = |error| classify::statement(error, query.sql);
    let text = Text::of(query.sql);
    let mut statement = known.prepare(db, query.sql, &text.sql).map_err(failed)?;
    let learnt = prepare(known, handled, &mut statement, query, &text)?;
    let reads = statement.readonly();
    if !reads && !is_open {
        writing.take(false, *spot).map_err(Halt::Waits)?;
    }
    stop.takes_along(!reads && is_open);
    if reads {
        let (rows, returned) = rows(&mut statement, learnt, (want, query.reader), *spot).map_err(failed)?;
        return Ok(Answer::rows(rows, returned));
    }
    // Without a change, `changes` tells of an earlier statement.
    let before = db.total_changes();
    let (rows, _) = rows(&mut statement, learnt, (want, query.reader), *spot).map_err(failed)?;
    let changed = db.total_changes() != before;
    let last_insert_id = changed.then(|| db.last_insert_rowid());
    Ok(Answer { last_insert_id, ..Answer::rows(rows, if changed { db.changes() } else { 0 }) })
}

/// What is wanted of a statement, and who reads its rows as they come.
type Wanted<'r> = (Want, Option<&'r Arc<dyn Reader>>);

/// Runs a prepared statement: its rows, if they are wanted, and how many there were.
fn rows(
    statement: &mut Statement<'_>,
    learnt: &mut Learnt,
    wanted: Wanted<'_>,
    spot: Spot,
) -> rusqlite::Result<(Vec<Row>, u64)> {
    let mut pace = learnt.pace;
    let out = spot.pace(&mut pace, || all_rows(statement, learnt, wanted));
    learnt.pace = pace;
    out
}

fn all_rows(
    statement: &mut Statement<'_>,
    learnt: &mut Learnt,
    (want, reader): Wanted<'_>,
) -> rusqlite::Result<(Vec<Row>, u64)> {
    if let Some(reader) = reader {
        reader.begin();
    }
    let (mut rows, mut returned) = (Vec::new(), 0);
    if statement.column_count() == 0 {
        statement.raw_execute()?;
        return Ok((rows, returned));
    }
    let mut cursor = statement.raw_query();
    let Some(mut row) = cursor.next()? else { return Ok((rows, returned)) };
    if want != Want::Rows {
        while let Some(_unwanted) = cursor.next()? {
            returned += 1;
        }
        return Ok((rows, returned + 1));
    }
    let mut copier = Copier::new(learnt.columns(row.as_ref()));
    loop {
        returned += 1;
        copier.push(row)?;
        match cursor.next()? {
            Some(next) => row = next,
            None => break,
        }
        if copier.is_full() {
            match reader {
                Some(reader) => copier.read_by(&**reader),
                None => copier.take(&mut rows),
            }
        }
    }
    copier.take(&mut rows);
    Ok((rows, returned))
}

/// Notes what a statement leaves behind, before it has run: one that fails may have taken effect.
fn note_effect(handled: &AtomicBool, effect: SessionEffect) {
    if effect != SessionEffect::None {
        handled.store(true, Ordering::Release);
    }
}

/// Binds the values of a statement that was just prepared and is run next.
pub(super) fn prepare<'k>(
    known: &'k mut Known,
    handled: &AtomicBool,
    statement: &mut Statement<'_>,
    query: Query<'_>,
    text: &Text<'_>,
) -> Result<&'k mut Learnt, Error> {
    let failed = |error: Error| error.with_statement(query.sql);
    let learnt = known.learn(query.sql, statement, text.is_numbered).map_err(failed)?;
    bind(statement, learnt, query.params).map_err(failed)?;
    note_effect(handled, learnt.effect);
    Ok(learnt)
}

fn bind(statement: &mut Statement<'_>, learnt: &Learnt, params: &[Value]) -> Result<(), Error> {
    for (index, number) in learnt.places(params.len())? {
        let Some(value) = params.get(number - 1) else { continue };
        let bound = values::bound(value, number)?;
        statement.raw_bind_parameter(index, bound).map_err(|error| {
            let text = format!("parameter ${number}: {} cannot be bound", value.type_name());
            Error::new(ErrorKind::Parameter, text).with_source(error)
        })?;
    }
    Ok(())
}
