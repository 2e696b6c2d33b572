//! [`SubQuery`]: a query inside another statement, and what has to be known of it there: which tables it reads, and in which
//! form its values are.

use std::sync::Arc;

use sea_query::{Alias, Expr as Sea, Query as Build, SelectStatement};

use super::{parts::Parts, stored::Stored, table::Table};
use crate::{driver::Dialect, error::Result};

/// More rows than a table can have.
const ALL: u64 = i64::MAX as u64;

/// Writes a query for a dialect.
type Write = Arc<dyn Fn(Dialect) -> Result<SelectStatement> + Send + Sync>;

/// A query inside another statement.
#[derive(Clone)]
pub(super) struct SubQuery {
    write: Write,
    tables: Arc<[&'static Table]>,
    /// The form of the values of its one column.
    form: Option<Stored>,
}

impl SubQuery {
    /// A query of which nothing else is known.
    pub(super) fn new(write: impl Fn(Dialect) -> Result<SelectStatement> + Send + Sync + 'static) -> Self {
        Self { write: Arc::new(write), tables: Arc::new([]), form: None }
    }

    /// A select, by the way in which it is written.
    pub(super) fn of(parts: Parts, write: fn(&Parts, Dialect) -> Result<SelectStatement>) -> Self {
        let mut tables = Vec::new();
        parts.tables(&mut tables);
        let form = if let [selected] = &*parts.selected() { selected.node.form() } else { None };
        Self { write: Arc::new(move |dialect| write(&parts, dialect)), tables: tables.into(), form }
    }

    /// A select behind IN. MySQL takes no LIMIT there, except inside a derived table.
    pub(super) fn among(parts: Parts) -> Self {
        Self::of(parts, |parts, dialect| {
            if dialect == Dialect::Mysql && parts.is_limited() {
                Ok(derived(parts.nested(dialect)?))
            } else {
                parts.statement(dialect)
            }
        })
    }

    pub(super) fn write(&self, dialect: Dialect) -> Result<SelectStatement> {
        (self.write)(dialect)
    }

    pub(super) fn tables(&self) -> &[&'static Table] {
        &self.tables
    }

    pub(super) fn form(&self) -> Option<Stored> {
        self.form
    }

    /// The query in a derived table that is made before the statement around it begins. MySQL refuses to write a table that
    /// it reads, and would take the two for one without the limit.
    pub(super) fn apart(&self) -> Self {
        let Self { write, tables, form } = self.clone();
        let write = move |dialect| {
            let mut all = derived(write(dialect)?);
            all.limit(ALL);
            Ok(derived(all))
        };
        Self { write: Arc::new(write), tables, form }
    }
}

/// All that a query has, as a query.
fn derived(query: SelectStatement) -> SelectStatement {
    let mut all = Build::select();
    all.expr(Sea::cust("*")).from_subquery(query, Alias::new("nestling_rows"));
    all
}
