//! [`TableOrder`]: the order in which tables are created, and the references that are added when all tables exist.

use crate::model::table::{ReferenceDef, Table};

/// Tables in the order in which they are created; they are dropped in reverse order.
pub(super) struct TableOrder {
    pub(super) tables: Vec<&'static Table>,
    pub(super) deferred: Vec<DeferredReference>,
}

/// A reference to a table that comes later, which closes a cycle.
#[derive(Clone, Copy)]
pub(super) struct DeferredReference {
    pub(super) table: &'static Table,
    pub(super) column: usize,
    pub(super) reference: ReferenceDef,
}

impl TableOrder {
    pub(super) fn of(tables: &[&'static Table]) -> Self {
        let mut order = Self { tables: Vec::new(), deferred: Vec::new() };
        let mut open = Vec::new();
        for table in tables {
            order.visit(table, tables, &mut open);
        }
        order
    }

    /// Adds a table after those that it refers to. `open` are the tables that are being visited.
    fn visit(&mut self, table: &'static Table, given: &[&'static Table], open: &mut Vec<&'static Table>) {
        if contains(&self.tables, table) {
            return;
        }
        open.push(table);
        for (column, def) in table.columns.iter().enumerate() {
            let Some(reference) = def.references else {
                continue;
            };
            let target = (reference.table)();
            if target.is(table) || !contains(given, target) {
                continue;
            }
            if contains(open, target) {
                self.deferred.push(DeferredReference { table, column, reference });
            } else {
                self.visit(target, given, open);
            }
        }
        open.pop();
        self.tables.push(table);
    }

    pub(super) fn defers(&self, table: &Table, column: usize) -> bool {
        self.deferred.iter().any(|held| held.table.is(table) && held.column == column)
    }
}

fn contains(tables: &[&'static Table], table: &Table) -> bool {
    tables.iter().any(|other| other.is(table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ColumnDef, ColumnType, ColumnWrite, ReferenceDef, Stored};

    const fn column(references: Option<fn() -> &'static Table>) -> ColumnDef {
        let references = match references {
            Some(table) => Some(ReferenceDef { table, on_delete: None, on_update: None, index: true }),
            None => None,
        };
        ColumnDef {
            name: "x",
            field: "x",
            ty: ColumnType::I64,
            null: true,
            auto: false,
            max_length: None,
            default_sql: None,
            check: None,
            references,
            stored: Stored::Native,
            write: ColumnWrite::Caller,
        }
    }

    const fn table(name: &'static str, columns: &'static [ColumnDef]) -> Table {
        Table { model: name, schema: None, name, columns, primary_key: &[], indexes: &[] }
    }

    static A: Table = table("a", &[column(Some(|| &B)), column(Some(|| &A))]);
    static B: Table = table("b", &[column(Some(|| &C)), column(Some(|| &D))]);
    static C: Table = table("c", &[column(Some(|| &A)), column(None)]);
    static D: Table = table("d", &[column(None)]);

    fn names(order: &TableOrder) -> Vec<&str> {
        order.tables.iter().map(|table| table.name).collect()
    }

    #[test]
    fn what_is_referred_to_comes_first_and_circles_are_opened_in_one_place() {
        let order = TableOrder::of(&[&A, &B, &C, &D, &A]);
        assert_eq!(names(&order), ["c", "d", "b", "a"]);
        assert_eq!(order.deferred.len(), 1);
        assert!(order.defers(&C, 0) && !order.defers(&A, 1));
        let order = TableOrder::of(&[&D, &A, &B]);
        assert_eq!((names(&order), order.deferred.len()), (vec!["d", "b", "a"], 0), "c is not ours");
    }
}
