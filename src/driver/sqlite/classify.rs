//! What an error of SQLite is. What it means for the transaction the connection itself can tell.

use std::borrow::Cow;

use rusqlite::ffi;

use crate::{
    driver::quoted,
    error::{Error, ErrorKind, ServerClass, ServerError},
};

/// The error of a statement.
pub(super) fn statement(error: rusqlite::Error, sql: &str) -> Error {
    let ours = match &error {
        rusqlite::Error::SqliteFailure(code, text) => {
            failure(*code, text.as_deref().map(|text| without_values(*code, text, sql)).as_deref())
        }
        rusqlite::Error::SqlInputError { error: code, msg, .. } => failure(*code, Some(msg)),
        _ => Error::new(ErrorKind::Server, error.to_string()).with_source(error),
    };
    ours.with_statement(sql)
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
pub(super) fn connect(error: rusqlite::Error) -> Error {
    Error::new(ErrorKind::Connect, "cannot open the SQLite database").with_source(error)
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
