//! [`StatementText`]: a statement as it is sent, with what is kept of it: its handle at the server and the columns of its
//! last result.

use std::sync::{Arc, Mutex, PoisonError};

use mysql_async::Statement;

use super::{implicit, result_meta::ResultMetaCache};
use crate::sql::{
    statement::{SessionEffect, session_effect},
    tokens::Syntax,
};

/// A statement as MySQL takes it, for values of certain types.
#[derive(Debug)]
pub(super) struct StatementText {
    pub(super) sql: Arc<str>,
    /// The index of the value for each `?`; `None` if the text has `?` of its own, which take the values in turn.
    pub(super) order: Option<Arc<[usize]>>,
    pub(super) meta: ResultMetaCache,
    pub(super) handle: StatementHandle,
    /// Whether it is kept: what is not is closed once it has run.
    pub(super) is_cached: bool,
    /// What it leaves behind in the session.
    pub(super) effect: SessionEffect,
    /// Whether it may end the transaction that it runs in, and begin another.
    pub(super) is_opaque: bool,
}

impl StatementText {
    /// A text that is sent as it is, and not kept.
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

/// What the server calls one statement, once it is prepared. Only whoever has the turn on the connection comes here.
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
