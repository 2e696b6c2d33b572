//! [`Assignment`]: a column and what it is set to, in an insert or an update.

use std::{fmt, marker::PhantomData};

use super::{node::Node, traits::Model};

/// A column of `M` and what it is set to. Made by [`Column::set`](crate::Column::set).
pub struct Assignment<M> {
    pub(super) column: usize,
    pub(super) node: Node,
    marker: PhantomData<fn() -> M>,
}

impl<M> Assignment<M> {
    pub(super) fn new(column: usize, node: Node) -> Self {
        Self { column, node, marker: PhantomData }
    }
}

impl<M> Clone for Assignment<M> {
    fn clone(&self) -> Self {
        Self::new(self.column, self.node.clone())
    }
}

impl<M: Model> fmt::Debug for Assignment<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}", M::TABLE.columns[self.column].name, self.node)
    }
}
