//! `create_or_get` of the manager: a new row, or the one that it conflicts with.
//!
//! Inside a transaction the insert has a savepoint, so that on PostgreSQL the transaction survives a violation. The
//! error names the constraint, the catalogue has its columns, and the existing row is found by the new row's values in
//! them.

use super::{get_or_create::with_values, manager::Manager};
use crate::{
    driver::Dialect,
    error::{Error, Result, ServerClass, ServerError},
    model::{
        catalog::violated_columns,
        expr::{Assignment, Node},
        table::Model,
    },
    params,
};

/// How often the conflicting row may vanish before it is read.
const ATTEMPTS: usize = 3;

impl Manager {
    /// Inserts a row with these values; if that violates a unique constraint, returns the existing row unchanged. Also
    /// returns whether the row is new.
    ///
    /// The row is found by the columns of the constraint that was violated, one or several. Any number of callers may
    /// do so at once; a transaction around stays usable.
    ///
    /// # Errors
    /// As [`create`](Self::create). A unique violation is passed on where its constraint does not say which row it is: if it
    /// holds for some rows only, or is about expressions. In a transaction that reads repeatably, a serialization failure if
    /// the row came after the transaction's snapshot: run it again.
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute): the row may have been created.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Manager, Model};
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # #[derive(Debug, PartialEq, Model)] struct User { id: i64, #[model(unique)] name: String, age: i32 }
    /// # let objects = Manager::new(Database::open("sqlite::memory:")?);
    /// # objects.database().batch("create table user (id integer primary key, name text unique, age integer)").await?;
    /// let (first, created) = objects.create_or_get([User::NAME.set("ada"), User::AGE.set(36)]).await?;
    /// assert!(created);
    /// let (second, created) = objects.create_or_get([User::NAME.set("ada"), User::AGE.set(99)]).await?;
    /// assert!(!created && second == first);
    /// # Ok(()) }
    /// ```
    pub async fn create_or_get<M: Model>(&self, values: impl IntoIterator<Item = Assignment<M>>) -> Result<(M, bool)> {
        let values = with_defaults(values);
        let mut attempts = 0;
        loop {
            let violation = match self.in_savepoint(M::insert(values.clone()).returning()).await {
                Ok(created) => return Ok((created, true)),
                Err(error) if error.is_unique_violation() => error,
                Err(error) => return Err(error),
            };
            let Some(columns) = violated_columns(&self.db, M::TABLE, &violation).await? else {
                return Err(violation);
            };
            let value = |column: &usize| values.iter().find(|value| value.column == *column).cloned();
            let Some(known) = columns.iter().map(value).collect::<Option<Vec<_>>>() else {
                // A column of the constraint has a value that the database made.
                return Err(violation);
            };
            if let Some(found) = self.first_current(with_values(&known)).await? {
                return Ok((found, false));
            }
            attempts += 1;
            if attempts == ATTEMPTS {
                return Err(self.hidden_by_snapshot(violation).await?);
            }
        }
    }

    /// The error if the conflicting row cannot be seen: a serialization failure where the transaction reads an older
    /// snapshot, as it can be run again; else the violation.
    async fn hidden_by_snapshot(&self, violation: Error) -> Result<Error> {
        if self.db.dialect() != Dialect::Postgres || !self.db.in_transaction() {
            return Ok(violation);
        }
        let level: String =
            self.db.query_one("select current_setting('transaction_isolation')", params![]).await?.get(0)?;
        if level == "read committed" {
            return Ok(violation);
        }
        let text = "the row that is there already came after this transaction's snapshot";
        let told = ServerError { class: ServerClass::SerializationFailure, ..ServerError::default() };
        Ok(Error::server(text, told).with_source(violation))
    }
}

/// The values, and the model's own defaults for all else, so that it is known what the row was to have.
fn with_defaults<M: Model>(values: impl IntoIterator<Item = Assignment<M>>) -> Vec<Assignment<M>> {
    let mut row: Vec<Option<Node>> = (0..M::TABLE.columns.len()).map(|_| None).collect();
    for Assignment { column, node, .. } in values {
        row[column] = Some(node);
    }
    let given = |(column, node): (usize, Option<Node>)| {
        let node = node.or_else(|| M::default_value(column).map(Node::Value))?;
        Some(Assignment::new(column, node))
    };
    row.into_iter().enumerate().filter_map(given).collect()
}
