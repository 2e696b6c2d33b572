//! [`ServerError`]: what a server said of an error, and its class.
//!
//! Made by the drivers. It knows no server.

use std::fmt::DebugStruct;

/// What a server said of a statement that failed.
#[derive(Clone, Default)]
pub(crate) struct ServerError {
    /// SQLSTATE on PostgreSQL, the error's number on MySQL, the extended result code's number on SQLite.
    pub(crate) code: Option<Box<str>>,
    /// SQLSTATE, where it is not the code.
    pub(crate) sqlstate: Option<Box<str>>,
    /// PostgreSQL: ERROR, FATAL or PANIC.
    pub(crate) severity: Option<Box<str>>,
    /// What the predicates answer from.
    pub(crate) class: ServerClass,
    pub(crate) constraint: Option<Box<str>>,
    pub(crate) table: Option<Box<str>>,
    pub(crate) column: Option<Box<str>>,
    pub(crate) detail: Option<Box<str>>,
    pub(crate) hint: Option<Box<str>>,
    /// Where it was raised: functions, lines of a COPY.
    pub(crate) context: Option<Box<str>>,
    /// The character of the statement that it is about, from 1.
    pub(crate) position: Option<u32>,
    /// Whether it was raised inside a function, by a statement that is not the caller's.
    pub(crate) in_routine: bool,
}

/// The class of a server's error, the same for all back ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(
    not(all(feature = "sqlite-system", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "not every server tells of every class")
)]
pub(crate) enum ServerClass {
    UniqueViolation,
    ForeignKeyViolation,
    NotNullViolation,
    CheckViolation,
    /// A text or bytes are longer than their column allows.
    TooLong,
    /// A number or a moment is not in the range of its type.
    OutOfRange,
    SerializationFailure,
    Deadlock,
    /// A lock could not be had in time, or the database is busy.
    LockTimeout,
    /// The database is busy, or a snapshot is too old to write: running the transaction again may help (SQLite).
    Busy,
    /// The statement's time was over.
    StatementTimeout,
    /// The statement was cancelled by request.
    Cancelled,
    /// The server has no connection to give for now: its slots are taken, or it is starting up or going down.
    NoSlot,
    /// The server is not what it was opened for: it takes no writes any more, or ends its sessions.
    WrongServer,
    #[default]
    Other,
}

impl ServerError {
    /// What the predicates and the codes answer from, and nothing else.
    pub(crate) fn of(code: impl Into<Box<str>>, class: ServerClass) -> Self {
        Self { code: Some(code.into()), class, ..Self::default() }
    }

    pub(crate) fn with_sqlstate(self, sqlstate: impl Into<Box<str>>) -> Self {
        Self { sqlstate: Some(sqlstate.into()), ..self }
    }

    /// Shows what holds no values: the others may, and are asked for, never printed.
    pub(super) fn show(&self, out: &mut DebugStruct<'_, '_>) {
        let Self {
            code,
            sqlstate: _,
            severity: _,
            class: _,
            constraint,
            table,
            column,
            detail: _,
            hint: _,
            context: _,
            position: _,
            in_routine: _,
        } = self;
        out.field("code", code).field("constraint", constraint).field("table", table).field("column", column);
    }
}
