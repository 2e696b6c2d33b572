//! What the server calls a prepared statement, kept with its text: mysql_async looks that up by the text, which it reads
//! each time for named parameters, of which we have none.

use std::sync::{Mutex, PoisonError};

use mysql_async::Statement;

/// What the server calls one statement, once it is prepared. Only whoever has the turn on the connection comes here.
#[derive(Debug, Default)]
pub(super) struct Handle(Mutex<Option<Statement>>);

impl Handle {
    pub(super) fn get(&self) -> Option<Statement> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn keep(&self, statement: &Statement) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(statement.clone());
    }

    pub(super) fn take(&self) -> Option<Statement> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
