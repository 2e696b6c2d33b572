//! What an error tells of what the server said: its code, and what it is about.

use super::{Error, ServerClass, ServerError};

impl Error {
    /// The server's code of this error: SQLSTATE on PostgreSQL, the number of the error on MySQL and MariaDB, the extended
    /// result code on SQLite. A connection that the server refused or ended has one too.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.told(|server| server.code.as_deref())
    }

    /// SQLSTATE, the code of the SQL standard: `23505`, for instance. On PostgreSQL it is the [`code`](Self::code); MySQL and
    /// MariaDB tell it beside their number; SQLite has none.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.told(|server| server.sqlstate.as_deref())
    }

    /// How bad it is, in English: `ERROR`, or `FATAL` and `PANIC`, which end the session. PostgreSQL alone tells.
    #[must_use]
    pub fn severity(&self) -> Option<&str> {
        self.told(|server| server.severity.as_deref())
    }

    /// The name of the constraint that was violated, where the server tells it.
    ///
    /// SQLite tells a name for CHECK constraints only; for UNIQUE it tells `table.column`, which is given here.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.told(|server| server.constraint.as_deref())
    }

    /// The table that the error is about, where the server tells it.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.told(|server| server.table.as_deref())
    }

    /// The column that the error is about, where the server tells it.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.told(|server| server.column.as_deref())
    }

    /// What the server adds to its message. It may hold values of rows and parameters, so it is not part of the text.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.told(|server| server.detail.as_deref())
    }

    /// The server's hint on how to mend the statement.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.told(|server| server.hint.as_deref())
    }

    /// The character of the statement's text that the error is about, counted from 1. PostgreSQL alone tells, of errors that
    /// it finds as it reads the statement.
    #[must_use]
    pub fn position(&self) -> Option<u32> {
        self.told(|server| server.position)
    }

    /// Where the server raised the error: the functions that were running, innermost first, or the line of a COPY. PostgreSQL
    /// alone tells. It may hold values, so it is not part of the text.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.told(|server| server.context.as_deref())
    }

    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only PostgreSQL tells"))]
    pub(crate) fn is_in_routine(&self) -> bool {
        self.chain().find_map(|error| error.0.server.as_ref()).is_some_and(|server| server.in_routine)
    }

    pub(crate) fn class(&self) -> ServerClass {
        self.chain().find_map(|error| error.0.server.as_ref()).map_or(ServerClass::Other, |server| server.class)
    }

    /// What a server said, of this error or of the first of its sources.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "several servers are PostgreSQL's"))]
    pub(crate) fn server_error(&self) -> Option<&ServerError> {
        self.told(Some)
    }

    fn told<'e, T>(&'e self, tell: impl Fn(&'e ServerError) -> Option<T>) -> Option<T> {
        self.chain().find_map(|error| error.0.server.as_deref()).and_then(tell)
    }
}
