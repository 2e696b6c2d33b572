//! [`OnConflict`]: the update of an existing row in place of an insert (an upsert).

use std::{borrow::Cow, marker::PhantomData};

use super::insert_plan::Target;
use crate::model::{
    expr::{Assignment, Columns, Condition, Expr, Node},
    table::Model,
};

/// The update that an insert makes where a row with the same unique columns exists.
///
/// # Examples
///
/// ```
/// # use nestling::{Dialect, Model, Query, model::{Assignment, Column}, query::OnConflict};
/// fn upsert<M: Model>(name: Column<M, String>, count: Column<M, i64>) -> impl Query {
///     let update = OnConflict::columns(name).update([count.set(count + count.excluded())]);
///     M::insert([name.set("ada"), count.set(1)]).on_conflict(update)
/// }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing before it is given to an insert"]
pub struct OnConflict<M> {
    pub(crate) target: Target,
    pub(crate) set: Vec<(usize, Node)>,
    marker: PhantomData<fn() -> M>,
}

/// The unique constraint of an upsert. The update is given next.
#[derive(Debug)]
#[must_use = "it does nothing before it is told what to update"]
pub struct ConflictTarget<M>(Target, PhantomData<fn() -> M>);

impl<M: Model> OnConflict<M> {
    /// The conflict is one of these columns, on which there must be a unique constraint.
    ///
    /// On MySQL it may be a conflict of any unique constraint.
    pub fn columns(columns: impl Columns<M>) -> ConflictTarget<M> {
        ConflictTarget(Target { columns: columns.indexes(), ..Target::default() }, PhantomData)
    }

    /// The conflict is one of the constraint of this name. PostgreSQL only.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query, query::OnConflict};
    /// # #[derive(Model)] struct Word { id: i64, text: String, uses: i64 }
    /// let again = OnConflict::constraint("word_text_key").update([Word::USES.set(Word::USES + 1)]);
    /// let sql = Word::insert([Word::TEXT.set("one")]).on_conflict(again).sql(Dialect::Postgres)?.0;
    /// assert!(sql.contains(r#"ON CONFLICT ON CONSTRAINT "word_text_key" DO UPDATE"#));
    /// # Ok::<_, nestling::Error>(())
    /// ```
    pub fn constraint(name: impl Into<Cow<'static, str>>) -> ConflictTarget<M> {
        ConflictTarget(Target { constraint: Some(name.into()), ..Target::default() }, PhantomData)
    }

    /// Adds assignments.
    pub fn update(mut self, assignments: impl IntoIterator<Item = Assignment<M>>) -> Self {
        self.set.extend(assignments.into_iter().map(|Assignment { column, node, .. }| (column, node)));
        self
    }

    /// Adds columns that get the values of the new row.
    pub fn update_columns(mut self, columns: impl Columns<M>) -> Self {
        let table = M::TABLE;
        self.set.extend(columns.indexes().into_iter().map(|index| (index, Node::Excluded(&table.columns[index]))));
        self
    }
}

impl<M: Model> ConflictTarget<M> {
    /// The unique index on these columns is a partial one: it holds for rows with this condition. Called again, both must
    /// hold. PostgreSQL and SQLite.
    ///
    /// The database finds the index by its condition, so the two must be written alike: where it does not see that they are
    /// the same, give its text by [`functions::sql`](crate::query::functions::sql).
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Dialect, Model, Query, query::OnConflict};
    /// # #[derive(Model)] struct User { id: i64, email: String, name: String, deleted: Option<i64> }
    /// let again = OnConflict::columns(User::EMAIL).filter(User::DELETED.is_null()).update_columns(User::NAME);
    /// let user = User::insert([User::EMAIL.set("a@b"), User::NAME.set("ada")]).on_conflict(again);
    /// assert!(user.sql(Dialect::Sqlite)?.0.contains(r#"ON CONFLICT ("email") WHERE "deleted" IS NULL DO UPDATE"#));
    /// # Ok::<_, nestling::Error>(())
    /// ```
    pub fn filter(mut self, condition: impl Condition) -> Self {
        let before = self.0.condition.take().map(Expr::new);
        self.0.condition = Some(Expr::both(before, condition.into()).node);
        self
    }

    /// Updates the existing row. [`Column::excluded`](crate::model::Column::excluded) is the value of the new row.
    pub fn update(self, assignments: impl IntoIterator<Item = Assignment<M>>) -> OnConflict<M> {
        OnConflict { target: self.0, set: Vec::new(), marker: PhantomData }.update(assignments)
    }

    /// Updates these columns of the existing row with the values of the new row.
    pub fn update_columns(self, columns: impl Columns<M>) -> OnConflict<M> {
        OnConflict { target: self.0, set: Vec::new(), marker: PhantomData }.update_columns(columns)
    }
}
