//! [`BulkUpsert`]: upserts of many rows by one statement on MySQL, which does not return the keys of the rows.
//!
//! An inserted row has the values that it was given, and an updated one had the same values in some unique key. So the rows
//! are found by the unique keys of the table, as the catalogue has them. If a row is not found that way, or two are,
//! all rows are inserted one by one.

use std::collections::{HashMap, HashSet};

use super::{
    by_keys::{FOR_UPDATE, KeyValues, write_select},
    insert_plan::{Conflict, InsertPlan, InsertValue},
    selection::SelectItem,
};
use crate::{
    data::{crates::SubsecRound as _, value::Value},
    db::{Database, Writer},
    error::{Error, Result},
    model::{
        catalog::{UniqueKey, unique_keys},
        expr::{Node, Qualifier, in_list},
    },
};

/// An upsert of many rows by one statement.
pub(crate) struct BulkUpsert<'p> {
    plan: &'p InsertPlan,
    keys: Vec<UniqueKey>,
}

/// Why the rows were not upserted by one statement.
enum Failure {
    /// Their keys cannot be found.
    UnknownKeys,
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The values that a row has in a unique key, in a form that can be compared. `None` if it has NULL there, or a new number.
type Values<'r> = Option<Vec<&'r Value>>;

impl<'p> BulkUpsert<'p> {
    /// `None` if it is not an upsert of several rows, or if their keys could not be found afterwards.
    pub(crate) async fn of(db: &Database, plan: &'p InsertPlan) -> Result<Option<Self>> {
        let Conflict::Update(upsert) = &plan.conflict else { return Ok(None) };
        if plan.rows.len() < 2 {
            return Ok(None);
        }
        let Some(keys) = unique_keys(db, plan.table).await?.filter(|keys| !keys.is_empty()) else { return Ok(None) };
        // An updated column of a unique key must get the value of the new row: else the row is not found by it.
        let stays = |(column, node): &(usize, Node)| {
            let own = matches!(node, Node::Excluded(def) if def.name == plan.table.columns[*column].name);
            own || keys.iter().all(|key| !key.columns.contains(column))
        };
        let told = upsert.set.iter().all(stays);
        Ok(told.then_some(Self { plan, keys }))
    }

