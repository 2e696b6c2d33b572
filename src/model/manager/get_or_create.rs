//! `get_or_create` of the manager: the row that fits, or a new one, however many ask for it at once.
//!
//! The insert leaves out a row that is there already, so no error comes of being second. Only if the row can be neither
//! found nor left out is it inserted plainly, for the server to say what is in the way. Inside a transaction inserts
//! have a savepoint, so that on PostgreSQL it outlives their failure.

use super::manager::Manager;
use crate::{
    error::Result,
    model::{
        expr::{Assignment, Expr, Node, Qualifier, equal},
        query::{Lock, LockKind, LockWait, Query, Select},
        table::Model,
    },
};

/// How often the conflicting row may vanish before it is read.
const ATTEMPTS: usize = 3;

impl Manager {
    /// The row that has these values, or a new one with them and the defaults; and whether it is new.
    ///
    /// Any number of callers may ask for the same at once: one gets `true`, provided that a unique constraint keeps
    /// such rows from being two. A transaction around stays usable. The defaults are for a new row alone.
    ///
    /// # Errors
    /// As [`create`](Self::create): a constraint that other values of the new row violate, for one. In a transaction that
    /// reads repeatably, a serialization failure if the row came after the transaction's snapshot: run it again.
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
    /// let (first, created) = objects.get_or_create([User::NAME.set("ada")], [User::AGE.set(36)]).await?;
    /// assert!(created && first.age == 36);
    /// let (second, created) = objects.get_or_create([User::NAME.set("ada")], [User::AGE.set(99)]).await?;
    /// assert!(!created && second == first);
    /// # Ok(()) }
    /// ```
    pub async fn get_or_create<M: Model>(
        &self,
        values: impl IntoIterator<Item = Assignment<M>>,
        defaults: impl IntoIterator<Item = Assignment<M>>,
    ) -> Result<(M, bool)> {
        let values: Vec<_> = values.into_iter().collect();
        let defaults: Vec<_> = defaults.into_iter().collect();
        if let Some(found) = with_values(&values).first(&self.db).await? {
            return Ok((found, false));
        }
        // What is looked for wins over a default of the same column.
        let row: Vec<_> = defaults.into_iter().chain(values.iter().cloned()).collect();
        for _ in 0..ATTEMPTS {
            let insert = M::insert(row.clone()).on_conflict_ignore().returning();
            if let Some(created) = self.in_savepoint(insert).await? {
                return Ok((created, true));
            }
            if let Some(found) = self.first_current(with_values(&values)).await? {
                return Ok((found, false));
            }
        }
        Ok((self.in_savepoint(M::insert(row).returning()).await?, true))
    }

    /// Runs a statement so that its failure leaves the transaction around usable.
    pub(super) async fn in_savepoint<Q: Query>(&self, query: Q) -> Result<Q::Output> {
        // Without a transaction around there is nothing to guard, and a block would cost a round trip for its COMMIT.
        if self.db.in_transaction() {
            self.db.atomic(|| query.run_on(&self.db)).await
        } else {
            query.run_on(&self.db).await
        }
    }

    /// The first row of a query, of those that are committed now. In a transaction, MySQL would look at what there was when
    /// the transaction first read, and not see the row that has just been in the way; a shared lock makes it look anew, and
    /// the insert that was refused holds such a lock already.
    pub(super) async fn first_current<M: Model>(&self, mut select: Select<M>) -> Result<Option<M>> {
        if self.db.dialect().capabilities().keeps_first_snapshot && self.db.in_transaction() {
            select.ast.lock = Some(Lock { kind: LockKind::Share, wait: LockWait::Wait });
        }
        select.first(&self.db).await
    }
}

/// The rows that have these values.
pub(super) fn with_values<M: Model>(values: &[Assignment<M>]) -> Select<M> {
    values.iter().fold(M::select(), |select, Assignment { column, node, .. }| {
        let column = Node::Column(Qualifier::of(M::TABLE), &M::TABLE.columns[*column]);
        select.filter(Expr::new(equal(column, node.clone())))
    })
}
