//! The pool of a database's blocking handles: connections of their own, and frames of their own.

use std::sync::{Arc, PoisonError, Weak};

use futures_util::future::join_all;

use super::Database;
use crate::{
    error::Error,
    pool::PoolOptions,
    runtime::Session as _,
    session::{Shared, current, held},
};

impl Database {
    /// The same database for blocking calls, with a pool of its own; one that lives in its only connection shares its pool.
    pub(crate) fn with_blocking_pool(&self) -> Self {
        let shared = self.shared();
        let driver = shared.pool.driver();
        if !driver.is_shared() {
            return Self::new(shared.with_new_id());
        }
        // Whether the database is open is decided by the original; this one was closed if the blocking handle was.
        let options = PoolOptions { min_connections: 0, autoconnect: Some(true), ..shared.pool.options().clone() };
        let (driver, turn_timeout, close_timeout) = (Arc::clone(driver), shared.turn_timeout, shared.close_timeout);
        let defaults = shared.defaults.clone();
        let instruments = Some(shared.pool.instruments().clone());
        let blocking = Shared::new(driver, options, turn_timeout, close_timeout, defaults, instruments);
        let blocking = Self::new(
            blocking.with_limits(shared.limits.clone()).seen(shared.longest_open()).traced(shared.labels.options),
        );
        let mut pools = shared.blocking_pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(blocking.shared()));
        drop(pools);
        blocking
    }

    /// Whether this has connections that `blocking` does not use.
    pub(crate) fn is_apart_from(&self, blocking: &Self) -> bool {
        !Arc::ptr_eq(&self.shared().pool, &blocking.shared().pool)
    }

    /// Checks that a query is admitted.
    ///
    /// # Errors
    /// `Closed`.
    pub(crate) fn admits(&self) -> Result<(), Error> {
        self.shared().pool.admits()
    }

    /// Whether the caller is in a transaction of this database, and not in one of `blocking` that was begun within it.
    pub(crate) fn is_inner_to(&self, blocking: &Self) -> bool {
        let context = current().unwrap_or_default();
        let innermost = context.innermost_of(&[self.id(), blocking.id()]);
        innermost.is_some_and(|frame| {
            frame.in_transaction() && !frame.is_closed() && frame.session_state().session().database() == self.id()
        })
    }

    /// Whether the caller's task has a connection of this database.
    pub(crate) fn is_held(&self) -> bool {
        held(self.id(), None) > 0
    }

    /// The pools of its blocking handles that are there now.
    pub(super) fn blocking_pools(&self) -> Vec<Arc<Shared>> {
        let pools = self.shared().blocking_pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) async fn close_blocking_pools(&self) {
        let pools = self.blocking_pools();
        join_all(pools.iter().map(|pool| pool.close())).await;
    }
}
