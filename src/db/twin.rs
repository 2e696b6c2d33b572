//! A twin: the same database once more, with connections of its own and frames of its own. The blocking calls run on it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::join_all;

use super::{Database, database::Inner, local};
use crate::{error::Error, runtime::Session as _};

impl Database {
    /// The same database with connections of its own; one that lives in its only connection shares that.
    pub(crate) fn twin(&self) -> Self {
        let Inner { id: _, dialect, options, pool, counters, registry, twins: _ } = &**self.inner();
        let driver = pool.driver();
        if !driver.is_shared() {
            let (options, pool) = (options.clone(), Arc::clone(pool));
            let (counters, registry, twins) = (Arc::clone(counters), Arc::clone(registry), Mutex::default());
            return Self::made_of(Inner { id: 0, dialect: *dialect, options, pool, counters, registry, twins });
        }
        let mut options = options.clone();
        // Whether the database is open is for the original to say; the twin was closed if its user has done so.
        (options.min_connections, options.autoconnect) = (0, Some(true));
        let twin = Self::new(Arc::clone(driver), options);
        let mut twins = self.inner().twins.lock().unwrap_or_else(PoisonError::into_inner);
        twins.retain(|twin| twin.strong_count() > 0);
        twins.push(Arc::downgrade(twin.inner()));
        twin
    }

    /// Whether this has connections that `twin` does not use.
    pub(crate) fn is_apart_from(&self, twin: &Self) -> bool {
        !Arc::ptr_eq(&self.inner().pool, &twin.inner().pool)
    }

    /// Whether a query is let in.
    ///
    /// # Errors
    /// `Closed`.
    pub(crate) fn admits(&self) -> Result<(), Error> {
        self.inner().pool.admits()
    }

    /// Whether the caller is in a transaction of this database, and not in one of `twin` that was begun within it.
    pub(crate) fn is_inner_to(&self, twin: &Self) -> bool {
        let context = local::current().unwrap_or_default();
        let innermost = context.innermost_of(&[self.id(), twin.id()]);
        innermost.is_some_and(|frame| {
            frame.in_transaction() && !frame.is_closed() && frame.session_state().session().database() == self.id()
        })
    }

    /// Whether the caller's task has a connection of this database.
    pub(crate) fn is_held(&self) -> bool {
        let context = local::current().unwrap_or_default();
        context.count_sessions(self.id(), |session| session.taken().is_some()) > 0
    }

    pub(super) async fn close_pool(&self) {
        self.inner().pool.close(self.inner().options.close_timeout).await;
    }

    pub(super) async fn close_twins(&self) {
        let twins: Vec<Arc<Inner>> = {
            let twins = self.inner().twins.lock().unwrap_or_else(PoisonError::into_inner);
            twins.iter().filter_map(Weak::upgrade).collect()
        };
        join_all(twins.iter().map(|twin| twin.pool.close(twin.options.close_timeout))).await;
    }
}
