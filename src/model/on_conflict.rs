//! [`OnConflict`]: what an insert does with a row that is there already.

use std::marker::PhantomData;

use super::{assignment::Assignment, columns::Columns, node::Node, traits::Model};

/// What an insert does where a row with the same unique columns is there already: it updates that row.
///
/// # Examples
///
/// ```
/// # use nestling::{Assignment, Column, Dialect, Model, OnConflict, Query};
/// fn upsert<M: Model>(name: Column<M, String>, count: Column<M, i64>) -> impl Query {
///     let update = OnConflict::columns(name).update([count.set(count + count.excluded())]);
///     M::insert([name.set("ada"), count.set(1)]).on_conflict(update)
/// }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing before it is given to an insert"]
pub struct OnConflict<M> {
    pub(super) target: Vec<usize>,
    pub(super) set: Vec<(usize, Node)>,
    marker: PhantomData<fn() -> M>,
}

/// The columns that rows are found to be the same by; what is to be done comes next.
#[derive(Debug)]
#[must_use = "it does nothing before it is told what to update"]
pub struct ConflictTarget<M>(Vec<usize>, PhantomData<fn() -> M>);

impl<M: Model> OnConflict<M> {
    /// Rows are the same if they agree in these columns, on which there must be a unique constraint.
    ///
    /// MySQL does not let one choose: there any unique constraint counts.
    #[expect(clippy::new_ret_no_self, reason = "it is the beginning of a sentence")]
    pub fn columns(columns: impl Columns<M>) -> ConflictTarget<M> {
        ConflictTarget(columns.indexes(), PhantomData)
    }

    /// Sets these as well.
    pub fn update(mut self, assignments: impl IntoIterator<Item = Assignment<M>>) -> Self {
        self.set.extend(assignments.into_iter().map(|Assignment { column, node, .. }| (column, node)));
        self
    }

    /// Gives these columns the values of the new row as well.
    pub fn update_columns(mut self, columns: impl Columns<M>) -> Self {
        let table = M::TABLE;
        self.set.extend(columns.indexes().into_iter().map(|index| (index, Node::excluded(table.columns[index].name))));
        self
    }
}

impl<M: Model> ConflictTarget<M> {
    /// The row that is there is changed so. [`Column::excluded`](crate::Column::excluded) is what the new row has.
    pub fn update(self, assignments: impl IntoIterator<Item = Assignment<M>>) -> OnConflict<M> {
        OnConflict { target: self.0, set: Vec::new(), marker: PhantomData }.update(assignments)
    }

    /// The row that is there gets the values of the new row in these columns.
    pub fn update_columns(self, columns: impl Columns<M>) -> OnConflict<M> {
        OnConflict { target: self.0, set: Vec::new(), marker: PhantomData }.update_columns(columns)
    }
}
