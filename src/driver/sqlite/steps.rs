//! Control steps on SQLite, and the reset of a session. Each step is a statement of its own, run ahead of the statement
//! that takes it along. All of it blocks.

use std::sync::Arc;

use super::{
    classify,
    connection_state::ConnectionState,
    write_access::{StatementError, Wait, WorkError},
};
use crate::{
    driver::Dialect,
    error::Error,
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// Pragmas that change the meaning of statements, with the values of a new connection.
const PRAGMAS: &str = "PRAGMA foreign_keys = ON; PRAGMA query_only = OFF; PRAGMA recursive_triggers = OFF; \
    PRAGMA ignore_check_constraints = OFF; PRAGMA reverse_unordered_selects = OFF; PRAGMA case_sensitive_like = OFF; \
    PRAGMA automatic_index = ON; PRAGMA writable_schema = OFF; PRAGMA legacy_alter_table = OFF";

/// Resets what the last user of the connection may have set.
pub(super) fn reset(conn: &mut ConnectionState) -> Result<(), WorkError> {
    let cancel = Arc::clone(&conn.cancel);
    let current_thread = conn.current_thread;
    let set = || {
        conn.db.execute_batch(PRAGMAS)?;
        for (name, value) in &*conn.pragmas {
            conn.db.pragma_update(None, name, value)?;
        }
        conn.query_only = false;
        cancel.install(&mut conn.db)
    };
    current_thread
        .run(set)
        .map_err(|error| DriverError::new(Impact::Transaction, classify::statement(error, "PRAGMA")).into())
}

/// Runs control steps one after the other, behind those that are pending. If one fails, the transaction as a whole
/// cannot be relied on.
pub(super) fn take_steps(conn: &mut ConnectionState, steps: &[Control]) -> Result<(), WorkError> {
    let is_first = conn.pending.is_empty();
    if is_first && steps.is_empty() {
        return Ok(());
    }
    if is_first {
        return take_all(conn, steps);
    }
    conn.pending.extend_from_slice(steps);
    let left = std::mem::take(&mut conn.pending);
    take_all(conn, &left)
}

/// Runs steps; those that must wait stay pending.
fn take_all(conn: &mut ConnectionState, steps: &[Control]) -> Result<(), WorkError> {
    let undone = steps.iter().rposition(|step| matches!(step, Control::Rollback));
    let steps = &steps[undone.unwrap_or(0)..];
    if matches!(steps.first(), Some(Control::Begin(_) | Control::Rollback)) {
        conn.lost = None;
    }
    // A statement without steps that was under way already is refused because it needs a transaction.
    if let Some(error) = &conn.lost {
        return Err(DriverError::new(Impact::Transaction, error.clone()).into());
    }
    for (at, step) in steps.iter().enumerate() {
        let taken = take_step_or_wait(conn, step);
        if let Err(error) = taken {
            conn.pending.extend_from_slice(&steps[at..]);
            return Err(match error {
                StatementError::Failed(error) => step_failed(conn, error),
                StatementError::Waits(wait) => WorkError::Waits(wait),
            });
        }
    }
    Ok(())
}

fn take_step_or_wait(conn: &mut ConnectionState, step: &Control) -> Result<(), StatementError> {
    if step.begins_writing() {
        conn.write_access.take(true, conn.current_thread).map_err(StatementError::Waits)?;
    }
    let text = Dialect::Sqlite.render(step);
    take_step(conn, step, &text).map_err(|error| classify::statement(error, &text).into())
}

/// The meaning of an error of the first pending step.
fn step_failed(conn: &mut ConnectionState, error: Error) -> WorkError {
    let ends = conn.pending.iter().any(|step| matches!(step, Control::Commit | Control::Rollback));
    if conn.cancel.should_stop() && !ends {
        // It waited for the lock of another connection, and its caller was dropped: it stays pending.
        return DriverError::harmless(error).into();
    }
    if conn.may_wait && classify::may_come_free(&error) {
        return WorkError::Waits(Wait::Other);
    }
    let commits = matches!(conn.pending.last(), Some(Control::Commit));
    conn.pending.clear();
    if commits {
        // A COMMIT that failed leaves the transaction open. If the rollback fails too, the state tells.
        let _ = take_step(conn, &Control::Rollback, &Dialect::Sqlite.render(&Control::Rollback));
    }
    DriverError::new(Impact::Transaction, error).into()
}

fn take_step(conn: &mut ConnectionState, step: &Control, text: &str) -> rusqlite::Result<()> {
    // SQLite may have rolled back by itself.
    if !(matches!(step, Control::Rollback) && conn.db.is_autocommit()) {
        let ConnectionState { db, current_thread, commit, .. } = conn;
        let mut statement = db.prepare_cached(text)?;
        match step {
            // It writes to the file, and waits for the disk.
            Control::Commit => current_thread.run_timed(commit, || statement.raw_execute())?,
            // A long transaction takes long to undo.
            Control::Rollback | Control::RollbackTo(_) => current_thread.run(|| statement.raw_execute())?,
            Control::Begin(_)
            | Control::Savepoint(_)
            | Control::Release(_)
            | Control::Set(_)
            | Control::Restore(_)
            | Control::Limit(_) => statement.raw_execute()?,
        };
    }
    match step {
        Control::Begin(settings) => query_only(conn, settings.read_only() == Some(true)),
        Control::Commit | Control::Rollback => query_only(conn, false),
        Control::Savepoint(_)
        | Control::Set(_)
        | Control::Restore(_)
        | Control::Release(_)
        | Control::RollbackTo(_)
        | Control::Limit(_) => Ok(()),
    }
}

/// A DEFERRED transaction may still write, a read-only one must not.
fn query_only(conn: &mut ConnectionState, on: bool) -> rusqlite::Result<()> {
    if conn.query_only != on {
        conn.db.pragma_update(None, "query_only", on)?;
        conn.query_only = on;
    }
    Ok(())
}
