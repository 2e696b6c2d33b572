//! The recursive delete: a row goes with all that refers to it, what refers to it ahead of it.
//!
//! In this order: the graph of the foreign keys is asked for (`graph.rs`); the rows below the one to be deleted are found
//! and locked, level by level (`walk.rs`), until no new one turns up, which takes care of diamonds and cycles; references
//! that may be NULL and are not followed are set so; then rows go, each behind all that refer to it (`order.rs`). How rows
//! are named in statements is in `rows.rs`. The caller has a block open, so that all of it or nothing happens.

mod graph;
mod order;
mod rows;
mod walk;

use self::{graph::Graph, order::DeleteOrder, walk::Walk};
use crate::{
    db::Database,
    error::Result,
    model::{catalog::references_below, table::Model},
};

/// Deletes the row with this key, and all that refers to it. Returns whether the row existed.
pub(super) async fn delete<M: Model>(db: &Database, key: &M::Key, delete_nullable: bool) -> Result<bool> {
    let (root, references) = references_below(db, M::TABLE).await?;
    let graph = Graph::new(root, references, delete_nullable);
    let mut walk = Walk::new(db, &graph);
    if !walk.begin::<M>(key).await? {
        return Ok(false);
    }
    walk.descend().await?;
    walk.apply_actions().await?;
    DeleteOrder::new(walk).delete(db).await?;
    Ok(true)
}
