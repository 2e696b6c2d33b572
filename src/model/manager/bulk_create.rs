//! `bulk_create` of the manager: many rows by one statement, or by few.
//!
//! On PostgreSQL each column is sent as one array for `unnest`: the text is short and constant, so it is prepared once,
//! and the limit on parameters does not matter. Where that is not possible, and on other databases, it is a list of
//! values.

use super::manager::Manager;
use crate::{
    data::{params::Params, value::Value},
    db::{Database, Writer},
    driver::Dialect,
    error::{Error, ErrorKind, Result},
    model::{
        catalog::column_types,
        query::{Query as _, write_returning},
        table::{Key as _, Model},
    },
};

/// For fewer rows the query of the column types is not worth it.
const FEW: usize = 50;
/// The rows of one statement: more would not be faster, and memory stays bounded.
const MANY: usize = 50_000;

impl Manager {
    /// Inserts whole rows by one statement, or as few as the server's limits allow, and returns their keys in the same
    /// order. All of them or none.
    ///
    /// A key that the database numbers, and that is 0 in the row, is left to the database.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`].
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, name: String }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text)").await?;
    /// let users: Vec<User> = ["ada", "bob"].map(|name| User { id: 0, name: name.into() }).into();
    /// assert_eq!(objects.bulk_create(&users).await?, [1, 2]);
    /// # Ok(()) }
    /// ```
    pub async fn bulk_create<M: Model>(&self, rows: &[M]) -> Result<Vec<M::Key>> {
        if self.db.dialect().capabilities().arrays
            && rows.len() >= FEW
            && let Some(columns) = columns_of(rows)
            && let Some(types) = column_types(&self.db, M::TABLE, &columns).await?
        {
            match by_arrays(&self.db, rows, &columns, &types).await {
                // Nothing was sent: values that the driver cannot send as an array may work one by one.
                Err(error) if error.kind() == ErrorKind::Parameter => {}
                keys => return keys,
            }
        }
        M::insert_rows(rows).run_on(&self.db).await
    }
}

/// The columns that are sent. `None` if the database numbers some of the rows only.
fn columns_of<M: Model>(rows: &[M]) -> Option<Vec<usize>> {
    let all = M::TABLE.writable();
    let Some(auto) = M::TABLE.auto_column() else {
        return Some(all.collect());
    };
    let never = M::TABLE.columns[auto].is_read_only();
    let is_left = |row: &M| never || matches!(row.value(auto), Value::I64(0) | Value::U64(0));
    let left = rows.first().is_some_and(is_left);
    let columns: Vec<usize> = all.filter(|&column| !left || column != auto).collect();
    (rows.iter().all(|row| is_left(row) == left) && !columns.is_empty()).then_some(columns)
}

async fn by_arrays<M: Model>(db: &Database, rows: &[M], columns: &[usize], types: &[String]) -> Result<Vec<M::Key>> {
    let sql = &text::<M>(columns, types)?;
    let insert = |rows: &[M]| {
        let array = |&column: &usize| Value::Array(rows.iter().map(|row| row.value(column)).collect());
        let params: Params = columns.iter().map(array).collect();
        async move { db.send(sql, &params).await?.rows.iter().map(|row| M::Key::read(row, 0)).collect() }
    };
    if rows.len() <= MANY {
        return insert(rows).await;
    }
    db.atomic(|| async {
        let mut keys = Vec::with_capacity(rows.len());
        for rows in rows.chunks(MANY) {
            let mut more: Vec<M::Key> = insert(rows).await?;
            keys.append(&mut more);
        }
        Ok::<_, Error>(keys)
    })
    .await
}

fn text<M: Model>(columns: &[usize], types: &[String]) -> Result<String> {
    let mut to = Writer::new(Dialect::Postgres);
    to.text("INSERT INTO ");
    M::TABLE.write(&mut to);
    to.text(" (");
    for (at, &column) in columns.iter().enumerate() {
        to.text(if at == 0 { "" } else { ", " });
        to.name(M::TABLE.columns[column].name);
    }
    to.text(") SELECT * FROM unnest(");
    for (at, ty) in types.iter().enumerate() {
        to.text(if at == 0 { "" } else { ", " });
        to.text(&format!("${}::{ty}[]", at + 1));
    }
    to.text(")");
    write_returning(&M::TABLE.key_selected(), &mut to)?;
    Ok(to.finish().0)
}
