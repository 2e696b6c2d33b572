//! Runs statements on a SQLite database. All of it blocks; `run_on.rs` decides where it may.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{Batch, Connection, Statement, fallible_iterator::FallibleIterator as _};

use super::{
    cancel_flag, classify,
    connection_state::ConnectionState,
    placeholders::Text,
    run_on::CurrentThread,
    statement_meta::{StatementMeta, StatementMetaCache},
    values::{self, RowCollector},
    write_access::{StatementError, Wait, WorkError},
};
use crate::{
    data::{row::Row, value::Value},
    driver::{Answer, Query, Reader, Want, left_open},
    error::{Error, ErrorKind},
    sql::{
        statement::{SessionEffect, session_effect},
        tokens::Syntax,
    },
    transaction::impact::{DriverError, Impact},
};

/// Runs a statement.
pub(super) fn run(conn: &mut ConnectionState, query: Query<'_>, want: Want) -> Result<Answer, WorkError> {
    let open = !conn.db.is_autocommit();
    let result = if want == Want::Batch { batch(conn, query.sql) } else { statement(conn, query, want, open) };
    let answer = result.map_err(|error| stopped(conn, open, error))?;
    keeps_transaction(&conn.db, open, query.sql).map_err(WorkError::Failed)?;
    Ok(answer)
}

/// Checks whether a successful statement has ended the transaction around it, or begun one.
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

/// The meaning of an error. A lock that was not available leaves everything as it was, unless the transaction was
/// rolled back.
pub(super) fn stopped(conn: &ConnectionState, was_open: bool, error: StatementError) -> WorkError {
    match error {
        StatementError::Failed(error) => {
            let error = conn.cancel.explain(error);
            let impact = impact(&conn.db, was_open);
            if conn.may_wait && impact == Impact::None && classify::may_come_free(&error) {
                return WorkError::Waits(Wait::Other);
            }
            WorkError::Failed(DriverError::new(impact, error))
        }
        StatementError::Waits(wait) => WorkError::Waits(wait),
    }
}

/// The impact of an error. Some roll the whole transaction back: a full disk, an interrupt, sometimes a busy database.
pub(super) fn impact(db: &Connection, was_open: bool) -> Impact {
    if was_open && db.is_autocommit() { Impact::Transaction } else { Impact::None }
}

/// Runs a text of several statements. Outside a transaction each is committed on its own, so the write lock is taken
/// for all of them.
fn batch(conn: &mut ConnectionState, sql: &str) -> Result<Answer, StatementError> {
    let ConnectionState { db, cancel, current_thread, write_access, may_wait, needs_reset, .. } = conn;
    let failed = |error| classify::statement(error, sql);
    note_effect(needs_reset, session_effect(sql, Syntax::Sqlite));
    cancel.set_would_roll_back(!db.is_autocommit());
    if db.is_autocommit() && write_access.is_due() && writes(db, sql) {
        write_access.take(false, *current_thread).map_err(StatementError::Waits)?;
    }
    current_thread.run(|| {
        let mut batch = Batch::new(db, sql);
        while let Some(mut statement) = batch.next().map_err(failed)? {
            let mut rows = statement.raw_query();
            while rows.next().map_err(failed)?.is_some() {}
            if std::mem::take(may_wait) {
                // The first statement must not run again: from now on a lock is awaited here.
                cancel_flag::allow_full_wait();
            }
        }
        Ok(Answer::count(0))
    })
}

