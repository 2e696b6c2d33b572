//! The statements of [`DdlWriter`] for foreign keys, and those that drop tables.

use super::statements::DdlWriter;
use crate::{
    data::{params::Params, value::Value},
    driver::Dialect,
    model::table::{ReferenceAction, ReferenceDef, Table},
};

impl DdlWriter {
    /// The FOREIGN KEY constraint of a column.
    pub(super) fn reference(&self, table: &Table, index: usize, reference: &ReferenceDef) -> String {
        let ReferenceDef { table: target, on_delete, on_update, index: _ } = reference;
        let target = target();
        let name = self.quoted(&self.reference_name(table, index));
        // In SQLite a reference stays within one database file, and cannot be qualified.
        let across = self.dialect.capabilities().refers_across_schemas;
        let other = if across { self.table(target) } else { self.quoted(target.name) };
        let (own, key) = (self.columns(table, &[index]), self.columns(target, target.primary_key));
        let mut text = format!("CONSTRAINT {name} FOREIGN KEY ({own}) REFERENCES {other} ({key})");
        for (event, what) in [(" ON DELETE ", on_delete), (" ON UPDATE ", on_update)] {
            if let Some(what) = what {
                text.extend([event, action(*what)]);
            }
        }
        text
    }

    fn reference_name(&self, table: &Table, index: usize) -> String {
        self.name(table, &[index], "fkey")
    }

    /// Adds a foreign key to an existing table.
    pub(super) fn add_reference(&self, table: &Table, index: usize, reference: &ReferenceDef) -> String {
        format!("ALTER TABLE {} ADD {}", self.table(table), self.reference(table, index, reference))
    }

    /// Drops a foreign key, so that the two tables can be dropped in any order.
    pub(super) fn drop_reference(&self, table: &Table, index: usize) -> String {
        let what = if self.dialect == Dialect::Mysql { "FOREIGN KEY" } else { "CONSTRAINT" };
        format!("ALTER TABLE {} DROP {what} {}", self.table(table), self.quoted(&self.reference_name(table, index)))
    }

    /// A query that has a row if the foreign key exists, as ALTER TABLE has no IF NOT EXISTS for it.
    pub(super) fn find_reference(&self, table: &Table, index: usize) -> (&'static str, Params) {
        let name = self.reference_name(table, index);
        let schema = Value::from(table.schema);
        if self.dialect == Dialect::Postgres {
            let sql = "SELECT 1 FROM pg_constraint WHERE conname = $1 AND conrelid = to_regclass($2)";
            return (sql, Params::from_iter([Value::from(name), Value::from(self.table(table))]));
        }
        let sql = "SELECT 1 FROM information_schema.table_constraints
            WHERE constraint_name = $1 AND table_name = $2 AND constraint_schema = coalesce($3, database())";
        (sql, Params::from_iter([Value::from(name), Value::from(table.name), schema]))
    }

    pub(super) fn drop(&self, table: &Table) -> String {
        format!("DROP TABLE IF EXISTS {}", self.table(table))
    }
}

fn action(action: ReferenceAction) -> &'static str {
    match action {
        ReferenceAction::Cascade => "CASCADE",
        ReferenceAction::SetNull => "SET NULL",
        ReferenceAction::SetDefault => "SET DEFAULT",
        ReferenceAction::Restrict => "RESTRICT",
        ReferenceAction::NoAction => "NO ACTION",
    }
}
