//! [`StatementCache`]: the prepared statements of one connection, by their text, in least-recently-used order.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use postgres_types::Type;

use super::{names::StatementName, result_meta::ResultMeta};
use crate::{
    driver::{CACHE_BYTES, LONGEST_CACHED},
    sql::{
        effects,
        statement::{SessionEffect, session_effect},
        tokens::Syntax,
    },
};

/// A prepared statement with the columns of its rows.
#[derive(Debug)]
pub(super) struct PreparedStatement {
    /// The name at the server, if names are kept there.
    pub(super) name: Option<StatementName>,
    pub(super) params: Box<[Type]>,
    pub(super) meta: Arc<ResultMeta>,
    /// The description of the columns, where names may not be kept.
    pub(super) row: Option<Box<[u8]>>,
    /// Whether it may change the schema.
    pub(super) changes_schema: bool,
    pub(super) effect: SessionEffect,
}

impl PreparedStatement {
    pub(super) fn new(name: Option<StatementName>, params: Vec<Type>, meta: ResultMeta, sql: &str) -> Self {
        let (changes_schema, effect) = (effects::may_change_schema(sql), session_effect(sql, Syntax::Postgres));
        Self { name, params: params.into(), meta: Arc::new(meta), row: None, changes_schema, effect }
    }

    /// The same statement with other columns.
    pub(super) fn with_columns(&self, meta: Arc<ResultMeta>, row: Box<[u8]>) -> Self {
        let Self { name: _, params, meta: _, row: _, changes_schema, effect } = self;
        let (changes_schema, effect) = (*changes_schema, *effect);
        Self { name: None, params: params.clone(), meta, row: Some(row), changes_schema, effect }
    }
}

/// A cache of prepared statements, bounded in number and in bytes of text. An evicted statement is closed at the server
/// with the next message.
pub(super) struct StatementCache {
    capacity: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    statements: LruCache<Box<str>, Arc<PreparedStatement>>,
    /// The bytes of text that they have.
    bytes: usize,
}

impl StatementCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), kept: Mutex::new(Kept { statements: LruCache::unbounded(), bytes: 0 }) }
    }

    pub(super) fn get(&self, sql: &str) -> Option<Arc<PreparedStatement>> {
        self.lock().statements.get(sql).cloned()
    }

    pub(super) fn put(&self, sql: &str, prepared: Arc<PreparedStatement>) {
        if sql.len() > LONGEST_CACHED {
            return;
        }
        let mut kept = self.lock();
        kept.pop(sql);
        kept.bytes += sql.len();
        kept.statements.put(sql.into(), prepared);
        while kept.statements.len() > self.capacity || kept.bytes > CACHE_BYTES {
            let Some((sql, _)) = kept.statements.pop_lru() else { break };
            kept.bytes -= sql.len();
        }
    }

    pub(super) fn forget(&self, sql: &str) {
        self.lock().pop(sql);
    }

    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        kept.statements.clear();
        kept.bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn pop(&mut self, sql: &str) {
        if self.statements.pop(sql).is_some() {
            self.bytes -= sql.len();
        }
    }
}

impl fmt::Debug for StatementCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementCache").field("statements", &self.lock().statements.len()).finish()
    }
}
