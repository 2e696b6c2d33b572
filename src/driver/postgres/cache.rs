//! The statements that one connection has prepared, by their text, the least recently used one leaving first.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use postgres_types::Type;

use super::{names::Name, result_meta::Shape};
use crate::{
    driver::{KEPT_BYTES, LONGEST_KEPT},
    sql::{
        effects,
        statement::{SessionEffect, session_effect},
        tokens::Syntax,
    },
};

/// A prepared statement with what its rows have in common.
#[derive(Debug)]
pub(super) struct Prepared {
    /// At the server, if names are kept there.
    pub(super) name: Option<Name>,
    pub(super) params: Box<[Type]>,
    pub(super) shape: Arc<Shape>,
    /// What described the columns, where names may not be kept.
    pub(super) row: Option<Box<[u8]>>,
    /// Whether it may change what other statements were prepared for.
    pub(super) changes_schema: bool,
    pub(super) effect: SessionEffect,
}

impl Prepared {
    pub(super) fn new(name: Option<Name>, params: Vec<Type>, shape: Shape, sql: &str) -> Self {
        let (changes_schema, effect) = (effects::may_change_schema(sql), session_effect(sql, Syntax::Postgres));
        Self { name, params: params.into(), shape: Arc::new(shape), row: None, changes_schema, effect }
    }

    /// The same statement with other columns.
    pub(super) fn with_columns(&self, shape: Arc<Shape>, row: Box<[u8]>) -> Self {
        let Self { name: _, params, shape: _, row: _, changes_schema, effect } = self;
        let (changes_schema, effect) = (*changes_schema, *effect);
        Self { name: None, params: params.clone(), shape, row: Some(row), changes_schema, effect }
    }
}

/// A cache of prepared statements, bounded in number and in bytes of text. One that leaves is closed at the server with the
/// next message.
pub(super) struct Cache {
    capacity: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    statements: LruCache<Box<str>, Arc<Prepared>>,
    /// How many bytes of text they have.
    bytes: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), kept: Mutex::new(Kept { statements: LruCache::unbounded(), bytes: 0 }) }
    }

    pub(super) fn get(&self, sql: &str) -> Option<Arc<Prepared>> {
        self.lock().statements.get(sql).cloned()
    }

    pub(super) fn put(&self, sql: &str, prepared: Arc<Prepared>) {
        if sql.len() > LONGEST_KEPT {
            return;
        }
        let mut kept = self.lock();
        kept.pop(sql);
        kept.bytes += sql.len();
        kept.statements.put(sql.into(), prepared);
        while kept.statements.len() > self.capacity || kept.bytes > KEPT_BYTES {
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

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("statements", &self.lock().statements.len()).finish()
    }
}
