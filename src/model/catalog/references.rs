//! The foreign keys through which rows refer to a table.

use crate::{
    data::row::{FromRow, Row},
    db::Database,
    driver::Dialect,
    error::Result,
    model::table::Table,
    params,
};

/// A table, by its names in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableId {
    /// Its schema, where the dialect has one.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// A foreign key of the database.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) child: TableId,
    pub(crate) columns: Vec<String>,
    /// Which of these columns can be NULL.
    pub(crate) nullable: Vec<bool>,
    pub(crate) parent: TableId,
    pub(crate) parent_columns: Vec<String>,
}

impl Reference {
    pub(crate) fn is_nullable(&self) -> bool {
        self.nullable.contains(&true)
    }
}

const POSTGRES: &str = "\
with recursive below (oid) as ( \
select to_regclass(concat_ws('.', quote_ident($1::text), quote_ident($2::text)))::oid \
union select k.conrelid from pg_constraint k join below on below.oid = k.confrelid where k.contype = 'f') \
select k.oid::text, cn.nspname::text, c.relname::text, ca.attname::text, not ca.attnotnull, \
pn.nspname::text, p.relname::text, pa.attname::text, \
k.confrelid = to_regclass(concat_ws('.', quote_ident($1::text), quote_ident($2::text)))::oid \
from below join pg_constraint k on k.confrelid = below.oid and k.contype = 'f' and k.conparentid = 0 \
join pg_class c on c.oid = k.conrelid join pg_namespace cn on cn.oid = c.relnamespace \
join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace \
cross join lateral unnest(k.conkey, k.confkey) with ordinality as u (child, parent, place) \
join pg_attribute ca on ca.attrelid = k.conrelid and ca.attnum = u.child \
join pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = u.parent \
order by k.oid, u.place";

const MYSQL: &str = "\
select concat(k.table_name, '.', k.constraint_name), k.table_schema, k.table_name, k.column_name, c.is_nullable = 'YES', \
k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name, k.referenced_table_name = $2 \
from information_schema.key_column_usage k \
join information_schema.columns c on c.table_schema = k.table_schema and c.table_name = k.table_name \
and c.column_name = k.column_name \
where k.referenced_table_schema = coalesce($1, database()) and k.referenced_table_name is not null \
order by k.table_schema, k.table_name, k.constraint_name, k.ordinal_position";

/// Foreign keys of SQLite name tables and columns in any case, and may leave out the columns of a primary key.
const SQLITE: &str = "\
select m.name || '.' || f.id, $1, m.name, t.name, not t.\"notnull\" and t.pk = 0, $1, p.name, \
coalesce(f.\"to\", (select k.name from pragma_table_info(p.name, $1) k where k.pk = f.seq + 1)), \
p.name = $2 collate nocase \
from {schema}sqlite_schema m join pragma_foreign_key_list(m.name, $1) f \
join pragma_table_info(m.name, $1) t on t.name = f.\"from\" collate nocase \
join {schema}sqlite_schema p on p.type = 'table' and p.name = f.\"table\" collate nocase \
where m.type = 'table' order by m.name, f.id, f.seq";

/// One column of a foreign key, as the three statements return it.
struct Part {
    id: String,
    child: TableId,
    column: String,
    nullable: bool,
    parent: TableId,
    parent_column: String,
    /// Whether the parent is the queried table.
    at_root: bool,
}

impl FromRow for Part {
    fn from_row(row: &Row) -> Result<Self> {
        let table = |first| Ok::<_, crate::Error>(TableId { schema: row.get(first)?, name: row.get(first + 1)? });
        Ok(Self {
            id: row.get(0)?,
            child: table(1)?,
            column: row.get(3)?,
            nullable: row.get(4)?,
            parent: table(5)?,
            parent_column: row.get(7)?,
            at_root: row.get(8)?,
        })
    }
}

/// The foreign keys through which rows can refer to those of a table, directly or through others; and the table itself, as
/// they name it.
pub(crate) async fn references_below(db: &Database, table: &Table) -> Result<(TableId, Vec<Reference>)> {
    let schema = table.schema;
    let rows = match db.dialect() {
        Dialect::Postgres => db.query(POSTGRES, params![schema, table.name]).await?,
        Dialect::Mysql => db.query(MYSQL, params![schema, table.name]).await?,
        Dialect::Sqlite => {
            let prefix = schema.map_or(String::new(), |schema| format!("\"{}\".", schema.replace('"', "\"\"")));
            db.query(&SQLITE.replace("{schema}", &prefix), params![schema, table.name]).await?
        }
    };
    let mut root = TableId { schema: schema.map(Into::into), name: table.name.into() };
    let mut found: Vec<(String, Reference)> = Vec::new();
    for row in &rows {
        let Part { id, child, column, nullable, parent, parent_column, at_root } = row.to()?;
        if at_root {
            root = parent.clone();
        }
        match found.last_mut() {
            Some((last, reference)) if *last == id => {
                reference.columns.push(column);
                reference.nullable.push(nullable);
                reference.parent_columns.push(parent_column);
            }
            _ => {
                let (columns, nullable, parent_columns) = (vec![column], vec![nullable], vec![parent_column]);
                found.push((id, Reference { child, columns, nullable, parent, parent_columns }));
            }
        }
    }
    let found = found.into_iter().map(|(_, reference)| reference).collect();
    Ok((root.clone(), below(&root, found)))
}

/// The references that can be reached from the table.
fn below(root: &TableId, all: Vec<Reference>) -> Vec<Reference> {
    let mut reached = vec![root.clone()];
    let mut next = 0;
    while let Some(parent) = reached.get(next).cloned() {
        for reference in all.iter().filter(|reference| reference.parent == parent) {
            if !reached.contains(&reference.child) {
                reached.push(reference.child.clone());
            }
        }
        next += 1;
    }
    all.into_iter().filter(|reference| reached.contains(&reference.parent)).collect()
}
