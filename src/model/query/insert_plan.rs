//! [`InsertPlan`]: an insert without its Rust types: columns, rows, conflict clause; and its text.

use std::borrow::Cow;

use super::selection::SelectItem;
use crate::{
    data::{params::Params, value::Value},
    db::Writer,
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Assignment, Node, listed},
        table::{Model, Table},
    },
};

/// The value of one row in one column.
#[derive(Debug, Clone)]
pub(crate) enum InsertValue {
    Node(Node),
    /// The default of the database.
    Default,
}

/// What happens on a conflict with an existing row.
#[derive(Debug, Clone)]
pub(crate) enum Conflict {
    Fail,
    Ignore,
    Update(Box<Upsert>),
}

/// How an existing row is updated.
#[derive(Debug, Clone)]
pub(crate) struct Upsert {
    pub(crate) target: Target,
    pub(crate) set: Vec<(usize, Node)>,
    /// The condition of the update, if there is one.
    pub(crate) filter: Option<Node>,
}

/// The unique constraint that is violated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    pub(crate) columns: Vec<usize>,
    /// The predicate of a partial index.
    pub(crate) condition: Option<Node>,
    /// The name of the constraint, in place of columns.
    pub(crate) constraint: Option<Cow<'static, str>>,
}

/// An insert.
#[derive(Debug, Clone)]
pub(crate) struct InsertPlan {
    pub(crate) table: &'static Table,
    /// The columns that have values, by their numbers.
    pub(crate) columns: Vec<usize>,
    /// The rows: one value for each of the columns.
    pub(crate) rows: Vec<Vec<InsertValue>>,
    pub(crate) conflict: Conflict,
}

impl InsertPlan {
    /// Rows of assignments; the defaults of the model are filled in.
    pub(crate) fn of_assignments<M: Model>(
        rows: impl IntoIterator<Item = impl IntoIterator<Item = Assignment<M>>>,
    ) -> Self {
        let table = M::TABLE;
        let width = table.columns.len();
        let row = |assignments| {
            let mut row: Vec<Option<Node>> = vec![None; width];
            for Assignment { column, node, .. } in assignments {
                row[column] = Some(node);
            }
            for (column, node) in row.iter_mut().enumerate().filter(|(_, node)| node.is_none()) {
                *node = M::default_value(column).map(Node::Value);
            }
            row
        };
        Self::new(table, rows.into_iter().map(|row_| row(row_.into_iter().collect::<Vec<_>>())).collect())
    }

