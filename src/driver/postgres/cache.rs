//! The statements that one connection has prepared, by their text, the least recently used one leaving first.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use tokio_postgres::Statement;

use super::decode;
use crate::{
    row::Columns,
    statement::{SessionEffect, session_effect},
    tokens::Syntax,
};

/// A prepared statement with what its rows have in common.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) columns: Arc<Columns>,
    pub(super) effect: SessionEffect,
}

impl Prepared {
    /// `hstore` tells whether the columns of that type are read.
    pub(super) fn new(sql: &str, statement: Statement, hstore: bool) -> Self {
        let columns = decode::columns(&statement, hstore);
        Self { statement, columns, effect: session_effect(sql, Syntax::Postgres) }
    }
}

/// A bounded cache of prepared statements. One that leaves is closed at the server with the next message.
pub(super) struct Cache(Mutex<LruCache<Box<str>, Prepared>>);

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(capacity)))
    }

    pub(super) fn get(&self, sql: &str) -> Option<Prepared> {
        self.lock().get(sql).cloned()
    }

    pub(super) fn put(&self, sql: &str, prepared: Prepared) {
        self.lock().put(sql.into(), prepared);
    }

    pub(super) fn forget(&self, sql: &str) {
        self.lock().pop(sql);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Box<str>, Prepared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("statements", &self.lock().len()).finish()
    }
}
