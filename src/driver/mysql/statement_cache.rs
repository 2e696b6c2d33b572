//! [`StatementCache`]: the prepared statements of one connection, by their text and the types of their values, in
//! least-recently-used order. It is bounded in number and in bytes; an evicted statement is closed at the server.
//!
//! mysql_async has a cache too, by the sent text alone: so no two of our statements are sent with the same text. Its
//! cache is as large as ours, so that it closes none of our statements.

use std::{collections::HashSet, sync::Arc};

use lru::LruCache;
use mysql_async::Statement;

use super::{param_type::ParamType, placeholders::Template, server::Server, statement::StatementText};
use crate::{
    data::value::Value,
    driver::{CACHE_BYTES, LONGEST_CACHED},
    error::Error,
};

/// The number of sets of types for which one text is cached.
const VARIANTS: usize = 8;

/// The statements of one connection.
#[derive(Debug)]
pub(super) struct StatementCache {
    server: Server,
    entries: LruCache<Box<str>, Entry>,
    /// The texts with which they are sent.
    sent: HashSet<Arc<str>>,
    /// The largest number of cached statements.
    capacity: usize,
    count: usize,
    bytes: usize,
    /// Evicted statements that are still to be closed.
    evicted: Vec<Statement>,
    /// Whether mysql_async may have statements that are not ours.
    was_lent: bool,
}

/// One text.
#[derive(Debug)]
struct Entry {
    template: Template,
    variants: Vec<Variant>,
}

/// The statement for values of certain types.
#[derive(Debug)]
struct Variant {
    types: Box<[ParamType]>,
    /// Whether any of the types is not known yet.
    has_nulls: bool,
    text: Arc<StatementText>,
}

impl StatementCache {
    pub(super) fn new(server: Server, capacity: usize) -> Self {
        Self {
            server,
            entries: LruCache::unbounded(),
            sent: HashSet::new(),
            capacity,
            count: 0,
            bytes: 0,
            evicted: Vec::new(),
            was_lent: false,
        }
    }

    /// The statement for a text and its values.
    ///
    /// # Errors
    /// `Parameter` for a wrong count of values.
    pub(super) fn get(&mut self, sql: &str, values: &[Value]) -> Result<Arc<StatementText>, Error> {
        let server = self.server;
        match self.entries.get_mut(sql).and_then(|entry| entry.find(values, server)) {
            Some(text) => Ok(text),
            None => self.add(sql, values),
        }
    }

    fn add(&mut self, sql: &str, values: &[Value]) -> Result<Arc<StatementText>, Error> {
        if self.capacity == 0 || sql.len() > LONGEST_CACHED {
            let template = Template::new(sql);
            let types: Vec<_> = template.types(values, self.server).collect();
            return template.text(&types, self.server, false).map(Arc::new);
        }
        let entry = self.entries.pop(sql);
        self.count -= entry.as_ref().map_or(0, |entry| entry.variants.len());
        self.bytes -= entry.as_ref().map_or(0, |entry| entry.bytes(sql));
        let mut entry = entry.unwrap_or_else(|| Entry { template: Template::new(sql), variants: Vec::new() });
        while entry.variants.len() >= VARIANTS.min(self.capacity)
            || (entry.bytes(sql) > 2 * LONGEST_CACHED && !entry.variants.is_empty())
        {
            let oldest = entry.variants.remove(0);
            self.evict(&oldest);
        }
        let added = self.add_to(&mut entry, values);
        self.count += entry.variants.len();
        self.bytes += entry.bytes(sql);
        self.entries.put(sql.into(), entry);
        while (self.count > self.capacity || self.bytes > CACHE_BYTES) && self.entries.len() > 1 {
            self.evict_oldest();
        }
        added
    }

    fn add_to(&mut self, entry: &mut Entry, values: &[Value]) -> Result<Arc<StatementText>, Error> {
        let types: Box<[_]> = entry.template.types(values, self.server).collect();
        let mut text = entry.template.text(&types, self.server, true)?;
        // Blanks behind a text make it a different one, and change nothing else.
        let mut blanks = usize::from(self.was_lent);
        let padded = |blanks: usize| -> Arc<str> { format!("{}{}", text.sql, " ".repeat(blanks)).into() };
        if self.was_lent || self.sent.contains(&text.sql) {
            while self.sent.contains(&padded(blanks)) {
                blanks += 1;
            }
            text.sql = padded(blanks);
        }
        self.sent.insert(Arc::clone(&text.sql));
        let text = Arc::new(text);
        let has_nulls = types.contains(&ParamType::Null);
        entry.variants.push(Variant { types, has_nulls, text: Arc::clone(&text) });
        Ok(text)
    }

    fn evict_oldest(&mut self) {
        let Some((sql, entry)) = self.entries.pop_lru() else { return };
        self.count -= entry.variants.len();
        self.bytes -= entry.bytes(&sql);
        entry.variants.iter().for_each(|variant| self.evict(variant));
    }

