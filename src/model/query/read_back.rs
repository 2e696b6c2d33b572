//! Inserts on MySQL and MariaDB, which have no RETURNING: keys are derived from the number that the server reports, and rows
//! are read by their keys in the same transaction.

use super::{
    bulk_upsert::BulkUpsert,
    by_keys::{FOR_UPDATE, KEYS_PER_QUERY, KeyValues, by_keys, row_of_key, write_select},
    insert_plan::{Conflict, InsertPlan, InsertValue},
    selection::SelectItem,
};
use crate::{
    data::{params::Params, row::Row, value::Value},
    db::{Database, Writer},
    error::{Error, ErrorKind, Result},
    model::{
        expr::{Node, Qualifier, is_one_of},
        table::{Key, Model, Table},
    },
};

/// Inserts, and returns rows of their keys or of the selected columns, and the column where these begin.
pub(crate) async fn inserted<M: Model>(
    db: &Database,
    plan: &InsertPlan,
    returning: Option<&[SelectItem]>,
) -> Result<(Vec<Row>, usize)> {
    plan.check_keys()?;
    let known = plan.rows.len() == 1 && !matches!(plan.conflict, Conflict::Update(_));
    if known && returning.is_none() {
        return Ok((rows_of_keys(plan.table, keys(db, plan).await?), 0));
    }
    db.atomic(|| async {
        let keys = keys(db, plan).await?;
        match returning {
            None => Ok((rows_of_keys(plan.table, keys), 0)),
            Some(selected) => {
                // A row that an upsert did not change may be newer than the snapshot of this transaction.
                let latest = matches!(plan.conflict, Conflict::Update(_));
                Ok((by_keys::<M>(db, keys, selected, latest).await?, M::Key::WIDTH))
            }
        }
    })
    .await
}

fn rows_of_keys(table: &'static Table, keys: Vec<KeyValues>) -> Vec<Row> {
    keys.into_iter().map(|key| row_of_key(table, key)).collect()
}

/// Inserts, and returns the keys of the inserted or updated rows.
async fn keys(db: &Database, plan: &InsertPlan) -> Result<Vec<KeyValues>> {
    let bulk = BulkUpsert::of(db, plan).await?;
    let size = plan.chunk(db.dialect());
    let mut keys = Vec::with_capacity(plan.rows.len());
    for rows in plan.rows.chunks(if bulk.is_some() { size.min(KEYS_PER_QUERY) } else { size }) {
        if let Some(bulk) = &bulk
            && let Some(more) = bulk.run(db, rows).await?
        {
            keys.extend(more);
            continue;
        }
        let mut open = vec![rows];
        while let Some(rows) = open.pop() {
            if rows.len() > 1 && !plan.numbered_in_sequence(rows) {
                open.extend(rows.chunks(1).rev());
                continue;
            }
            match insert(db, plan, rows).await {
                // The conflicting rows are found by bisection.
                Err(error) if plan.ignores(&error) && rows.len() > 1 => {
                    let (first, second) = rows.split_at(rows.len() / 2);
                    open.extend([second, first]);
                }
                Err(error) if plan.ignores(&error) => {}
                more => keys.extend(more?),
            }
        }
    }
    Ok(keys)
}

/// Inserts these rows by one statement, and returns their keys. They are one row, or numbered in sequence.
async fn insert(db: &Database, plan: &InsertPlan, rows: &[Vec<InsertValue>]) -> Result<Vec<KeyValues>> {
    let dialect = db.dialect();
    let (sql, params) = plan.text(dialect, rows, &[])?;
    let outcome = db.send(&sql, &params).await?;
    let auto = plan.table.auto_column();
    if let Conflict::Update(upsert) = &plan.conflict
        && upsert.target.columns != plan.table.primary_key
        && auto.is_none()
    {
        return plan.key_by_target(db, &rows[0], &upsert.target.columns).await.map(|key| vec![key]);
    }
    // With a conflict clause the server reports the number of the row that it inserted or updated.
    let asked = matches!(plan.conflict, Conflict::Update(_)) && auto.is_some();
    if !asked && let Some(keys) = rows.iter().map(|row| plan.own_key(row)).collect() {
        return Ok(keys);
    }
    let first = outcome.last_insert_id.ok_or_else(|| plan.unknown_key())?;
    let step = if rows.len() > 1 { step(db).await? } else { 1 };
    let key = |(row, id): (&Vec<InsertValue>, i64)| {
        let part = |&column: &usize| match plan.given(row, column) {
            Some(value) if Some(column) != auto => value.clone(),
            _ => Value::I64(id),
        };
        plan.table.primary_key.iter().map(part).collect()
    };
    let ids = std::iter::successors(Some(first), |id| id.checked_add(step));
    Ok(rows.iter().zip(ids).map(key).collect())
}

