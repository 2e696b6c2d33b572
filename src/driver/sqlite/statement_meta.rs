//! [`StatementMetaCache`]: facts about the prepared statements of a connection, by their text: which value each
//! placeholder takes, and the columns of the rows. Finding them out costs more than a short statement.
//!
//! It knows no transactions.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    ops::{Deref, DerefMut},
    sync::Arc,
};

use rusqlite::{CachedStatement, Connection, Statement, StatementStatus};

use super::{run_on::LastCost, values::columns};
use crate::{
    data::row::Columns,
    driver::{CACHE_BYTES, LONGEST_CACHED, wrong_count},
    error::{Error, ErrorKind},
    sql::{
        statement::{SessionEffect, session_effect},
        tokens::Syntax,
    },
};

/// The facts about the statements of one connection.
#[derive(Debug)]
pub(super) struct StatementMetaCache {
    places: HashMap<Box<str>, usize, BuildHasherDefault<TextHasher>>,
    statements: Vec<StatementMeta>,
    capacity: usize,
    /// The bytes of text of the statements.
    bytes: usize,
    /// Those of a statement that is not cached.
    once: Option<StatementMeta>,
}

/// A prepared statement, in rusqlite's cache or not.
pub(super) enum Prepared<'d> {
    Kept(CachedStatement<'d>),
    Once(Statement<'d>),
}

impl<'d> Deref for Prepared<'d> {
    type Target = Statement<'d>;

    fn deref(&self) -> &Statement<'d> {
        match self {
            Self::Kept(statement) => statement,
            Self::Once(statement) => statement,
        }
    }
}

impl DerefMut for Prepared<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Kept(statement) => statement,
            Self::Once(statement) => statement,
        }
    }
}

/// Hashes texts eight bytes at a time. Collisions on purpose gain nothing: there are few statements, and all are
/// dropped when they are too many.
#[derive(Debug, Default)]
struct TextHasher(u64);

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut add = |word: u64| self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
        add(rest.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        // The map uses the highest bits and the lowest.
        self.0 ^ self.0 >> 32
    }
}

/// The facts about one statement.
#[derive(Debug)]
pub(super) struct StatementMeta {
    /// The number of the value for each placeholder.
    numbers: Box<[usize]>,
    /// The number of values that it takes.
    takes: usize,
    /// The cost of its last run.
    pub(super) last_cost: LastCost,
    column_meta: Option<ColumnMeta>,
    /// The effect on the session.
    pub(super) effect: SessionEffect,
}

/// The columns, and the counters of SQLite's statement when they were last valid.
#[derive(Debug)]
struct ColumnMeta {
    columns: Arc<Columns>,
    runs: i32,
    preparations: i32,
}

impl StatementMetaCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { places: HashMap::default(), statements: Vec::new(), capacity, bytes: 0, once: None }
    }

    /// Prepares the text that is sent for the statement `sql`. rusqlite's cache is bounded by number only: it is
    /// cleared when the texts have too many bytes, and a long statement is not cached.
    pub(super) fn prepare<'d>(&mut self, db: &'d Connection, sql: &str, text: &str) -> rusqlite::Result<Prepared<'d>> {
        if sql.len() > LONGEST_CACHED {
            return db.prepare(text).map(Prepared::Once);
        }
        if self.bytes + sql.len() > CACHE_BYTES && !self.places.contains_key(sql) {
            db.flush_prepared_statement_cache();
            self.forget();
        }
        db.prepare_cached(text).map(Prepared::Kept)
    }

    /// Forgets all statements: the connection was lent, and statements of the same text may have run.
    pub(super) fn forget(&mut self) {
        self.places.clear();
        self.statements.clear();
        self.bytes = 0;
    }

    /// The facts about a statement that was just prepared; `is_numbered` tells that its placeholders are known to be
    /// numbers.
    ///
    /// # Errors
    /// `Parameter` for a placeholder that is not numbered.
    pub(super) fn meta_for(
        &mut self,
        sql: &str,
        statement: &Statement<'_>,
        is_numbered: bool,
    ) -> Result<&mut StatementMeta, Error> {
        let make = || {
            if is_numbered { Ok(StatementMeta::numbered(sql, statement)) } else { StatementMeta::of(sql, statement) }
        };
        if sql.len() > LONGEST_CACHED {
            return Ok(self.once.insert(make()?));
        }
        let place = match self.places.get(sql) {
            Some(place) => *place,
            None => {
                let meta = make()?;
                if self.statements.len() >= self.capacity {
                    self.forget();
                }
                self.bytes += sql.len();
                self.statements.push(meta);
                let place = self.statements.len() - 1;
                self.places.insert(sql.into(), place);
                place
            }
        };
        Ok(&mut self.statements[place])
    }
}

