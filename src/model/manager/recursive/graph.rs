//! [`Graph`]: the tables below one, and the foreign keys between them. Plain data.

use crate::model::catalog::{Reference, TableId};

/// What becomes of the rows that refer by a foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkAction {
    /// Their reference becomes NULL.
    SetNull,
    /// The rows are deleted unread: no table refers to theirs.
    DeleteAll,
    /// They go, and what refers to them goes first.
    Follow,
}

/// A foreign key.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) child: usize,
    pub(super) columns: Vec<String>,
    /// The places in `columns` that may be NULL.
    pub(super) nullable: Vec<usize>,
    pub(super) parent: usize,
    pub(super) parent_columns: Vec<String>,
    pub(super) action: LinkAction,
}

/// A table.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: TableId,
    /// The columns of which something is known about each row: those by which it is referred to, and by which it refers.
    pub(super) columns: Vec<String>,
}

impl Node {
    /// The places of columns of this table among those that are known.
    pub(super) fn places(&self, columns: &[String]) -> Vec<usize> {
        let place = |name| self.columns.iter().position(|column| column == name);
        columns.iter().filter_map(place).collect()
    }
}

/// The tables below the first one.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) tables: Vec<Node>,
    pub(super) links: Vec<Link>,
}

impl Graph {
    pub(super) fn new(root: TableId, references: Vec<Reference>, delete_nullable: bool) -> Self {
        let mut graph = Self { tables: vec![Node { id: root, columns: Vec::new() }], links: Vec::new() };
        let referred: Vec<TableId> = references.iter().map(|reference| reference.parent.clone()).collect();
        for reference in references {
            let action = match reference.is_nullable() {
                true if !delete_nullable => LinkAction::SetNull,
                _ if referred.contains(&reference.child) => LinkAction::Follow,
                _ => LinkAction::DeleteAll,
            };
            let Reference { child, columns, nullable, parent, parent_columns } = reference;
            let nullable = (0..columns.len()).filter(|&place| nullable[place]).collect();
            let (child, parent) = (graph.table(child), graph.table(parent));
            graph.add_columns(parent, &parent_columns);
            if action == LinkAction::Follow {
                graph.add_columns(child, &columns);
            }
            graph.links.push(Link { child, columns, nullable, parent, parent_columns, action });
        }
        graph
    }

    fn table(&mut self, id: TableId) -> usize {
        self.tables.iter().position(|table| table.id == id).unwrap_or_else(|| {
            self.tables.push(Node { id, columns: Vec::new() });
            self.tables.len() - 1
        })
    }

    fn add_columns(&mut self, table: usize, columns: &[String]) {
        let known = &mut self.tables[table].columns;
        for column in columns {
            if !known.contains(column) {
                known.push(column.clone());
            }
        }
    }

    /// The foreign keys that refer to a table.
    pub(super) fn links_to(&self, table: usize) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.parent == table)
    }
}
