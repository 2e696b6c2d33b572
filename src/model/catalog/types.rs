//! The types of columns in the database, which may differ from the model's (an enum of PostgreSQL is text in a model).

use crate::{db::Database, error::Result, model::table::Table, params};

/// The name is NULL for a type that has no arrays, as it is an array itself.
const POSTGRES: &str = "\
select a.attname::text, case when t.typcategory <> 'A' then format_type(a.atttypid, -1) end \
from pg_attribute a join pg_type t on t.oid = a.atttypid \
where a.attrelid = to_regclass(concat_ws('.', quote_ident($1::text), quote_ident($2::text))) and a.attnum > 0";

/// The names of the types of some columns, as SQL; `None` if one is not there, or is an array. PostgreSQL only.
pub(crate) async fn column_types(db: &Database, table: &Table, columns: &[usize]) -> Result<Option<Vec<String>>> {
    let rows = db.query(POSTGRES, params![table.schema, table.name]).await?;
    let known: Vec<(String, Option<String>)> = rows.iter().map(crate::Row::to).collect::<Result<_>>()?;
    let type_of = |&column: &usize| {
        let name = table.columns[column].name;
        known.iter().find(|(known, _)| known == name)?.1.clone()
    };
    Ok(columns.iter().map(type_of).collect())
}