impl StatementMeta {
    /// A placeholder with a number takes that value, one without a number the next value: `?`, `?1` and `$1`.
    pub(super) fn of(sql: &str, statement: &Statement<'_>) -> Result<Self, Error> {
        let number = |index| match statement.parameter_name(index) {
            None => Ok(index),
            Some(name) => name
                .strip_prefix(['$', '?'])
                .and_then(|digits| digits.parse().ok())
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    let text = format!("the parameter {name} has a name; parameters are numbered, as $1 or ?1");
                    Error::new(ErrorKind::Parameter, text)
                }),
        };
        let numbers: Box<[usize]> = (1..=statement.parameter_count()).map(number).collect::<Result<_, _>>()?;
        Ok(Self::with(sql, numbers))
    }

    /// All placeholders are numbers, which are SQLite's own. To ask for their names would be quadratic.
    fn numbered(sql: &str, statement: &Statement<'_>) -> Self {
        Self::with(sql, (1..=statement.parameter_count()).collect())
    }

    fn with(sql: &str, numbers: Box<[usize]>) -> Self {
        let effect = session_effect(sql, Syntax::Sqlite);
        let takes = numbers.iter().copied().max().unwrap_or(0);
        Self { numbers, takes, last_cost: LastCost::default(), column_meta: None, effect }
    }

    /// The number of the value for each placeholder, both counted from 1.
    ///
    /// # Errors
    /// `Parameter` for a wrong count of values.
    pub(super) fn places(&self, given: usize) -> Result<impl Iterator<Item = (usize, usize)> + use<'_>, Error> {
        if self.takes != given {
            return Err(wrong_count(given, self.takes));
        }
        Ok(self.numbers.iter().enumerate().map(|(at, number)| (at + 1, *number)))
    }

    /// The columns of a statement that has stepped to its first row. Not before: the first step prepares a statement
    /// again whose tables have changed. SQLite's counters show that, and that this is the same statement: one that was
    /// evicted and prepared again counts its runs from the beginning.
    pub(super) fn columns(&mut self, statement: &Statement<'_>) -> Arc<Columns> {
        let runs = statement.get_status(StatementStatus::Run);
        let preparations = statement.get_status(StatementStatus::RePrepare);
        match &mut self.column_meta {
            Some(column_meta) if runs > column_meta.runs && preparations == column_meta.preparations => {
                column_meta.runs = runs;
                Arc::clone(&column_meta.columns)
            }
            column_meta => {
                let columns = Arc::new(columns(statement));
                *column_meta = Some(ColumnMeta { columns: Arc::clone(&columns), runs, preparations });
                columns
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(metas: &mut StatementMetaCache, db: &Connection, sql: &str) -> (Vec<String>, Arc<Columns>) {
        let mut statement = db.prepare_cached(sql).unwrap();
        let meta = metas.meta_for(sql, &statement, false).unwrap();
        let mut rows = statement.raw_query();
        let row = rows.next().unwrap().expect("there is one");
        let columns = meta.columns(row.as_ref());
        (columns.names().map(str::to_owned).collect(), columns)
    }

    #[test]
    fn columns_are_made_once_and_anew_when_the_tables_change() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("create table t (a integer); insert into t values (1)").unwrap();
        let (mut metas, sql) = (StatementMetaCache::new(4), "select * from t");
        let (one, first) = names(&mut metas, &db, sql);
        let (_, second) = names(&mut metas, &db, sql);
        assert!(Arc::ptr_eq(&first, &second));
        db.execute_batch("alter table t add column b text").unwrap();
        let (two, _) = names(&mut metas, &db, sql);
        assert_eq!((one.len(), two.join(",")), (1, "a,b".to_owned()));
        // Out of the cache and back, with the tables changed meanwhile.
        db.flush_prepared_statement_cache();
        db.execute_batch("alter table t rename column b to c").unwrap();
        assert_eq!(names(&mut metas, &db, sql).0.join(","), "a,c");
    }

    /// fault 2.5
    #[test]
    fn no_more_text_is_kept_than_there_is_room_for() {
        let db = Connection::open_in_memory().unwrap();
        let mut metas = StatementMetaCache::new(1000);
        let long = "x".repeat(LONGEST_CACHED / 2);
        let mut most = 0;
        for number in 0..50 {
            let sql = format!("select {number}, '{long}'");
            let statement = metas.prepare(&db, &sql, &sql).unwrap();
            assert!(matches!(statement, Prepared::Kept(_)));
            metas.meta_for(&sql, &statement, false).unwrap();
            assert!(metas.bytes <= CACHE_BYTES);
            most = most.max(metas.statements.len());
        }
        assert!(most > 5);
        let sql = format!("select '{long}{long}'");
        let statement = metas.prepare(&db, &sql, &sql).unwrap();
        assert!(matches!(statement, Prepared::Once(_)));
        let kept = metas.statements.len();
        metas.meta_for(&sql, &statement, false).unwrap();
        assert_eq!(metas.statements.len(), kept);
    }

    #[test]
    fn no_more_statements_are_kept_than_asked_for() {
        let db = Connection::open_in_memory().unwrap();
        let mut metas = StatementMetaCache::new(2);
        for sql in ["select 1", "select 2", "select 3"] {
            metas.meta_for(sql, &db.prepare(sql).unwrap(), false).unwrap();
            assert!(metas.statements.len() <= 2);
        }
    }
}