    /// Rows of models, without read-only columns. A numbered key of 0 is left to the database.
    pub(crate) fn of_rows<'m, M: Model>(rows: impl IntoIterator<Item = &'m M>) -> Self {
        let table = M::TABLE;
        let node = |row: &M, column: usize| match row.value(column) {
            _ if table.columns[column].is_read_only() => None,
            Value::I64(0) | Value::U64(0) if table.columns[column].auto => None,
            value => Some(Node::Value(value)),
        };
        let row = |row: &'m M| (0..table.columns.len()).map(|column| node(row, column)).collect();
        Self::new(table, rows.into_iter().map(row).collect())
    }

    fn new(table: &'static Table, rows: Vec<Vec<Option<Node>>>) -> Self {
        let given = |&column: &usize| rows.iter().any(|row| row[column].is_some());
        let mut columns: Vec<usize> = (0..table.columns.len()).filter(given).collect();
        if columns.is_empty() {
            // An insert needs at least one column.
            columns.push(table.auto_column().or_else(|| table.writable().next()).unwrap_or(0));
        }
        let pick = |mut row: Vec<Option<Node>>| {
            columns.iter().map(|&column| row[column].take().map_or(InsertValue::Default, InsertValue::Node)).collect()
        };
        let rows = rows.into_iter().map(pick).collect();
        Self { table, columns, rows, conflict: Conflict::Fail }
    }

    /// How many rows fit into one statement: the number of parameters is limited.
    pub(crate) fn chunk(&self, dialect: Dialect) -> usize {
        let limit = dialect.capabilities().parameters;
        // The conflict clause has parameters too.
        let clause = match &self.conflict {
            Conflict::Update(upsert) => upsert.set.len() * 8,
            Conflict::Fail | Conflict::Ignore => 0,
        };
        ((limit - clause.min(limit / 2)) / self.columns.len()).max(1)
    }

    /// The position of a column of the table among `columns`.
    pub(crate) fn position(&self, column: usize) -> Option<usize> {
        self.columns.iter().position(|&given| given == column)
    }

    /// The statement that inserts some of the rows.
    pub(crate) fn text(
        &self,
        dialect: Dialect,
        rows: &[Vec<InsertValue>],
        returning: &[SelectItem],
    ) -> Result<(String, Params)> {
        let mut to = Writer::new(dialect);
        to.text("INSERT INTO ");
        self.table.write(&mut to);
        to.text(" (");
        for (at, &column) in self.columns.iter().enumerate() {
            to.text(if at == 0 { "" } else { ", " });
            to.name(self.table.columns[column].name);
        }
        to.text(") VALUES ");
        for (number, row) in rows.iter().enumerate() {
            to.text(if number == 0 { "(" } else { ", (" });
            for (at, (given, &column)) in row.iter().zip(&self.columns).enumerate() {
                to.text(if at == 0 { "" } else { ", " });
                match given {
                    InsertValue::Node(node) => {
                        self.table.check_writable(column)?;
                        node.write_into(self.table, &mut to)?;
                    }
                    InsertValue::Default => self.default(column, &mut to),
                }
            }
            to.text(")");
        }
        self.conflict(rows.len() == 1, &mut to)?;
        if to.can().returning {
            write_returning(returning, &mut to)?;
        }
        Ok(to.finish())
    }

    /// Writes the default of the database. SQLite has no DEFAULT in a row.
    fn default(&self, column: usize, to: &mut Writer) {
        let def = &self.table.columns[column];
        match def.default_sql {
            _ if to.can().default_in_rows => to.text("DEFAULT"),
            Some(sql) => {
                to.text("(");
                to.text(sql);
                to.text(")");
            }
            None => to.text("NULL"),
        }
    }

    fn conflict(&self, single: bool, to: &mut Writer) -> Result<()> {
        match &self.conflict {
            Conflict::Fail => {}
            // On MySQL a unique violation is caught instead: INSERT IGNORE would ignore all errors.
            Conflict::Ignore if !to.can().on_conflict => {}
            Conflict::Ignore => to.text(" ON CONFLICT DO NOTHING"),
            Conflict::Update(upsert) => self.upsert(upsert, single, to)?,
        }
        Ok(())
    }

    fn upsert(&self, Upsert { target, set, filter }: &Upsert, single: bool, to: &mut Writer) -> Result<()> {
        if set.is_empty() {
            let text = "on conflict nothing is set: use on_conflict_ignore for that";
            return Err(Error::new(ErrorKind::Config, text));
        }
        if !to.can().on_conflict {
            if target.condition.is_some() || target.constraint.is_some() || filter.is_some() {
                let text = "MySQL and MariaDB have no conditions of an upsert and no choice of its constraint";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            to.text(" ON DUPLICATE KEY UPDATE ");
            if single {
                self.tell_number(to);
            }
        } else {
            self.target(target, to)?;
            to.text(" DO UPDATE SET ");
        }
        write_set(self.table, set, to)?;
        if let Some(filter) = filter {
            to.text(" WHERE ");
            filter.write(to)?;
        }
        Ok(())
    }

    /// The conflict target. A partial index is found by its predicate, which must have neither parameters nor
    /// qualified columns.
    fn target(&self, Target { columns, condition, constraint }: &Target, to: &mut Writer) -> Result<()> {
        if let Some(constraint) = constraint {
            if !to.can().on_constraint {
                let text = "only PostgreSQL finds the constraint of an upsert by its name: give its columns";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            to.text(" ON CONFLICT ON CONSTRAINT ");
            to.name(constraint);
            return Ok(());
        }
        to.text(" ON CONFLICT (");
        for (at, &column) in columns.iter().enumerate() {
            to.text(if at == 0 { "" } else { ", " });
            to.name(self.table.columns[column].name);
        }
        to.text(")");
        if let Some(condition) = condition {
            to.text(" WHERE ");
            to.with_literals(|to| condition.unqualified().write(to))?;
        }
        Ok(())
    }

    /// MySQL returns the number of an inserted row, and that of an updated one only if it is set by LAST_INSERT_ID.
    fn tell_number(&self, to: &mut Writer) {
        if let Some(column) = self.table.auto_column() {
            let name = self.table.columns[column].name;
            to.name(name);
            to.text(" = LAST_INSERT_ID(");
            to.name(name);
            to.text("), ");
        }
    }
}

/// Writes the assignments of SET.
pub(crate) fn write_set(table: &Table, set: &[(usize, Node)], to: &mut Writer) -> Result<()> {
    for (at, (column, node)) in set.iter().enumerate() {
        table.check_writable(*column)?;
        to.text(if at == 0 { "" } else { ", " });
        to.name(table.columns[*column].name);
        to.text(" = ");
        node.write_into(table, to)?;
    }
    Ok(())
}

/// Writes RETURNING.
pub(crate) fn write_returning(returning: &[SelectItem], to: &mut Writer) -> Result<()> {
    if returning.is_empty() {
        return Ok(());
    }
    to.text(" RETURNING ");
    listed(returning, to, SelectItem::write)
}
