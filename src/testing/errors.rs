//! Errors as a database would give them, for tests of what a program does about them.
//!
//! They need no database. They know no back end but the codes of PostgreSQL.

use crate::error::{Error, ErrorKind, ServerClass, ServerError};

/// An error of this kind, with a text that says that it is a test's.
///
/// An error of the kind [`Server`](ErrorKind::Server) has no code, and no predicate is true of it: the other functions here
/// make those.
///
/// # Examples
/// ```
/// use nestling::{ErrorKind, testing};
///
/// assert!(testing::error(ErrorKind::PoolTimeout).is_timeout());
/// assert!(testing::error(ErrorKind::CommitUnknown).is_connection_lost());
/// ```
#[must_use]
pub fn error(kind: ErrorKind) -> Error {
    Error::new(kind, format!("an error of the test: {kind:?}"))
}

/// The violation of a unique constraint of this name, as PostgreSQL tells it.
///
/// # Examples
/// ```
/// use nestling::testing;
///
/// let error = testing::unique_violation("person_email_key");
/// assert!(error.is_unique_violation());
/// assert_eq!(error.constraint(), Some("person_email_key"));
/// ```
#[must_use]
pub fn unique_violation(constraint: &str) -> Error {
    let text = format!("duplicate key value violates unique constraint \"{constraint}\"");
    refused("23505", ServerClass::UniqueViolation, text, Names::of_constraint(constraint))
}

/// The violation of a foreign key of this name, as PostgreSQL tells it.
#[must_use]
pub fn foreign_key_violation(constraint: &str) -> Error {
    let text = format!("insert or update violates foreign key constraint \"{constraint}\"");
    refused("23503", ServerClass::ForeignKeyViolation, text, Names::of_constraint(constraint))
}

/// The violation of a CHECK constraint of this name, as PostgreSQL tells it.
#[must_use]
pub fn check_violation(constraint: &str) -> Error {
    let text = format!("new row violates check constraint \"{constraint}\"");
    refused("23514", ServerClass::CheckViolation, text, Names::of_constraint(constraint))
}

/// NULL in a column of this name, which does not take it, as PostgreSQL tells it.
#[must_use]
pub fn not_null_violation(column: &str) -> Error {
    let text = format!("null value in column \"{column}\" violates not-null constraint");
    refused("23502", ServerClass::NotNullViolation, text, Names::of_column(column))
}

/// A text that is too long for its column, as PostgreSQL tells it: it does not name the column.
#[must_use]
pub fn too_long() -> Error {
    refused("22001", ServerClass::TooLong, "value too long for type character varying(10)", Names::default())
}

/// A number that is not in the range of its type, as PostgreSQL tells it.
#[must_use]
pub fn out_of_range() -> Error {
    refused("22003", ServerClass::OutOfRange, "integer out of range", Names::default())
}

/// A transaction that cannot be serialized with others, as PostgreSQL tells it. It is retryable.
///
/// # Examples
/// ```
/// # use nestling::{Database, Error, blocks::Retry, testing};
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// # let db = Database::open("sqlite::memory:")?;
/// let attempts = std::sync::atomic::AtomicU32::new(0);
/// let body = || async {
///     match attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
///         0 => Err(testing::serialization_failure()),
///         _ => Ok(()),
///     }
/// };
/// db.build_transaction().retry(Retry::serialization()).atomic(body).await?;
/// assert_eq!(attempts.into_inner(), 2);
/// # Ok(()) }
/// ```
#[must_use]
pub fn serialization_failure() -> Error {
    let text = "could not serialize access due to concurrent update";
    refused("40001", ServerClass::SerializationFailure, text, Names::default())
}

/// A transaction that was chosen to end a deadlock, as PostgreSQL tells it. It is retryable.
#[must_use]
pub fn deadlock() -> Error {
    refused("40P01", ServerClass::Deadlock, "deadlock detected", Names::default())
}

/// A lock that could not be had within a time that the server has by itself, as PostgreSQL tells it. That of
/// `lock_timeout(..)` is `error(ErrorKind::LockTimeout)`.
#[must_use]
pub fn lock_timeout() -> Error {
    refused("55P03", ServerClass::LockTimeout, "canceling statement due to lock timeout", Names::default())
}

/// A statement that took longer than a time that the server has by itself, as PostgreSQL tells it. That of
/// `statement_timeout(..)` is `error(ErrorKind::StatementTimeout)`.
#[must_use]
pub fn statement_timeout() -> Error {
    refused("57014", ServerClass::StatementTimeout, "canceling statement due to statement timeout", Names::default())
}

/// A session that the server has ended as it shuts down, as PostgreSQL tells it: the connection is lost. It is retryable.
#[must_use]
pub fn server_shutdown() -> Error {
    let told = ServerError::of("57P01", ServerClass::WrongServer).with_sqlstate("57P01");
    let text = "the server ended the connection: terminating connection due to administrator command";
    Error::new(ErrorKind::ConnectionLost, text).with_server(ServerError { severity: Some("FATAL".into()), ..told })
}

/// What an error names.
#[derive(Clone, Copy, Default)]
struct Names<'n> {
    constraint: Option<&'n str>,
    column: Option<&'n str>,
}

impl<'n> Names<'n> {
    fn of_constraint(name: &'n str) -> Self {
        Self { constraint: Some(name), ..Self::default() }
    }

    fn of_column(name: &'n str) -> Self {
        Self { column: Some(name), ..Self::default() }
    }
}

fn refused(code: &str, class: ServerClass, text: impl Into<String>, names: Names<'_>) -> Error {
    let Names { constraint, column } = names;
    let told = ServerError::of(code, class).with_sqlstate(code);
    let (constraint, column) = (constraint.map(Into::into), column.map(Into::into));
    Error::server(text, ServerError { severity: Some("ERROR".into()), constraint, column, ..told })
}
