//! What an error of tokio-postgres is, and what it means for the transaction.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use super::cancel::Address;
use crate::{
    error::{Error, ErrorKind, ServerClass, ServerError},
    fault::{Fault, Verdict},
};

/// The error of a connection that could not be made to the server of this address.
pub(super) fn connect(address: &Address, error: tokio_postgres::Error) -> Error {
    let connect = |text| Error::new(ErrorKind::Connect, text);
    match error.as_db_error() {
        Some(told) => {
            let text = format!("the PostgreSQL server at {address} refused the connection: {}", told.message());
            connect(text).with_server(refusal(told)).with_source(error)
        }
        None => {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            connect(format!("cannot connect to the PostgreSQL server at {address}: {reason}")).with_source(error)
        }
    }
}

/// What a server said that refused a connection.
fn refusal(told: &DbError) -> ServerError {
    let class = match told.code() {
        c if *c == SqlState::TOO_MANY_CONNECTIONS || *c == SqlState::CANNOT_CONNECT_NOW => ServerClass::NoSlot,
        _ => ServerClass::Other,
    };
    ServerError { code: Some(told.code().code().into()), class, ..ServerError::default() }
}

/// The fault of a statement that was sent. `alive` tells whether the connection still stands.
pub(super) fn statement(error: tokio_postgres::Error, sql: &str, alive: bool) -> Fault {
    let fault = match error.as_db_error() {
        Some(told) if is_end_of_session(told) || !alive => lost(error),
        Some(told) => Fault::new(Verdict::Doomed, server(told)),
        // Parameters are checked before they are sent; should one slip through, nothing has left the client.
        None if is_encoding(&error) => {
            Fault::kept(Error::new(ErrorKind::Parameter, error.to_string()).with_source(error))
        }
        None => lost(error),
    };
    Fault { error: fault.error.with_statement(sql), ..fault }
}

/// The fault of control steps that were sent.
pub(super) fn control(error: tokio_postgres::Error, alive: bool) -> Fault {
    match error.as_db_error() {
        Some(told) if !is_end_of_session(told) && alive => Fault::new(Verdict::Gone, server(told)),
        _ => lost(error),
    }
}

/// Whether what made the steps fail may have hit their BEGIN, and not only what stands behind it: a cancellation or a
/// time-out, or a transaction that was open and aborted already.
pub(super) fn may_have_stopped_begin(error: &Error) -> bool {
    error.code().is_none_or(|code| code.starts_with("57") || code == "25P02")
}

fn lost(error: tokio_postgres::Error) -> Fault {
    let lost = Error::new(ErrorKind::ConnectionLost, "the connection to the PostgreSQL server was lost");
    let ended = error.as_db_error().map(end_of_session);
    Fault::new(Verdict::Lost, ended.unwrap_or(lost).with_source(error))
}

/// What a server says that ends a session.
fn end_of_session(told: &DbError) -> Error {
    let text = format!("the server ended the connection: {}", told.message());
    let code = Some(told.code().code().into());
    let server = ServerError { code, class: class(told), ..ServerError::default() };
    Error::new(ErrorKind::ConnectionLost, text).with_server(server)
}

/// The fault of a connection that was lost, with the server's last words, unless it has them already.
pub(super) fn ended(fault: Fault, words: &tokio_postgres::Error) -> Fault {
    match words.as_db_error() {
        Some(told) if fault.error.code().is_none() => {
            Fault { error: end_of_session(told).with_source(fault.error), ..fault }
        }
        _ => fault,
    }
}

/// The fault of a flight that found the connection dead before it was sent.
pub(super) fn unsent() -> Fault {
    let error = Error::new(ErrorKind::ConnectionLost, "the connection to the PostgreSQL server had been lost");
    Fault::new(Verdict::Unsent, error)
}

/// The fault of a request that was taken from whoever waited for it: its block has ended, or a statement beside it was
/// dropped, and what that had the server stop takes the block along.
pub(super) fn revoked() -> Fault {
    Fault::new(Verdict::Doomed, Error::new(ErrorKind::Cancelled, "the statement was stopped with its block"))
}