    fn evict(&mut self, variant: &Variant) {
        self.sent.remove(&variant.text.sql);
        self.evicted.extend(variant.text.handle.take());
    }

    /// Statements that are to be closed at the server.
    pub(super) fn take_evicted(&mut self) -> Vec<Statement> {
        std::mem::take(&mut self.evicted)
    }

    /// The connection was lent: mysql_async may have closed statements of ours, and has others.
    pub(super) fn after_loan(&mut self) {
        while !self.entries.is_empty() {
            self.evict_oldest();
        }
        self.was_lent = true;
    }

    /// The session was reset, and has no statements any more.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.server, self.capacity);
    }
}

impl Entry {
    fn bytes(&self, sql: &str) -> usize {
        sql.len() + self.variants.iter().map(|variant| variant.text.sql.len()).sum::<usize>()
    }

    fn find(&mut self, values: &[Value], server: Server) -> Option<Arc<StatementText>> {
        let Self { template, variants } = self;
        let variant = variants.iter_mut().find(|variant| {
            variant.types.len() == values.len()
                && variant.types.iter().zip(template.types(values, server)).all(|(kept, given)| kept.takes(given))
        })?;
        if variant.has_nulls {
            // The server takes the type of the first value that is not NULL.
            for (kept, given) in variant.types.iter_mut().zip(template.types(values, server)) {
                if *kept == ParamType::Null {
                    *kept = given;
                }
            }
            variant.has_nulls = variant.types.contains(&ParamType::Null);
        }
        Some(Arc::clone(&variant.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(capacity: usize) -> StatementCache {
        StatementCache::new(Server::of(false), capacity)
    }

    /// fault 2.4: one statement for each set of types, and none more for NULLs
    #[test]
    fn a_text_is_kept_for_each_set_of_types() {
        let mut statements = statements(100);
        let mut get = |values: &[Value]| statements.get("select f($1, $2)", values).unwrap();
        let first = get(&[Value::Null, 1.into()]);
        let number = get(&[2.5.into(), 1.into()]);
        assert!(Arc::ptr_eq(&first, &number), "a NULL is of every type");
        assert!(Arc::ptr_eq(&number, &get(&[7.5.into(), Value::Null])));
        let text = get(&["Ann".into(), 1.into()]);
        assert!(!Arc::ptr_eq(&number, &text));
        assert_ne!(number.sql, text.sql, "mysql_async would take them for one");
        assert_eq!(text.sql.trim_end(), &*number.sql);
        assert!(Arc::ptr_eq(&text, &get(&["Bob".into(), 2.into()])));
        assert!(Arc::ptr_eq(&number, &get(&[0.5.into(), 1.into()])));
        assert!(!Arc::ptr_eq(&text, &get(&["Ann".into(), u64::MAX.into()])));
        // Another text, which is sent as the first one is.
        let other = get_other(&mut statements);
        assert_ne!(other.sql, number.sql);
        assert_eq!(statements.count, 4);
        assert_eq!(statements.sent.len(), 4);
    }

    fn get_other(statements: &mut StatementCache) -> Arc<StatementText> {
        statements.get("select f(?, ?)", &["Ann".into(), 1.into()]).unwrap()
    }

    /// fault 2.5: bounded in number and in bytes
    #[test]
    fn what_is_kept_is_bounded() {
        let mut statements = statements(10);
        for number in 0..100_i64 {
            for value in [Value::from(1), Value::from("a"), Value::from(1.5)] {
                statements.get(&format!("select {number}, $1"), &[value]).unwrap();
                assert!(statements.count <= 10);
                assert_eq!(statements.sent.len(), statements.count);
                assert_eq!(
                    statements.count,
                    statements.entries.iter().map(|(_, entry)| entry.variants.len()).sum::<usize>()
                );
            }
        }
        let mut statements = self::statements(1000);
        for number in 0..100 {
            statements.get(&format!("select {number}, '{}'", "x".repeat(LONGEST_CACHED / 2)), &[]).unwrap();
            assert!(statements.bytes <= CACHE_BYTES);
        }
        assert!(statements.count > 5);
        assert!(!statements.get(&"x".repeat(LONGEST_CACHED + 1), &[]).unwrap().is_cached);
        statements.after_loan();
        assert_eq!((statements.count, statements.bytes, statements.sent.len()), (0, 0, 0));
        assert!(!self::statements(0).get("select 1", &[]).unwrap().is_cached);
        let mut one = self::statements(1);
        one.get("select $1", &[1.into()]).unwrap();
        one.get("select $1", &["a".into()]).unwrap();
        assert_eq!(one.count, 1);
    }

    #[test]
    fn a_wrong_count_keeps_nothing() {
        let mut statements = statements(10);
        assert!(statements.get("select $1", &[]).is_err());
        assert!(statements.get("select $1", &[1.into(), 2.into()]).is_err());
        assert_eq!(statements.count, 0);
        statements.get("select $1", &[1.into()]).unwrap();
    }
}