    /// Upserts rows and returns their keys; `None` if these cannot be found, and then nothing was changed.
    pub(crate) async fn run(&self, db: &Database, rows: &[Vec<InsertValue>]) -> Result<Option<Vec<KeyValues>>> {
        let Some(values) = self.keys.iter().map(|key| self.values(rows, key)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        if !(0..rows.len()).all(|row| values.iter().any(|values| values[row].is_some())) {
            return Ok(None);
        }
        let upserted = db.atomic(|| async {
            let (sql, params) = self.plan.text(db.dialect(), rows, &[])?;
            db.send(&sql, &params).await?;
            let mut found = vec![HashSet::new(); rows.len()];
            let mut keys = HashMap::new();
            for (key, values) in self.keys.iter().zip(&values) {
                self.find(db, key, values, &mut found, &mut keys).await?;
            }
            let one = |found: HashSet<Vec<u8>>| {
                if found.len() == 1 { keys.get(&found.into_iter().next()?).cloned() } else { None }
            };
            found.into_iter().map(one).collect::<Option<Vec<KeyValues>>>().ok_or(Failure::UnknownKeys)
        });
        match upserted.await {
            Ok(keys) => Ok(Some(keys)),
            Err(Failure::UnknownKeys) => Ok(None),
            Err(Failure::Failed(error)) => Err(error),
        }
    }

    /// The values of each row in a unique key. `None` if they are not known for one of the rows.
    fn values<'r>(&self, rows: &'r [Vec<InsertValue>], key: &UniqueKey) -> Option<Vec<Values<'r>>> {
        let plan = self.plan;
        let of_row = |row: &'r Vec<InsertValue>| {
            let mut values = Some(Vec::with_capacity(key.columns.len()));
            for (&column, &defaults_to_null) in key.columns.iter().zip(&key.defaults_to_null) {
                match plan.at(row, column) {
                    Some(InsertValue::Node(Node::Value(Value::Null))) => values = None,
                    Some(InsertValue::Node(Node::Value(value))) => {
                        identity(std::iter::once(value))?;
                        if let Some(values) = &mut values {
                            values.push(value);
                        }
                    }
                    Some(InsertValue::Node(_)) => return None,
                    Some(InsertValue::Default) | None if plan.table.columns[column].auto || defaults_to_null => {
                        values = None;
                    }
                    Some(InsertValue::Default) | None => return None,
                }
            }
            Some(values)
        };
        rows.iter().map(of_row).collect()
    }

    /// Finds rows of the table by one of its unique keys, and adds them to the candidates of each row.
    async fn find(
        &self,
        db: &Database,
        key: &UniqueKey,
        values: &[Values<'_>],
        found: &mut [HashSet<Vec<u8>>],
        keys: &mut HashMap<Vec<u8>, KeyValues>,
    ) -> Result<()> {
        let wanted: Vec<Vec<Node>> =
            values.iter().flatten().map(|row| row.iter().map(|&value| Node::Value(value.clone())).collect()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let table = self.plan.table;
        let columns: Vec<Node> =
            key.columns.iter().map(|&column| Node::Column(Qualifier::of(table), &table.columns[column])).collect();
        let selected: Vec<SelectItem> = columns.iter().cloned().map(SelectItem::from).collect();
        let mut to = Writer::new(db.dialect());
        write_select(table, &selected, &mut to)?;
        to.text(" WHERE ");
        in_list(columns, wanted).write(&mut to)?;
        to.text(FOR_UPDATE);
        let (sql, params) = to.finish();
        let width = table.primary_key.len();
        let mut rows: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for row in db.send(&sql, &params).await?.rows {
            let own = (0..width).map(|at| row.get(at)).collect::<Result<KeyValues>>()?;
            let unique = (0..key.columns.len()).map(|at| row.get(width + at)).collect::<Result<Vec<Value>>>()?;
            if let (Some(id), Some(unique)) = (identity(&own), identity(&unique)) {
                rows.insert(unique, id.clone());
                keys.insert(id, own);
            }
        }
        for (values, found) in values.iter().zip(found) {
            let row = values.as_ref().and_then(|values| rows.get(&identity(values.iter().copied())?));
            found.extend(row.cloned());
        }
        Ok(())
    }
}

/// Values as bytes that are equal for a value that was sent and the same value read back from MySQL. `None` for a value that
/// MySQL may change.
fn identity<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for value in values {
        let text = match value {
            Value::Bool(value) => format!("i{}", u8::from(*value)),
            Value::I64(value) => format!("i{value}"),
            Value::U64(value) => format!("i{value}"),
            Value::Decimal(value) => format!("d{}", value.normalize()),
            Value::Text(value) => format!("t{value}"),
            Value::Uuid(value) => format!("t{value}"),
            Value::Date(value) => format!("a{value}"),
            Value::Time(value) => format!("o{}", value.trunc_subsecs(6)),
            Value::DateTime(value) => format!("m{}", value.trunc_subsecs(6)),
            Value::DateTimeUtc(value) => format!("m{}", value.naive_utc().trunc_subsecs(6)),
            Value::Bytes(value) => {
                out.push(b'b');
                out.extend_from_slice(&value.len().to_le_bytes());
                out.extend_from_slice(value);
                continue;
            }
            Value::Null
            | Value::F32(_)
            | Value::F64(_)
            | Value::Json(_)
            | Value::Array(_)
            | Value::HStore(_)
            | Value::Invalid(_) => return None,
        };
        out.extend_from_slice(&text.len().to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Some(out)
}
