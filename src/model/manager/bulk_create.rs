//! `bulk_create` of the manager: many rows by one statement.

use super::Manager;
use crate::{
    error::Result,
    model::{query::Query as _, traits::Model},
};

impl Manager {
    /// Inserts whole rows.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`Database::execute`](crate::Database::execute).
    pub async fn bulk_create<M: Model>(&self, rows: &[M]) -> Result<Vec<M::Key>> {
        M::insert_rows(rows).run_on(&self.db).await
    }
}
