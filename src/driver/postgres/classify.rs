//! Classifies the errors of a server, and tells what they mean for the transaction.

use std::{error::Error as _, io, sync::Arc};

use tokio_postgres::error::{DbError, SqlState};

use super::{error_response::ErrorResponse, servers::Address, steps};
use crate::{
    driver::quoted,
    error::{Error, ErrorKind, ServerClass, ServerError},
    sql::tokens::{Syntax, Tokens},
    transaction::{
        control::Control,
        impact::{DriverError, Impact},
    },
};

/// The error of a connection that could not be made to the server of this address.
pub(super) fn connect(address: &Address, error: tokio_postgres::Error) -> Error {
    let connect = |text| Error::new(ErrorKind::Connect, text);
    match error.as_db_error() {
        Some(response) => {
            let text = format!("the PostgreSQL server at {address} refused the connection: {}", response.message());
            connect(text).with_server(refusal(response)).with_source(error)
        }
        None => {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            connect(format!("cannot connect to the PostgreSQL server at {address}: {reason}")).with_source(error)
        }
    }
}

/// What any message says of itself.
fn told(response: &ErrorResponse, class: ServerClass) -> ServerError {
    let severity = Some(response.severity.clone());
    ServerError { severity, ..ServerError::of(response.code.clone(), class).with_sqlstate(response.code.clone()) }
}

/// What a server said that refused a connection.
fn refusal(response: &DbError) -> ServerError {
    let class = match response.code() {
        c if *c == SqlState::TOO_MANY_CONNECTIONS || *c == SqlState::CANNOT_CONNECT_NOW => ServerClass::NoSlot,
        _ => ServerClass::Other,
    };
    told(&ErrorResponse::from(response), class)
}

/// The error of a statement that the server has refused.
pub(super) fn statement(response: ErrorResponse, sql: &str) -> DriverError {
    if response.ends_session() {
        return ended_by(response, sql);
    }
    let impact = if &*response.code == "25P02" { Impact::Refused } else { Impact::Block };
    DriverError::new(impact, server(&response, sql).with_statement(sql))
}

/// The error of a statement whose answer is not understood, such as the beginning of a COPY.
pub(super) fn not_understood(sql: &str) -> DriverError {
    let text = "the server has answered this statement in a way that only the native client can follow, as it does to COPY \
                from or to the client: run it with Database::with_postgres; whether it took effect is not known, and its \
                connection is thrown away";
    DriverError::new(Impact::Connection, Error::new(ErrorKind::Unsupported, text).with_statement(sql))
}

/// The error of a server, for the native client, which does not tell the statement.
pub(super) fn native(response: &ErrorResponse) -> Error {
    if response.ends_session() { end_of_session(response) } else { server(response, "") }
}

/// The error of a message that controls the transaction or the session. Deferred constraints fail here, for any
/// statement, so none is named.
pub(super) fn control(response: ErrorResponse) -> DriverError {
    if response.ends_session() {
        ended_by(response, "")
    } else {
        DriverError::new(Impact::Transaction, server(&response, ""))
    }
}

/// The error of a control step.
pub(super) fn step(response: ErrorResponse, step: &Control) -> DriverError {
    if response.ends_session() {
        return ended_by(response, "");
    }
    if let Control::Limit(_) = step {
        // It has failed as the statement behind it would have.
        return statement(response, &steps::text(step));
    }
    // The server may name the settings.
    let names: String = step.locals().iter().flat_map(|(key, _)| [key, " "]).collect();
    DriverError::new(Impact::Transaction, server(&response, &names).with_statement(&steps::text(step)))
}

/// The error of a statement whose connection was lost.
pub(super) fn lost(failure: Option<Arc<io::Error>>, sql: &str) -> DriverError {
    let mut error = Error::new(ErrorKind::ConnectionLost, "the connection to the PostgreSQL server was lost");
    if let Some(failure) = failure {
        error = error.with_source(failure);
    }
    DriverError::new(Impact::Connection, about(error, sql))
}

/// The error of a connection that the server has ended.
fn ended_by(response: ErrorResponse, sql: &str) -> DriverError {
    DriverError::new(Impact::Connection, about(end_of_session(&response).with_source(response), sql))
}

fn about(error: Error, sql: &str) -> Error {
    if sql.is_empty() { error } else { error.with_statement(sql) }
}

/// The error for the message that ends a session.
fn end_of_session(response: &ErrorResponse) -> Error {
    let text = format!("the server ended the connection: {}", response.message);
    Error::new(ErrorKind::ConnectionLost, text).with_server(told(response, class(response)))
}

/// Adds the server's fatal error to the error of a lost connection, unless it has that already.
pub(super) fn ended(fault: DriverError, words: &ErrorResponse) -> DriverError {
    if fault.error.code().is_some() {
        return fault;
    }
    DriverError { error: end_of_session(words).with_source(fault.error), ..fault }
}

/// The error of a request that was not sent, as the connection was dead.
pub(super) fn unsent() -> DriverError {
    let error = Error::new(ErrorKind::ConnectionLost, "the connection to the PostgreSQL server had been lost");
    DriverError::new(Impact::NotSent, error)
}

