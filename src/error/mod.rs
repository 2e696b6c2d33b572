//! What went wrong: one opaque error for the whole crate, told apart by [`ErrorKind`] and by predicates.
//!
//! Used by every room. It knows no driver: drivers describe what their server said as a [`ServerError`].

mod in_row;
mod panic_text;
mod retries;
mod retry_error;
mod server;
mod shown;
mod told;

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

pub use self::retry_error::RetryError;
pub(crate) use self::{
    in_row::short,
    panic_text::panic_text,
    server::{ServerClass, ServerError},
    shown::{VALUES, shown, shown_start},
};

/// A shorthand for results with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of error an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server answered a statement with an error; see [`Error::code`].
    Server,
    /// No connection could be made.
    Connect,
    /// The connection broke; what was under way outside a transaction may or may not have taken effect.
    ConnectionLost,
    /// The connection broke during COMMIT: whether the transaction was committed cannot be known.
    CommitUnknown,
    /// The block could not be committed and was rolled back; the source tells why. Or a statement outside any block has left
    /// a transaction open, which was rolled back.
    RolledBack,
    /// The statement was not sent: the transaction is marked for rollback; the source is the error that marked it.
    RollbackOnly,
    /// The body returned `Ok`, but the transaction had been marked for rollback and was rolled back.
    UnexpectedRollback,
    /// The statement was not sent: an earlier error, the source, has aborted this block.
    Aborted,
    /// The block that this future belongs to has ended.
    FrameClosed,
    /// There is no transaction where one is needed: for a savepoint, for instance.
    NoTransaction,
    /// The turn to use the transaction's connection did not come in time.
    TurnTimeout,
    /// No connection came free in time.
    PoolTimeout,
    /// The database is closed.
    Closed,
    /// No tokio runtime is running here, or it is shutting down.
    NoRuntime,
    /// Options, a URL or a name are not valid.
    Config,
    /// A statement that begins or ends a transaction was sent as plain SQL.
    ControlStatement,
    /// Other settings were asked for than those of the transaction that is open.
    SettingsMismatch,
    /// A durable block was opened inside another block.
    NotDurable,
    /// A parameter does not fit the type that the server expects, parameters or a text are beyond what the server and its
    /// protocol can carry, or the text holds no statement. It was not sent.
    Parameter,
    /// A column could not be read as the type asked for.
    Decode,
    /// The query returned no row where one was needed.
    NoRow,
    /// The query returned more than one row where one was needed.
    ManyRows,
    /// This back end cannot do what was asked for.
    Unsupported,
    /// The statement was dropped while the server was at work on it, or the caller of the transaction was dropped.
    Cancelled,
    /// A blocking query was made where none is allowed: outside `allow_sync`, or inside an asynchronous transaction of the
    /// same database, of which it would not be part.
    SyncNotAllowed,
    /// The statement has ended the transaction that it ran in: as MySQL commits for changes of the schema, or by a COMMIT or
    /// ROLLBACK in a procedure.
    ImplicitCommit,
    /// The transaction is committed, and a hook behind its COMMIT failed; the source is the hook's error.
    HookFailed,
    /// A transaction that is retried has failed as often as it may; the source is the last error, and [`Error::attempts`]
    /// tells how often it ran.
    RetriesExhausted,
    /// A transaction is open where there must be none.
    TransactionOpen,
    /// The transaction's time was over; what it did was rolled back.
    Timeout,
    /// The statement's time was over. In a block, the block can only be rolled back.
    StatementTimeout,
    /// A lock could not be had within the time that was given for it.
    LockTimeout,
    /// The transaction sent nothing for longer than it may, and was rolled back.
    IdleTimeout,
    /// An error of the program's own, by [`Error::other`], or one of a native client that is of no other kind.
    Other,
}

/// The error of every fallible call of this crate.
///
/// It is cheap to clone: an error that aborted a block is also the source of the errors that follow from it.
///
/// The text never holds the values of parameters. What a server adds about values is kept apart, in [`Error::detail`].
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Box<str>,
    server: Option<Box<ServerError>>,
    statement: Option<Box<str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// Whether the source is a native client's error, whose `Debug` form may hold values.
    is_native: bool,
    /// How often a retried transaction ran, if it failed for good.
    attempts: Option<u32>,
    /// Whether it was counted on its way to a caller.
    is_counted: bool,
}

