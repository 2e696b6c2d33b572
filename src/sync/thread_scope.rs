//! Where the current thread is: inside `allow_sync`, and inside blocking transactions. It is kept for the thread and the
//! tokio task together, so that another task that is polled within has no part in it.

use std::{cell::RefCell, marker::PhantomData, sync::Arc};

use tokio::task::Id;

use super::core::Core;

/// What the current code is inside of.
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

/// Being inside, until it is dropped.
pub(super) struct Guard {
    /// How many entries there were before.
    below: usize,
    /// It belongs to its thread.
    marker: PhantomData<*const ()>,
}

impl ThreadScope {
    /// Enters.
    pub(super) fn enter(self, core: &Arc<Core>) -> Guard {
        let entry = Entry { inside: self, task: tokio::task::try_id(), core: Arc::clone(core) };
        ENTRIES.with_borrow_mut(|entries| {
            entries.push(entry);
            Guard { below: entries.len() - 1, marker: PhantomData }
        })
    }

    /// Whose it is that the caller is inside of, for the database of this number: the innermost one.
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
        // Outside of the borrow: the last handle of a core may go with it.
        drop(left);
    }
}
