//! [`StatementText`]: a statement as it is sent, with its handle at the server and the columns of its last result.

use std::sync::{Arc, Mutex, PoisonError};

use mysql_async::Statement;

use super::{implicit, result_meta::ResultMetaCache};
use crate::sql::{
    statement::{SessionEffect, session_effect},
    tokens::Syntax,
};

/// A statement as it is sent, for values of certain types.
#[derive(Debug)]
pub(super) struct StatementText {
    pub(super) sql: Arc<str>,
    /// The index of the value for each `?`; `None` if the text has `?` of its own, which take the values in order.
    pub(super) order: Option<Arc<[usize]>>,
    pub(super) meta: ResultMetaCache,
    pub(super) handle: StatementHandle,
    /// Whether it is in the cache: others are closed once they have run.
    pub(super) is_cached: bool,
    /// The effect on the session.
    pub(super) effect: SessionEffect,
    /// Whether it may end its transaction and begin another.
    pub(super) is_opaque: bool,
}

impl StatementText {
    /// A text that is sent unchanged and not cached.
    pub(super) fn whole(sql: &str) -> Self {
        Self {
            sql: sql.into(),
            order: None,
            meta: ResultMetaCache::default(),
            handle: StatementHandle::default(),
            is_cached: false,
            effect: session_effect(sql, Syntax::Mysql),
            is_opaque: implicit::is_opaque(sql),
        }
    }
}

/// The server's handle of a statement, once it is prepared. Used under the guard of the connection. mysql_async would
/// look it up by the text, and read that for named parameters each time.
#[derive(Debug, Default)]
pub(super) struct StatementHandle(Mutex<Option<Statement>>);

impl StatementHandle {
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
