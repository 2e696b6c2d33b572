//! Classifies the errors of SQLite. What an error means for the transaction is decided by the connection.

use std::borrow::Cow;

use rusqlite::ffi;

use crate::{
    driver::quoted,
    error::{Error, ErrorKind, ServerClass, ServerError},
    transaction::impact::{DriverError, Impact},
};

/// The connection cannot be used any more.
pub(super) fn lost() -> DriverError {
    let error = Error::new(ErrorKind::ConnectionLost, "the SQLite connection is of no more use");
    DriverError::new(Impact::Connection, error)
}

/// The error of a statement that was dropped before it was done.
pub(super) fn dropped() -> Error {
    Error::new(ErrorKind::Cancelled, "the statement was dropped")
}

/// The error of a statement whose time was over before it was done.
pub(super) fn late() -> Error {
    let code = ffi::Error { code: ffi::ErrorCode::OperationInterrupted, extended_code: ffi::SQLITE_INTERRUPT };
    failure(code, Some("interrupted: its time was over")).with_class(ServerClass::StatementTimeout)
}

/// The error of a statement.
pub(super) fn statement(error: rusqlite::Error, sql: &str) -> Error {
    match &error {
        rusqlite::Error::SqliteFailure(..) | rusqlite::Error::SqlInputError { .. } => message(&error, sql),
        _ => Error::new(ErrorKind::Server, error.to_string()).with_source(error),
    }
    .with_statement(sql)
}

/// What SQLite says of a statement.
pub(super) fn message(error: &rusqlite::Error, sql: &str) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => {
            let text = text.as_deref().map(|text| without_values(*code, text, sql));
            let message = text.map_or_else(|| code.to_string(), Cow::into_owned);
            failure(*code, Some(&with_reason(code.extended_code, message)))
        }
        rusqlite::Error::SqlInputError { error: code, msg, .. } => failure(*code, Some(msg)),
        _ => Error::new(ErrorKind::Server, error.to_string()),
    }
}

/// What functions say of their arguments quotes them: "bad JSON path: 'x'", or ends in them: "no such column: x". What the
/// statement itself does not say is a value.
fn without_values<'t>(code: ffi::Error, text: &'t str, sql: &str) -> Cow<'t, str> {
    const ENDS_IN_VALUE: [&str; 3] = ["no such ", "unable to open ", "unknown "];
    if code.extended_code & 0xff == ffi::SQLITE_CONSTRAINT {
        // Tables, columns and constraints.
        return text.into();
    }
    match text.split_once(": ") {
        Some((what, told)) if ENDS_IN_VALUE.iter().any(|begin| what.starts_with(begin)) => {
            if quoted::stands_in(told, sql) { text.into() } else { what.into() }
        }
        _ => quoted::without_values(text, |quoted| quoted::stands_in(quoted, sql)).map_or(text.into(), Cow::Owned),
    }
}

/// The error of a database that could not be opened.
pub(super) fn connect(cause: rusqlite::Error) -> Error {
    let message = format!("cannot open the SQLite database: {cause}");
    let error = Error::new(ErrorKind::Connect, message);
    match cause {
        rusqlite::Error::SqliteFailure(code, text) => error.with_source(failure(code, text.as_deref())),
        cause => error.with_source(cause),
    }
}

/// Whether another connection had a lock.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// Whether a file could not be read as nothing can be made in its folder.
pub(super) fn needs_a_writable_folder(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen))
}

/// Whether another connection had a lock that may come free: the same may succeed later. It never does for a transaction
/// that has read what others have changed since.
pub(super) fn may_come_free(error: &Error) -> bool {
    let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
    code & 0xff == ffi::SQLITE_BUSY && code != ffi::SQLITE_BUSY_SNAPSHOT
}

/// The error of work that has waited for the write lock in vain.
pub(super) fn locked(holder: &str) -> Error {
    let code = ffi::Error { code: ffi::ErrorCode::DatabaseBusy, extended_code: ffi::SQLITE_BUSY };
    failure(code, Some(&format!("database is locked: {holder}; {READ_ONLY}")))
}

const READ_ONLY: &str = "a block that only reads does not wait if it is `read_only()`";

/// The message about a lock, with its possible holder.
fn with_reason(code: i32, message: String) -> String {
    match code {
        ffi::SQLITE_BUSY_SNAPSHOT => format!("{message}: others have written since this transaction began to read"),
        _ if code & 0xff == ffi::SQLITE_BUSY => format!(
            "{message}: another process has the lock, or a connection that was not opened by this library; {READ_ONLY}"
        ),
        _ => message,
    }
}

fn failure(code: ffi::Error, text: Option<&str>) -> Error {
    let message = text.map_or_else(|| code.to_string(), str::to_owned);
    // What `sum` and `abs` say, under the code of all that is wrong with a statement.
    let class = if message == "integer overflow" { ServerClass::OutOfRange } else { class(code) };
    // "UNIQUE constraint failed: director.name", "CHECK constraint failed: positive_price"
    let about = message.split_once("constraint failed: ").map(|(_, about)| about);
    let first = about.and_then(|about| about.split(", ").next()).and_then(|name| name.split_once('.'));
    let names_columns = matches!(class, ServerClass::UniqueViolation | ServerClass::NotNullViolation);
    let (table, column) = first.filter(|_| names_columns).unzip();
    let server = ServerError {
        code: Some(code.extended_code.to_string().into()),
        class,
        constraint: about.filter(|_| class != ServerClass::NotNullViolation).map(Into::into),
        table: table.map(Into::into),
        column: column.map(Into::into),
        ..ServerError::default()
    };
    Error::server(message, server)
}

fn class(code: ffi::Error) -> ServerClass {
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            ServerClass::UniqueViolation
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ServerClass::ForeignKeyViolation,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ServerClass::NotNullViolation,
        ffi::SQLITE_CONSTRAINT_CHECK => ServerClass::CheckViolation,
        extended => match extended & 0xff {
            ffi::SQLITE_TOOBIG => ServerClass::TooLong,
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => ServerClass::Busy,
            ffi::SQLITE_INTERRUPT => ServerClass::Cancelled,
            _ => ServerClass::Other,
        },
    }
}
