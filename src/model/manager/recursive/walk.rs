//! [`Walk`]: finds and locks the rows to be deleted, from the first one downwards, so that no new row can refer to them.

use std::collections::HashSet;

use super::{
    graph::{Graph, Link, LinkAction},
    rows::{Values, conditions, delete, identity, run, write_where},
};
use crate::{
    data::{row::Row, value::Value},
    db::{Database, Writer},
    error::Result,
    model::{
        expr::{Node, is_key, listed},
        query::{Lock, LockKind, LockWait},
        table::{Key as _, Model},
    },
};

/// A row that goes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) table: usize,
    /// What is known of it: the values of the columns of its [`Node`](super::graph::Node).
    pub(super) values: Values,
}

/// The rows that go.
pub(super) struct Walk<'w> {
    db: &'w Database,
    pub(super) graph: &'w Graph,
    pub(super) rows: Vec<Found>,
    seen: HashSet<(usize, Vec<u8>)>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(db: &'w Database, graph: &'w Graph) -> Self {
        Self { db, graph, rows: Vec::new(), seen: HashSet::new() }
    }

    /// Finds the row with this key, and returns whether it exists. A row that nothing can refer to is deleted at once.
    pub(super) async fn begin<M: Model>(&mut self, key: &M::Key) -> Result<bool> {
        if self.graph.tables[0].columns.is_empty() {
            // No table refers to this one: no column but the key is needed.
            return Ok(delete(self.db, &self.graph.tables[0].id, &is_key(M::TABLE, key.values())).await?.affected > 0);
        }
        let rows = self.select(0, &is_key(M::TABLE, key.values())).await?;
        Ok(self.add(0, &rows)? > 0)
    }

    /// Goes on to what refers to the rows that were found, until there is nothing new.
    pub(super) async fn descend(&mut self) -> Result<()> {
        let mut done = 0;
        while done < self.rows.len() {
            let new = done..self.rows.len();
            done = self.rows.len();
            for link in self.graph.links.iter().filter(|link| link.action == LinkAction::Follow) {
                for condition in conditions(&link.columns, &self.referred(link, new.clone())) {
                    let rows = self.select(link.child, &condition).await?;
                    self.add(link.child, &rows)?;
                }
            }
        }
        Ok(())
    }

    /// Sets references to NULL, and deletes rows that no other table refers to, as the action of each link says.
    pub(super) async fn apply_actions(&self) -> Result<()> {
        for link in &self.graph.links {
            let rows = self.referred(link, 0..self.rows.len());
            match link.action {
                LinkAction::Follow => {}
                LinkAction::SetNull => self.set_null(link, &rows).await?,
                LinkAction::DeleteAll => {
                    for condition in conditions(&link.columns, &rows) {
                        delete(self.db, &self.graph.tables[link.child].id, &condition).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets references to these rows to NULL.
    pub(super) async fn set_null(&self, link: &Link, rows: &[Values]) -> Result<()> {
        for condition in conditions(&link.columns, rows) {
            let update = run(self.db, "UPDATE ", &self.graph.tables[link.child].id, |to| {
                to.text(" SET ");
                listed(&link.nullable, to, |&place, to| {
                    to.name(&link.columns[place]);
                    to.text(" = NULL");
                    Ok(())
                })?;
                write_where(&condition, to)
            });
            update.await?;
        }
        Ok(())
    }

    /// The values by which a foreign key can refer to rows that were found.
    pub(super) fn referred(&self, link: &Link, rows: impl IntoIterator<Item = usize>) -> Vec<Values> {
        let places = self.graph.tables[link.parent].places(&link.parent_columns);
        let rows = rows.into_iter().map(|row| &self.rows[row]).filter(|row| row.table == link.parent);
        let values = rows.map(|row| places.iter().map(|&place| row.values[place].clone()).collect::<Values>());
        // Nothing refers to NULL.
        values.filter(|values| !values.iter().any(Value::is_null)).collect()
    }

    /// What is known of the rows of a table for which a condition holds, locked.
    async fn select(&self, table: usize, condition: &Node) -> Result<Vec<Row>> {
        let node = &self.graph.tables[table];
        let mut to = Writer::new(self.db.dialect());
        to.text("SELECT ");
        listed(&node.columns, &mut to, |name, to| {
            to.name(name);
            Ok(())
        })?;
        to.text(" FROM ");
        to.table(node.id.schema.as_deref(), &node.id.name);
        write_where(condition, &mut to)?;
        Lock { kind: LockKind::Update, wait: LockWait::Wait }.write(&mut to)?;
        let (sql, params) = to.finish();
        Ok(self.db.send(&sql, &params).await?.rows)
    }

    /// Adds rows that were not seen before, and returns how many.
    fn add(&mut self, table: usize, rows: &[Row]) -> Result<usize> {
        let before = self.rows.len();
        let width = self.graph.tables[table].columns.len();
        for row in rows {
            let values = (0..width).map(|place| row.get(place)).collect::<Result<Values>>()?;
            if self.seen.insert((table, identity(&values))) {
                self.rows.push(Found { table, values });
            }
        }
        Ok(self.rows.len() - before)
    }
}
