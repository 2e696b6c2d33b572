//! [`DeleteOrder`]: deletes rows, each behind all that refer to it. Statements name as many rows as may go at once.

use std::collections::{BTreeMap, HashMap};

use super::{
    graph::{Link, LinkAction},
    rows::{self, Values, conditions, identity},
    walk::Walk,
};
use crate::{data::value::Value, db::Database, error::Result};

/// The rows that are left, and what keeps each.
pub(super) struct DeleteOrder<'o> {
    walk: Walk<'o>,
    /// By row: the rows that it refers to, and the number of the foreign key.
    refers: Vec<Vec<(usize, usize)>>,
    /// By row: how many others refer to it.
    referred: Vec<usize>,
    left: Vec<usize>,
}

impl<'o> DeleteOrder<'o> {
    pub(super) fn new(walk: Walk<'o>) -> Self {
        let (rows, graph) = (walk.rows.len(), walk.graph);
        let mut order =
            Self { walk, refers: vec![Vec::new(); rows], referred: vec![0; rows], left: (0..rows).collect() };
        let links = graph.links.iter().enumerate();
        for (number, link) in links.filter(|(_, link)| link.action == LinkAction::Follow) {
            order.add_link(number, link);
        }
        order
    }

    /// Notes who refers to whom by a foreign key. A row may refer to itself, which keeps it on MySQL alone: where that may
    /// become NULL, it has to; where not, nothing can be done about it.
    fn add_link(&mut self, number: usize, link: &Link) {
        let rows = || self.walk.rows.iter().enumerate();
        let id = |values: &Values, places: &[usize]| identity(places.iter().map(|&place| &values[place]));
        let parent_places = self.walk.graph.tables[link.parent].places(&link.parent_columns);
        let parents = rows().filter(|(_, row)| row.table == link.parent);
        let parents: HashMap<_, _> = parents.map(|(at, row)| (id(&row.values, &parent_places), at)).collect();
        let places = self.walk.graph.tables[link.child].places(&link.columns);
        for (child, row) in rows().filter(|(_, row)| row.table == link.child) {
            let counts = |parent: &&usize| **parent != child || !link.nullable.is_empty();
            if let Some(&parent) = parents.get(&id(&row.values, &places)).filter(counts) {
                self.refers[child].push((parent, number));
                self.referred[parent] += 1;
            }
        }
    }

    pub(super) async fn delete(mut self, db: &Database) -> Result<()> {
        while !self.left.is_empty() {
            let (free, kept): (Vec<_>, Vec<_>) = self.left.iter().partition(|&&row| self.referred[row] == 0);
            if !free.is_empty() {
                self.left = kept;
                self.delete_rows(db, &free).await?;
                self.remove_references(&free, |_| true);
            } else if !self.break_cycles().await? {
                // They refer to each other in a circle and cannot do without: what keeps such rows looks at whole
                // statements, or at the end of the transaction.
                return self.delete_rows(db, &kept).await;
            }
        }
        Ok(())
    }

    /// Sets nullable references within cycles to NULL. Returns whether there were any.
    async fn break_cycles(&mut self) -> Result<bool> {
        let (graph, left) = (self.walk.graph, self.left.clone());
        let mut found = false;
        for (number, link) in graph.links.iter().enumerate().filter(|(_, link)| !link.nullable.is_empty()) {
            let uses = |row: &usize| self.refers[*row].iter().any(|(_, link)| *link == number);
            let users: Vec<usize> = left.iter().copied().filter(uses).collect();
            if users.is_empty() {
                continue;
            }
            self.walk.set_null(link, &self.walk.referred(link, left.iter().copied())).await?;
            // The values by which these rows may be named are those that they have from now on.
            let places = graph.tables[link.child].places(&link.columns);
            for row in users {
                for &place in &link.nullable {
                    self.walk.rows[row].values[places[place]] = Value::Null;
                }
            }
            found = true;
        }
        self.remove_references(&left, |link| !graph.links[link].nullable.is_empty());
        Ok(found)
    }

    /// Forgets that rows refer to others, by some of the foreign keys.
    fn remove_references(&mut self, rows: &[usize], by: impl Fn(usize) -> bool) {
        for &row in rows {
            let Self { refers, referred, .. } = self;
            refers[row].retain(|&(parent, link)| {
                let gone = by(link);
                referred[parent] -= usize::from(gone);
                !gone
            });
        }
    }

    /// Deletes rows, those of each table together.
    async fn delete_rows(&self, db: &Database, rows: &[usize]) -> Result<()> {
        let mut tables: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &row in rows {
            tables.entry(self.walk.rows[row].table).or_default().push(row);
        }
        for (table, rows) in tables {
            let node = &self.walk.graph.tables[table];
            for (columns, rows) in self.names(table, &rows) {
                for condition in conditions(&columns, &rows) {
                    rows::delete(db, &node.id, &condition).await?;
                }
            }
        }
        Ok(())
    }

    /// How rows of a table are named: by columns by which others can refer to them, which are unique; those that have NULL
    /// there, by all that is known of them.
    fn names(&self, table: usize, rows: &[usize]) -> Vec<(Vec<String>, Vec<Values>)> {
        let node = &self.walk.graph.tables[table];
        let shortest = self.walk.graph.links_to(table).min_by_key(|link| link.parent_columns.len());
        let columns = shortest.map_or(&node.columns, |link| &link.parent_columns);
        let places = node.places(columns);
        let has_null = |row: &usize| places.iter().any(|&place| self.walk.rows[*row].values[place].is_null());
        let (null, named): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&row| has_null(row));
        let of = |rows: Vec<usize>, places: &[usize]| -> Vec<Values> {
            let pick = |row: usize| places.iter().map(move |&place| self.walk.rows[row].values[place].clone());
            rows.into_iter().map(|row| pick(row).collect::<Vec<Value>>()).collect()
        };
        let all: Vec<usize> = (0..node.columns.len()).collect();
        let mut names = Vec::new();
        if !named.is_empty() {
            names.push((columns.clone(), of(named, &places)));
        }
        if !null.is_empty() {
            names.push((node.columns.clone(), of(null, &all)));
        }
        names
    }
}
