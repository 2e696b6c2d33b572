//! [`ThreadScope`]: whether the current thread is inside `allow_sync` or a blocking block. The entries belong to a
//! thread and a tokio task together: another task that is polled on the thread is not inside.

use std::{cell::RefCell, marker::PhantomData, sync::Arc};

use tokio::task::Id;

use super::core::Core;

/// A scope that the current code can be inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThreadScope {
    /// The closure of `allow_sync`.
    Permission,
    /// A block: a transaction, a savepoint or a pinned connection.
    Block,
}

struct Entry {
    inside: ThreadScope,
    task: Option<Id>,
    core: Arc<Core>,
}

thread_local! {
    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the scope when dropped.
pub(super) struct Guard {
    /// The number of entries before this one.
    below: usize,
    /// Not `Send`: it belongs to its thread.
    marker: PhantomData<*const ()>,
}

impl ThreadScope {
    /// Enters the scope.
    pub(super) fn enter(self, core: &Arc<Core>) -> Guard {
        let entry = Entry { inside: self, task: tokio::task::try_id(), core: Arc::clone(core) };
        ENTRIES.with_borrow_mut(|entries| {
            entries.push(entry);
            Guard { below: entries.len() - 1, marker: PhantomData }
        })
    }

    /// The core of the innermost scope of this kind that the caller is inside of, for the database of this number.
    pub(super) fn current(self, database: usize) -> Option<Arc<Core>> {
        let task = tokio::task::try_id();
        ENTRIES.with_borrow(|entries| {
            let here = |entry: &&Entry| entry.inside == self && entry.task == task && entry.core.db().id() == database;
            entries.iter().rev().find(here).map(|entry| Arc::clone(&entry.core))
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let left = ENTRIES.with_borrow_mut(|entries| entries.split_off(self.below));
        // Dropped outside of the borrow: it may be the last reference to a core.
        drop(left);
    }
}
