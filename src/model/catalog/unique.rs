//! The columns of a violated unique constraint, and of all unique keys of a table.

use crate::{
    db::Database,
    driver::Dialect,
    error::{Error, Result},
    model::table::Table,
    params,
};

/// The plain columns of a unique index of PostgreSQL, or of one of a partition of the table. A name of a constraint is that
/// of its index.
const POSTGRES: &str = "\
with root as (select to_regclass(concat_ws('.', quote_ident($1::text), quote_ident($2::text)))::oid as oid) \
select a.attname::text \
from root join pg_index i on i.indrelid = root.oid or i.indrelid in (select relid from pg_partition_tree(root.oid)) \
join pg_class c on c.oid = i.indexrelid \
cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, place) \
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum \
where c.relname = $3::text and i.indisunique and i.indpred is null and i.indexprs is null \
and k.place <= i.indnkeyatts \
order by k.place";

/// The columns of a unique index on MySQL. An expression has no name, a prefix has a length.
const MYSQL: &str = "\
select column_name, sub_part from information_schema.statistics \
where table_schema = coalesce($1, database()) and table_name = $2 and index_name = $3 and non_unique = 0 \
order by seq_in_index";

/// The columns of all unique indexes of a table of SQLite that hold for all its rows.
const SQLITE: &str = "\
select l.seq, i.name from pragma_index_list($2, $1) l join pragma_index_info(l.name, $1) i \
where l.\"unique\" and not l.partial order by l.seq, i.seqno";

/// The columns of the unique constraint of the table that the error is about, by their numbers: no two rows are equal in all
/// of them. `None` if that cannot be said: the constraint is another table's, holds for some rows only, or has expressions
/// or columns that the model does not know.
pub(crate) async fn violated_columns(db: &Database, table: &Table, error: &Error) -> Result<Option<Vec<usize>>> {
    let Some(constraint) = error.constraint() else {
        return Ok(None);
    };
    if error.table().is_some_and(|told| db.dialect() == Dialect::Mysql && told != table.name) {
        return Ok(None);
    }
    let names = match db.dialect() {
        Dialect::Postgres => {
            let rows = db.query(POSTGRES, params![table.schema, table.name, constraint]).await?;
            rows.iter().map(|row| row.get(0).map(Some)).collect::<Result<_>>()?
        }
        Dialect::Mysql => {
            let rows = db.query(MYSQL, params![table.schema, table.name, constraint]).await?;
            let plain = |row: &crate::data::row::Row| {
                let part: Option<i64> = row.get(1)?;
                Ok(row.get::<Option<String>>(0)?.filter(|_| part.is_none()))
            };
            rows.iter().map(plain).collect::<Result<_>>()?
        }
        Dialect::Sqlite => of_sqlite(db, table, constraint).await?,
    };
    Ok(numbers(table, &names))
}

/// SQLite reports the columns and no name: `movie.title, movie.year`. It reports the same for a partial index, so there
/// must be an index on these columns that is not partial.
async fn of_sqlite(db: &Database, table: &Table, told: &str) -> Result<Vec<Option<String>>> {
    let rows = db.query(SQLITE, params![table.schema, table.name]).await?;
    let mut indexes: Vec<(i64, Vec<Option<String>>)> = Vec::new();
    for row in &rows {
        let (index, column): (i64, Option<String>) = row.to()?;
        match indexes.last_mut() {
            Some((last, columns)) if *last == index => columns.push(column),
            _ => indexes.push((index, vec![column])),
        }
    }
    // A rowid that is the key has no index.
    let key = table.key().map(|column| Some(column.name.to_owned())).collect();
    let mut candidates = indexes.into_iter().map(|(_, columns)| columns).chain([key]);
    let found = candidates.find(|columns| {
        let all: Option<Vec<String>> =
            columns.iter().map(|column| Some(format!("{}.{}", table.name, column.as_ref()?))).collect();
        all.is_some_and(|all| all.join(", ").eq_ignore_ascii_case(told))
    });
    Ok(found.unwrap_or_default())
}

fn numbers(table: &Table, names: &[Option<String>]) -> Option<Vec<usize>> {
    let number = |name: &Option<String>| {
        let name = name.as_deref()?;
        table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    };
    let numbers: Vec<usize> = names.iter().map(number).collect::<Option<_>>()?;
    (!numbers.is_empty()).then_some(numbers)
}

/// A unique key of a table of MySQL, its primary key included.
#[derive(Debug)]
pub(crate) struct UniqueKey {
    pub(crate) columns: Vec<usize>,
    /// Which of the columns default to NULL.
    pub(crate) defaults_to_null: Vec<bool>,
}

/// MariaDB writes the default NULL out, and puts a text in quotes.
const MYSQL_KEYS: &str = "\
select s.index_name, s.column_name, s.sub_part, c.is_nullable = 'YES' and coalesce(c.extra, '') not like '%GENERATED%' and \
(c.column_default is null or (c.column_default = 'NULL' and version() like '%MariaDB%')) \
from information_schema.statistics s left join information_schema.columns c \
on c.table_schema = s.table_schema and c.table_name = s.table_name and c.column_name = s.column_name \
where s.table_schema = coalesce($1, database()) and s.table_name = $2 and s.non_unique = 0 \
order by s.index_name, s.seq_in_index";

/// All unique keys of a table of MySQL. `None` if one has expressions, the beginning of a text, or columns that the model
/// does not know.
pub(crate) async fn unique_keys(db: &Database, table: &Table) -> Result<Option<Vec<UniqueKey>>> {
    let mut keys: Vec<(String, UniqueKey)> = Vec::new();
    for row in &db.query(MYSQL_KEYS, params![table.schema, table.name]).await? {
        let (index, column, part, defaults_to_null): (String, Option<String>, Option<i64>, Option<bool>) = row.to()?;
        let Some([column]) =
            numbers(table, &[column.filter(|_| part.is_none())]).as_deref().and_then(|c| c.first_chunk().copied())
        else {
            return Ok(None);
        };
        if keys.last().is_none_or(|(last, _)| *last != index) {
            keys.push((index, UniqueKey { columns: Vec::new(), defaults_to_null: Vec::new() }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(column);
            key.defaults_to_null.push(defaults_to_null.unwrap_or(false));
        }
    }
    Ok(Some(keys.into_iter().map(|(_, key)| key).collect()))
}
