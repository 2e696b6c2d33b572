//! The hooks of the database, called on the manager.

use super::manager::Manager;
use crate::{db::HookResult, error::Result, runtime::TransactionOutcome};

impl Manager {
    /// As [`Database::on_commit`](crate::Database::on_commit).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn on_commit<F, Fut>(&self, hook: F) -> Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.database().on_commit(hook).await
    }

    /// As [`Database::on_commit_robust`](crate::Database::on_commit_robust).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn on_commit_robust<F, Fut>(&self, hook: F) -> Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.database().on_commit_robust(hook).await
    }

    /// As [`Database::on_rollback`](crate::Database::on_rollback).
    ///
    /// # Errors
    /// As there.
    pub fn on_rollback<F, Fut>(&self, hook: F) -> Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.database().on_rollback(hook)
    }

    /// As [`Database::before_commit`](crate::Database::before_commit).
    ///
    /// # Errors
    /// As there.
    pub fn before_commit<F, Fut>(&self, hook: F) -> Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.database().before_commit(hook)
    }

    /// As [`Database::after_completion`](crate::Database::after_completion).
    ///
    /// # Errors
    /// As there.
    pub fn after_completion<F, Fut>(&self, hook: F) -> Result<()>
    where
        F: FnOnce(TransactionOutcome) -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        self.database().after_completion(hook)
    }
}
