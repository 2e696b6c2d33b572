//! [`SubQuery`]: a query inside an expression or behind FROM, and what is known of it there: the tables that it reads, and
//! the form of its values.

use std::sync::Arc;

use crate::{
    data::value::Value,
    db::Writer,
    error::Result,
    model::table::{Stored, Table},
};

/// More rows than a table can have.
const ALL: u64 = i64::MAX as u64;

/// The alias of a derived table of the rows of a query.
pub(crate) const ROWS: &str = "nestling_rows";

/// A query that writes itself.
pub(crate) trait WriteQuery: Send + Sync {
    fn write(&self, to: &mut Writer) -> Result<()>;
}

/// A query inside another statement.
#[derive(Clone)]
pub(crate) struct SubQuery(Arc<Inner<dyn WriteQuery>>);

struct Inner<Q: ?Sized> {
    tables: Vec<&'static Table>,
    /// The stored form of the values, if there is one column.
    form: Option<Stored>,
    query: Q,
}

impl SubQuery {
    pub(crate) fn new(query: impl WriteQuery + 'static, tables: Vec<&'static Table>, form: Option<Stored>) -> Self {
        Self(Arc::new(Inner { tables, form, query }))
    }

    pub(crate) fn tables(&self) -> &[&'static Table] {
        &self.0.tables
    }

    pub(crate) fn form(&self) -> Option<Stored> {
        self.0.form
    }

    /// The query in a derived table that is materialized before the outer statement begins. MySQL refuses to write a
    /// table that it reads, and would merge the two without the limit.
    pub(crate) fn materialized(&self) -> Self {
        Self::new(Materialized(self.clone()), self.0.tables.clone(), self.0.form)
    }

    /// Writes the query.
    pub(crate) fn write(&self, to: &mut Writer) -> Result<()> {
        self.0.query.write(to)
    }

    /// Writes the query in brackets.
    pub(crate) fn write_bracketed(&self, to: &mut Writer) -> Result<()> {
        to.text("(");
        self.write(to)?;
        to.text(")");
        Ok(())
    }
}

/// A query in a materialized derived table.
struct Materialized(SubQuery);

impl WriteQuery for Materialized {
    fn write(&self, to: &mut Writer) -> Result<()> {
        write_rows_of(ROWS, to, |to| {
            write_rows_of(ROWS, to, |to| self.0.write(to))?;
            to.text(" LIMIT ");
            to.value(Value::U64(ALL));
            Ok(())
        })
    }
}

/// Writes `SELECT *` from a query.
pub(crate) fn write_rows_of(name: &str, to: &mut Writer, query: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
    to.text("SELECT *");
    write_from(name, to, query)
}

/// Writes FROM with a derived table.
pub(crate) fn write_from(name: &str, to: &mut Writer, query: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
    to.text(" FROM (");
    query(to)?;
    to.text(") AS ");
    to.name(name);
    Ok(())
}