/// The error of a request that was revoked: its block has ended, or a dropped statement beside it was cancelled, which
/// ends the block.
pub(super) fn revoked() -> DriverError {
    DriverError::new(Impact::Block, Error::new(ErrorKind::Cancelled, "the statement was stopped with its block"))
}

fn server(response: &ErrorResponse, sql: &str) -> Error {
    let names = [&response.constraint, &response.table, &response.column, &response.schema, &response.datatype];
    let is_name = |quoted: &str| names.iter().any(|name| name.as_deref() == Some(quoted));
    let is_known = |quoted: &str| !is_data(response) && (is_name(quoted) || quoted::stands_in(quoted, sql));
    let (message, detail) = match quoted::without_values(&response.message, is_known) {
        Some(message) => {
            let detail = [Some(&*response.message), response.detail.as_deref()];
            (message, Some(detail.into_iter().flatten().collect::<Vec<_>>().join(": ").into()))
        }
        None => (response.message.to_string(), response.detail.clone()),
    };
    let message = match response.context.as_deref().and_then(parameter) {
        Some(number) => format!("parameter ${number}: {message}"),
        None => message,
    };
    let placeholder = (&*response.code == "42601" && has_question_mark(sql)).then_some(PLACEHOLDERS);
    let message = match placeholder {
        Some(hint) => format!("{message}: {hint}"),
        None => message,
    };
    Error::server(
        message,
        ServerError {
            constraint: response.constraint.clone(),
            table: response.table.clone(),
            column: response.column.clone(),
            detail,
            hint: response.hint.clone().or_else(|| placeholder.map(Into::into)),
            context: response.context.clone(),
            position: response.position,
            in_routine: response.context.as_deref().is_some_and(|context| parameter(context).is_none()),
            ..told(response, class(response))
        },
    )
}

const PLACEHOLDERS: &str = "parameters are $1, $2 and so on, not ?";

/// Whether a statement has a question mark outside of quotes and comments.
fn has_question_mark(sql: &str) -> bool {
    let mut found = false;
    Syntax::Postgres.each_reading(|reading| {
        found = Tokens::new(sql, reading).any(|token| token.is_mark(b"?"));
        None
    });
    found
}

/// Whether this is a data exception, which quotes a value, even if the statement's text has the same.
fn is_data(response: &ErrorResponse) -> bool {
    response.code.starts_with("22")
}

/// The number of the parameter that the server could not read, from the context of the error.
fn parameter(context: &str) -> Option<u32> {
    let (_, after) = context.split_once("portal parameter $")?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

fn class(response: &ErrorResponse) -> ServerClass {
    match &*response.code {
        "23505" => ServerClass::UniqueViolation,
        "23503" => ServerClass::ForeignKeyViolation,
        "23502" => ServerClass::NotNullViolation,
        "23514" => ServerClass::CheckViolation,
        "22001" => ServerClass::TooLong,
        "22003" | "22008" => ServerClass::OutOfRange,
        "40001" => ServerClass::SerializationFailure,
        "40P01" => ServerClass::Deadlock,
        "55P03" => ServerClass::LockTimeout,
        // One code for both; only the message tells the cause, in English unless `lc_messages` says otherwise.
        "57014" if response.message.contains("timeout") => ServerClass::StatementTimeout,
        "57014" => ServerClass::Cancelled,
        // A primary that was demoted, unless the transaction is read-only; a server that shuts down.
        "25006" | "57P01" | "57P02" | "57P03" => ServerClass::WrongServer,
        _ => ServerClass::Other,
    }
}

/// Whether a prepared statement is missing, or exists already.
pub(super) fn is_about_name(response: &ErrorResponse) -> bool {
    matches!(&*response.code, "26000" | "42P05")
}

/// Whether the server has forgotten a prepared statement.
pub(super) fn is_forgotten_statement(fault: &DriverError) -> bool {
    fault.error.code() == Some("26000")
}

/// Whether a statement may have failed because it was prepared before a change of what it refers to, and would succeed
/// if it were prepared again. An error inside a function concerns a statement of the function.
pub(super) fn may_be_stale(fault: &DriverError) -> bool {
    let is_of_class = |code: &str| code.starts_with("42") && code != "42501";
    !fault.error.is_in_routine() && (is_stale_statement(fault) || fault.error.code().is_some_and(is_of_class))
}

/// Whether the server no longer accepts a prepared statement, so that it has not run.
pub(super) fn is_stale_statement(fault: &DriverError) -> bool {
    let is = |code, text| fault.error.code() == Some(code) && fault.error.to_string().contains(text);
    // A user-defined type that was dropped and perhaps created again: an enum, or that of an extension.
    is_forgotten_statement(fault) || is("0A000", "cached plan") || is("XX000", "cache lookup failed for type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_parameter_is_told_by_its_context() {
        assert_eq!(parameter("unnamed portal parameter $12 = '...'"), Some(12));
        assert_eq!(parameter("PL/pgSQL function f() line 1"), None);
    }
}
