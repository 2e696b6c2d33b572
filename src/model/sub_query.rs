//! [`SubQuery`]: a query inside another statement, and what has to be known of it there: which tables it reads, and in which
//! form its values are.

use std::sync::Arc;

use super::{parts::Parts, stored::Stored, table::Table, union};
use crate::{data::value::Value, db::Writer, error::Result};

/// More rows than a table can have.
const ALL: u64 = i64::MAX as u64;

/// The name of a derived table that has nothing but the rows of a query.
pub(super) const ROWS: &str = "nestling_rows";

/// A query inside another statement.
#[derive(Clone)]
pub(super) struct SubQuery(Arc<Inner>);

struct Inner {
    query: Query,
    tables: Vec<&'static Table>,
    /// The form of the values of its one column.
    form: Option<Stored>,
}

/// What there can be in brackets.
enum Query {
    Select(Parts),
    /// A select whose columns have names of their own each.
    WithNames(Parts),
    /// A select behind IN.
    Among(Parts),
    Union(union::Parts),
    /// A query in a derived table that is made ahead.
    Apart(SubQuery),
    /// One column of what a query has.
    Column(Column),
}

/// One column of what a query has, under a new name.
pub(super) struct Column {
    pub(super) of: SubQuery,
    /// What the query is called.
    pub(super) alias: &'static str,
    pub(super) column: &'static str,
    pub(super) name: &'static str,
    pub(super) distinct: bool,
}

impl SubQuery {
    /// A query of which nothing else is known.
    fn plain(query: Query) -> Self {
        Self(Arc::new(Inner { query, tables: Vec::new(), form: None }))
    }

    /// A select, of which it is known what it reads and in which form.
    fn known(parts: Parts, query: fn(Parts) -> Query) -> Self {
        let mut tables = Vec::new();
        parts.tables(&mut tables);
        let form = parts.form();
        Self(Arc::new(Inner { query: query(parts), tables, form }))
    }

    /// A select.
    pub(super) fn of(parts: Parts) -> Self {
        Self::known(parts, Query::Select)
    }

    /// A select in which no two columns have one name: MySQL takes none such as a derived table.
    pub(super) fn with_names(parts: Parts) -> Self {
        Self::known(parts, Query::WithNames)
    }

    /// A select behind IN. MySQL takes no LIMIT there, except inside a derived table.
    pub(super) fn among(parts: Parts) -> Self {
        Self::known(parts, Query::Among)
    }

    /// A union.
    pub(super) fn union(parts: union::Parts) -> Self {
        Self::plain(Query::Union(parts))
    }

    /// One column of what a query has. It stands in FROM, where MySQL takes a LIMIT too, and where neither DISTINCT nor the
    /// order of the query stand in the way of selecting one column.
    pub(super) fn column(column: Column) -> Self {
        Self::plain(Query::Column(column))
    }

    pub(super) fn tables(&self) -> &[&'static Table] {
        &self.0.tables
    }

    pub(super) fn form(&self) -> Option<Stored> {
        self.0.form
    }

    /// The query in a derived table that is made before the statement around it begins. MySQL refuses to write a table that
    /// it reads, and would take the two for one without the limit.
    pub(super) fn apart(&self) -> Self {
        let Inner { query: _, tables, form } = &*self.0;
        Self(Arc::new(Inner { query: Query::Apart(self.clone()), tables: tables.clone(), form: *form }))
    }

    /// Writes the query.
    pub(super) fn write(&self, to: &mut Writer) -> Result<()> {
        match &self.0.query {
            Query::Select(parts) => parts.write(to),
            Query::WithNames(parts) => parts.write_with_names(to),
            Query::Among(parts) if !to.can().limit_within_in && parts.is_limited() => {
                write_rows_of(ROWS, to, |to| parts.write_with_names(to))
            }
            Query::Among(parts) => parts.write(to),
            Query::Union(parts) => parts.write(to),
            Query::Apart(query) => write_rows_of(ROWS, to, |to| {
                write_rows_of(ROWS, to, |to| query.write(to))?;
                to.text(" LIMIT ");
                to.value(Value::U64(ALL));
                Ok(())
            }),
            Query::Column(column) => column.write(to),
        }
    }

    /// Writes the query in brackets.
    pub(super) fn write_bracketed(&self, to: &mut Writer) -> Result<()> {
        to.text("(");
        self.write(to)?;
        to.text(")");
        Ok(())
    }
}

impl Column {
    fn write(&self, to: &mut Writer) -> Result<()> {
        let Self { of, alias, column, name, distinct } = self;
        to.text(if *distinct { "SELECT DISTINCT " } else { "SELECT " });
        super::node::Source::Table(alias).write(column, to);
        to.text(" AS ");
        to.name(name);
        write_from(alias, to, |to| of.write(to))
    }
}

/// Writes a query that has all that another has.
pub(super) fn write_rows_of(name: &str, to: &mut Writer, query: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
    to.text("SELECT *");
    write_from(name, to, query)
}

/// Writes a query as what is selected from.
pub(super) fn write_from(name: &str, to: &mut Writer, query: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
    to.text(" FROM (");
    query(to)?;
    to.text(") AS ");
    to.name(name);
    Ok(())
}