/// The step between the numbers that the server gives.
async fn step(db: &Database) -> Result<i64> {
    let outcome = db.send("SELECT @@auto_increment_increment", &Params::default()).await?;
    outcome.rows.first().map_or(Ok(1), |row| row.get(0))
}

impl InsertPlan {
    /// Whether the error is a unique violation that the insert ignores.
    fn ignores(&self, error: &Error) -> bool {
        matches!(self.conflict, Conflict::Ignore) && error.is_unique_violation()
    }

    /// The value of a row in a column, unless it is NULL, an expression or left to the database.
    pub(crate) fn given<'r>(&self, row: &'r [InsertValue], column: usize) -> Option<&'r Value> {
        match row.get(self.position(column)?)? {
            InsertValue::Node(Node::Value(value)) if !value.is_null() => Some(value),
            _ => None,
        }
    }

    /// The key of a row, if all its columns have values.
    fn own_key(&self, row: &[InsertValue]) -> Option<KeyValues> {
        self.table.primary_key.iter().map(|&column| self.given(row, column).cloned()).collect()
    }

    /// Whether all these rows have their keys, or all leave them to the server, which then numbers them in sequence.
    fn numbered_in_sequence(&self, rows: &[Vec<InsertValue>]) -> bool {
        let left = |row: &Vec<InsertValue>| {
            let auto = self.table.auto_column().and_then(|column| self.position(column));
            auto.is_none_or(|at| matches!(row[at], InsertValue::Default))
        };
        !matches!(self.conflict, Conflict::Update(_))
            && (rows.iter().all(|row| self.own_key(row).is_some()) || rows.iter().all(left))
    }

    /// Whether the key of each row will be known.
    fn check_keys(&self) -> Result<()> {
        let auto = self.table.auto_column();
        let known = |row: &Vec<InsertValue>| {
            let part = |&column: &usize| {
                self.given(row, column).is_some()
                    || (Some(column) == auto && !matches!(self.at(row, column), Some(InsertValue::Node(_))))
            };
            self.table.primary_key.iter().all(part)
        };
        if self.rows.iter().all(known) { Ok(()) } else { Err(self.unknown_key()) }
    }

    pub(crate) fn at<'r>(&self, row: &'r [InsertValue], column: usize) -> Option<&'r InsertValue> {
        row.get(self.position(column)?)
    }

    fn unknown_key(&self) -> Error {
        let model = self.table.model;
        let text = format!("MySQL does not tell the key that it makes for a {model}: give the key with the row");
        Error::new(ErrorKind::Unsupported, text)
    }

    /// The key of the row that has the values of `row` in the columns of the conflict target.
    async fn key_by_target(&self, db: &Database, row: &[InsertValue], target: &[usize]) -> Result<KeyValues> {
        let (table, qualifier) = (self.table, Qualifier::of(self.table));
        let values: Option<Vec<Value>> = target.iter().map(|&column| self.given(row, column).cloned()).collect();
        // NULL conflicts with nothing: the row is new, and has its own key.
        let Some(values) = values else {
            return self.own_key(row).ok_or_else(|| self.unknown_key());
        };
        let columns = target.iter().map(|&column| Node::Column(qualifier.clone(), &table.columns[column])).collect();
        let mut to = Writer::new(db.dialect());
        write_select(table, &[], &mut to)?;
        to.text(" WHERE ");
        is_one_of(columns, vec![values.into_iter().map(Node::Value).collect()]).write(&mut to)?;
        to.text(FOR_UPDATE);
        let (sql, params) = to.finish();
        let outcome = db.send(&sql, &params).await?;
        let row = outcome.rows.first().ok_or_else(|| self.unknown_key())?;
        (0..table.primary_key.len()).map(|at| row.get(at)).collect()
    }
}