impl Error {
    /// An error of the program's own, of the kind [`Other`](ErrorKind::Other): for bodies whose error type is this one.
    ///
    /// Its text is that of `error`, which is its [`source`](StdError::source). An error of this crate is returned as it is.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Error, ErrorKind, params};
    /// # #[tokio::main] async fn main() -> Result<(), Error> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// let block = db.atomic(|| async {
    ///     let day: u32 = "monday".parse().map_err(Error::other)?;
    ///     db.execute("insert into visit values ($1)", params![day]).await
    /// });
    /// let error = block.await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Other);
    /// assert_eq!(error.to_string(), "invalid digit found in string");
    /// # Ok(()) }
    /// ```
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(ours) => *ours,
            Err(theirs) => Self::new(ErrorKind::Other, theirs.to_string()).with_boxed_source(theirs),
        }
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into().into(),
            server: None,
            statement: None,
            source: None,
            is_native: false,
            attempts: None,
            is_counted: false,
        }))
    }

    pub(crate) fn server(message: impl Into<String>, server: ServerError) -> Self {
        Self::new(ErrorKind::Server, message).change(|inner| inner.server = Some(Box::new(server)))
    }

    /// What the server said, where the error is of another kind than `Server`.
    #[cfg_attr(not(any(feature = "postgres", feature = "mysql")), allow(dead_code, reason = "SQLite has no server"))]
    pub(crate) fn with_server(self, server: ServerError) -> Self {
        self.change(|inner| inner.server = Some(Box::new(server)))
    }

    /// The same error, of another class.
    pub(crate) fn with_class(self, class: ServerClass) -> Self {
        self.change(|inner| inner.server.iter_mut().for_each(|server| server.class = class))
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    /// As [`with_source`](Self::with_source), with an error of the caller's.
    pub(crate) fn with_boxed_source(self, source: Box<dyn StdError + Send + Sync>) -> Self {
        self.change(|inner| inner.source = Some(source.into()))
    }

    /// As [`with_source`](Self::with_source), with the error of a native client, which may hold values.
    #[cfg_attr(
        not(any(feature = "sqlite-system", feature = "postgres", feature = "mysql")),
        allow(dead_code, reason = "there is no native client")
    )]
    pub(crate) fn with_native(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.change(|inner| {
            inner.source = Some(Arc::new(source));
            inner.is_native = true;
        })
    }

    pub(crate) fn with_statement(self, sql: &str) -> Self {
        self.change(|inner| {
            let text = shown(sql);
            if let (Cow::Owned(_), Some(server)) = (&text, &mut inner.server) {
                // It counts characters that are left out.
                server.position = None;
            }
            inner.statement = Some(text.into());
        })
    }

    /// Tells that a value is not in the range of its type, of an error that no server told.
    pub(crate) fn out_of_range(self) -> Self {
        let told = ServerError { class: ServerClass::OutOfRange, ..ServerError::default() };
        self.change(|inner| inner.server = Some(Box::new(told)))
    }

    /// Counts it, unless it was counted further in on its way to the caller.
    pub(crate) fn counted(self, count: impl FnOnce(ErrorKind)) -> Self {
        if self.0.is_counted {
            return self;
        }
        count(self.kind());
        self.change(|inner| inner.is_counted = true)
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The text of the statement that failed, without its parameters.
    #[must_use]
    pub fn statement(&self) -> Option<&str> {
        self.chain().find_map(|error| error.0.statement.as_deref())
    }

    /// Whether a unique or primary key constraint was violated.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        self.class() == ServerClass::UniqueViolation
    }

    /// Whether a foreign key constraint was violated.
    #[must_use]
    pub fn is_foreign_key_violation(&self) -> bool {
        self.class() == ServerClass::ForeignKeyViolation
    }

    /// Whether NULL was given for a column that does not take it.
    #[must_use]
    pub fn is_not_null_violation(&self) -> bool {
        self.class() == ServerClass::NotNullViolation
    }

    /// Whether a CHECK constraint was violated.
    #[must_use]
    pub fn is_check_violation(&self) -> bool {
        self.class() == ServerClass::CheckViolation
    }

    /// Whether a text or bytes are longer than their column allows. On SQLite, whose types have no length, it is the CHECK
    /// that `create_tables` makes of `max_length` which tells.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        let length = |name: &str| name.contains("__") && name.ends_with("_length");
        self.class() == ServerClass::TooLong || (self.is_check_violation() && self.constraint().is_some_and(length))
    }

    /// Whether a number or a moment is not in the range of its type, whether the server said so or the driver, before
    /// anything was sent. SQLite has integers of 64 bits in columns of any integer type.
    #[must_use]
    pub fn is_out_of_range(&self) -> bool {
        self.class() == ServerClass::OutOfRange
    }

    /// Whether the transaction could not be serialized with others.
    #[must_use]
    pub fn is_serialization_failure(&self) -> bool {
        self.class() == ServerClass::SerializationFailure
    }

    /// Whether the transaction was chosen to end a deadlock.
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        self.class() == ServerClass::Deadlock
    }

    /// Whether the connection to the server was lost.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.chain().any(|error| matches!(error.0.kind, ErrorKind::ConnectionLost | ErrorKind::CommitUnknown))
    }

    /// Whether a time ran out: for a connection, a turn, a lock, a statement or a transaction.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        use ErrorKind::{IdleTimeout, LockTimeout, PoolTimeout, StatementTimeout, Timeout, TurnTimeout};
        matches!(self.0.kind, PoolTimeout | TurnTimeout | Timeout | StatementTimeout | LockTimeout | IdleTimeout)
            || matches!(self.class(), ServerClass::LockTimeout | ServerClass::StatementTimeout | ServerClass::Busy)
    }

    /// Whether running the whole transaction once more may succeed: a serialization failure, a deadlock, a busy SQLite
    /// database, or a server that takes no writes any more or ends its sessions, so that the next attempt goes by another
    /// connection. Never behind a COMMIT, nor where its outcome is unknown.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        use ServerClass::{Busy, Deadlock, SerializationFailure, WrongServer};
        !self.chain().any(|error| matches!(error.0.kind, ErrorKind::CommitUnknown | ErrorKind::HookFailed))
            && matches!(self.class(), SerializationFailure | Deadlock | Busy | WrongServer)
    }

    /// The error of this crate in a chain of errors: `error` itself, or the first of its sources that is one.
    ///
    /// So code that gets the caller's own error type back from [`Database::atomic`](crate::Database::atomic) can ask it
    /// [`is_retryable`](Self::is_retryable) and the like.
    #[must_use]
    pub fn find_in<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// This error and those of its sources that are errors of this crate too, with errors of others in between.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| Self::find_in(error.0.source.as_deref()?))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, server, statement, source, is_native, attempts: _, is_counted: _ } = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", kind).field("message", message);
        if let Some(server) = server {
            server.show(&mut out);
        }
        if let Some(statement) = statement {
            out.field("statement", statement);
        }
        match source {
            Some(_) if *is_native => out.finish_non_exhaustive(),
            Some(source) => out.field("source", source).finish(),
            None => out.finish(),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