/// Whether the server closes the session with this message.
fn is_end_of_session(told: &DbError) -> bool {
    use tokio_postgres::error::Severity;
    matches!(told.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

fn is_encoding(error: &tokio_postgres::Error) -> bool {
    // The kinds of tokio-postgres are private; what is neither the server's word nor the transport's is the encoder's.
    !error.is_closed() && error.source().is_none_or(|source| !source.is::<std::io::Error>())
}

fn server(told: &DbError) -> Error {
    let text = |part: Option<&str>| part.map(Into::into);
    let (message, detail) = match without_value(told.code().code(), told.message()) {
        Some(message) => {
            let detail = [Some(told.message()), told.detail()].into_iter().flatten().collect::<Vec<_>>().join(": ");
            (message, Some(detail.into()))
        }
        None => (told.message().to_owned(), text(told.detail())),
    };
    let message = match told.where_().and_then(parameter) {
        Some(number) => format!("parameter ${number}: {message}"),
        None => message,
    };
    Error::server(
        message,
        ServerError {
            code: Some(told.code().code().into()),
            class: class(told),
            constraint: text(told.constraint()),
            table: text(told.table()),
            column: text(told.column()),
            detail,
            hint: text(told.hint()),
        },
    )
}

/// The message without the value that it quotes: that of a data exception, class 22, quotes what it could not read, which
/// may have been a parameter. `None` if there is nothing to leave out.
fn without_value(code: &str, message: &str) -> Option<String> {
    // Servers that speak other languages have other quotes, and some of them the other way round.
    const MARKS: [char; 10] = ['"', '\'', '«', '»', '“', '”', '„', '‟', '「', '」'];
    let first = message.find(MARKS).filter(|_| code.starts_with("22"))?;
    // "invalid value for parameter "work_mem": "lots"": the value is what stands last.
    if let Some((text, _value)) = message.split_once(": \"") {
        return Some(text.to_owned());
    }
    let (last, mark) = message.char_indices().rfind(|(_, c)| MARKS.contains(c))?;
    let rest = if last > first { &message[last + mark.len_utf8()..] } else { "" };
    Some(format!("{}\"…\"{rest}", &message[..first]))
}

/// The number of the parameter that the server could not read, from the context of its error.
fn parameter(context: &str) -> Option<u32> {
    let (_, after) = context.split_once("portal parameter $")?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

fn class(told: &DbError) -> ServerClass {
    match told.code() {
        c if *c == SqlState::UNIQUE_VIOLATION => ServerClass::UniqueViolation,
        c if *c == SqlState::FOREIGN_KEY_VIOLATION => ServerClass::ForeignKeyViolation,
        c if *c == SqlState::NOT_NULL_VIOLATION => ServerClass::NotNullViolation,
        c if *c == SqlState::CHECK_VIOLATION => ServerClass::CheckViolation,
        c if *c == SqlState::STRING_DATA_RIGHT_TRUNCATION => ServerClass::TooLong,
        c if [SqlState::NUMERIC_VALUE_OUT_OF_RANGE, SqlState::DATETIME_FIELD_OVERFLOW].contains(c) => {
            ServerClass::OutOfRange
        }
        c if *c == SqlState::T_R_SERIALIZATION_FAILURE => ServerClass::SerializationFailure,
        c if *c == SqlState::T_R_DEADLOCK_DETECTED => ServerClass::Deadlock,
        c if *c == SqlState::LOCK_NOT_AVAILABLE => ServerClass::LockTimeout,
        // One code for both; the cause stands in the message alone, and in English unless `lc_messages` says otherwise.
        c if *c == SqlState::QUERY_CANCELED && told.message().contains("timeout") => ServerClass::StatementTimeout,
        c if *c == SqlState::QUERY_CANCELED => ServerClass::Cancelled,
        // A primary that was demoted, unless the transaction is one that may not write; a server that goes down.
        c if *c == SqlState::READ_ONLY_SQL_TRANSACTION => ServerClass::WrongServer,
        c if [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(c) => {
            ServerClass::WrongServer
        }
        _ => ServerClass::Other,
    }
}

/// Whether the server does not know a statement that it had prepared.
pub(super) fn is_forgotten_statement(fault: &Fault) -> bool {
    fault.error.code() == Some("26000")
}

/// Whether the server no longer accepts a statement that it had prepared, because what it refers to has changed.
pub(super) fn is_stale_statement(fault: &Fault) -> bool {
    let told = |code, text| fault.error.code() == Some(code) && fault.error.to_string().contains(text);
    // A type of its own that was dropped, and maybe created anew: an enum, or that of an extension.
    is_forgotten_statement(fault) || told("0A000", "cached plan") || told("XX000", "cache lookup failed for type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_a_parameter_loses_its_value() {
        for (message, silent) in [
            ("invalid input syntax for type inet: \"a\"b\"", "invalid input syntax for type inet"),
            ("value \"99999\" is out of range for type smallint", "value \"…\" is out of range for type smallint"),
            ("ungültige Eingabesyntax für Typ inet: »x«", "ungültige Eingabesyntax für Typ inet: \"…\""),
        ] {
            assert_eq!(without_value("22P02", message).as_deref(), Some(silent));
        }
        assert_eq!(without_value("22008", "date out of range"), None);
        assert_eq!(without_value("42P01", "relation \"film\" does not exist"), None);
        assert_eq!(parameter("unnamed portal parameter $12 = '...'"), Some(12));
        assert_eq!(parameter("PL/pgSQL function f() line 1"), None);
    }
}