/// Whether one of the statements of a text may write, as far as is known before the first has run.
fn writes(db: &Connection, sql: &str) -> bool {
    let mut batch = Batch::new(db, sql);
    loop {
        match batch.next() {
            Ok(Some(statement)) if statement.readonly() => {}
            Ok(None) => return false,
            // A statement that cannot be prepared yet may need a table that an earlier one creates.
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}

fn statement(
    conn: &mut ConnectionState,
    query: Query<'_>,
    want: Want,
    is_open: bool,
) -> Result<Answer, StatementError> {
    let ConnectionState { db, cancel, metas, current_thread, write_access, needs_reset, .. } = conn;
    let failed = |error| classify::statement(error, query.sql);
    let text = Text::of(query.sql);
    let mut statement = metas.prepare(db, query.sql, &text.sql).map_err(failed)?;
    let meta = prepare(metas, needs_reset, &mut statement, query, &text)?;
    let reads = statement.readonly();
    if !reads && !is_open {
        write_access.take(false, *current_thread).map_err(StatementError::Waits)?;
    }
    cancel.set_would_roll_back(!reads && is_open);
    if reads {
        let (rows, returned) = rows(&mut statement, meta, (want, query.reader), *current_thread).map_err(failed)?;
        return Ok(Answer::rows(rows, returned));
    }
    // Without a change, `changes` counts an earlier statement.
    let before = db.total_changes();
    let (rows, _) = rows(&mut statement, meta, (want, query.reader), *current_thread).map_err(failed)?;
    let changed = db.total_changes() != before;
    let last_insert_id = changed.then(|| db.last_insert_rowid());
    Ok(Answer { last_insert_id, ..Answer::rows(rows, if changed { db.changes() } else { 0 }) })
}

/// The result that the caller wants, and what reads the rows as they come.
type Wanted<'r> = (Want, Option<&'r Arc<dyn Reader>>);

/// Runs a prepared statement: returns its rows, if they are wanted, and how many there were.
fn rows(
    statement: &mut Statement<'_>,
    meta: &mut StatementMeta,
    wanted: Wanted<'_>,
    current_thread: CurrentThread,
) -> rusqlite::Result<(Vec<Row>, u64)> {
    let mut last_cost = meta.last_cost;
    let out = current_thread.run_timed(&mut last_cost, || all_rows(statement, meta, wanted));
    meta.last_cost = last_cost;
    out
}

fn all_rows(
    statement: &mut Statement<'_>,
    meta: &mut StatementMeta,
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
    let mut collector = RowCollector::new(meta.columns(row.as_ref()));
    loop {
        returned += 1;
        collector.push(row)?;
        match cursor.next()? {
            Some(next) => row = next,
            None => break,
        }
        if collector.is_full() {
            match reader {
                Some(reader) => collector.read_by(&**reader),
                None => collector.take(&mut rows),
            }
        }
    }
    collector.take(&mut rows);
    Ok((rows, returned))
}

/// Notes the effect of a statement on the session, before it has run: one that fails may have taken effect.
fn note_effect(needs_reset: &AtomicBool, effect: SessionEffect) {
    if effect != SessionEffect::None {
        needs_reset.store(true, Ordering::Release);
    }
}

/// Binds the values of a statement that was just prepared and is run next.
pub(super) fn prepare<'k>(
    metas: &'k mut StatementMetaCache,
    needs_reset: &AtomicBool,
    statement: &mut Statement<'_>,
    query: Query<'_>,
    text: &Text<'_>,
) -> Result<&'k mut StatementMeta, Error> {
    let failed = |error: Error| error.with_statement(query.sql);
    let meta = metas.meta_for(query.sql, statement, text.is_numbered).map_err(failed)?;
    bind(statement, meta, query.params).map_err(failed)?;
    note_effect(needs_reset, meta.effect);
    Ok(meta)
}

fn bind(statement: &mut Statement<'_>, meta: &StatementMeta, params: &[Value]) -> Result<(), Error> {
    for (index, number) in meta.places(params.len())? {
        let Some(value) = params.get(number - 1) else { continue };
        let bound = values::bound(value, number)?;
        statement.raw_bind_parameter(index, bound).map_err(|error| {
            let text = format!("parameter ${number}: {} cannot be bound", value.type_name());
            Error::new(ErrorKind::Parameter, text).with_source(error)
        })?;
    }
    Ok(())
}
