//! [`JoinSet`]: tasks that take part in the transaction that is open where the set is made (rule 5).

use std::fmt;

use tokio::task::{AbortHandle, JoinError};
use tracing::Instrument as _;

use super::{current::current, session::DbSession};
use crate::runtime::{Scope, TaskGroup};

/// A set of tasks that take part in the blocks in which it was made, from [`join_set`].
///
/// It is a [`tokio::task::JoinSet`] whose tasks have the context of the set. Their statements take turns on the connection
/// of the transaction, with one another and with those of the block that made the set.
///
/// A block and its tasks end together:
/// - The end of a block whose body has returned `Ok` waits for tasks that have not ended, for up to
///   [`turn_timeout`](crate::DatabaseBuilder::turn_timeout). After that it is rolled back, and is a `TurnTimeout`.
/// - A set that is dropped before all its tasks have ended aborts them, and the block with them, as nobody knows how far
///   they have come: the block is `RolledBack` then. Await [`join_next`](Self::join_next) until it is `None`, or give
///   the tasks up by [`abort_all`](Self::abort_all).
/// - A task that is aborted otherwise is a future that is dropped: its block goes on, unless that was in the middle of a
///   statement. What may be given up half-way belongs into a block of its own, within the task.
/// - In a block that is rolled back the statement under way is stopped, and later ones fail with `FrameClosed`.
///
/// Made where no block is open, its tasks have none either; the settings of a [`scope`](crate::scope) and a sandbox hold in them all the
/// same, unlike in those of [`spawn`](crate::spawn).
#[must_use = "the tasks are aborted when it is dropped"]
pub struct JoinSet<T> {
    /// Ahead of the tasks, so that they are dropped behind it, and count as running until then.
    group: TaskGroup<DbSession>,
    tasks: tokio::task::JoinSet<T>,
}

/// Makes a set of tasks that take part in the transactions that are open here.
///
/// # Examples
/// ```
/// # use nestling::{Database, Error, params};
/// # #[tokio::main] async fn main() -> Result<(), Error> {
/// let db = Database::open("sqlite::memory:")?;
/// db.batch("create table note (number integer)").await?;
/// db.atomic(|| async {
///     let mut tasks = nestling::join_set();
///     for number in 0..3 {
///         let db = db.clone();
///         tasks.spawn(async move { db.execute("insert into note values ($1)", params![number]).await });
///     }
///     while let Some(ended) = tasks.join_next().await {
///         ended.expect("it does not panic")?;
///     }
///     assert_eq!(db.query("select * from note", params![]).await?.len(), 3);
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub fn join_set<T>() -> JoinSet<T> {
    JoinSet { group: TaskGroup::new(current().unwrap_or_default()), tasks: tokio::task::JoinSet::new() }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task into the set, in the tracing span of the caller.
    ///
    /// # Panics
    /// Outside a tokio runtime, as [`tokio::spawn`] does.
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let context = match self.group.context() {
            // A scope's settings and a sandbox hold for its tasks as well.
            context if context.is_empty() => context.without_blocks(),
            context => context.clone(),
        };
        let (guard, task) = (self.group.begin(), Scope::new(context, future));
        let task = async move {
            let _until_it_has_ended = guard;
            task.await
        };
        self.tasks.spawn(task.in_current_span())
    }

    /// Waits for a task to end, and returns what it returned; `None` if there is none left.
    ///
    /// # Errors
    /// The task panicked, or was aborted.
    ///
    /// # Cancel safety
    /// Dropped, it leaves all tasks in the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.tasks.join_next().await
    }

    /// As [`join_next`](Self::join_next), of a task that has ended already.
    ///
    /// # Errors
    /// The task panicked, or was aborted.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.tasks.try_join_next()
    }

    /// Aborts all tasks. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.group.give_up();
        self.tasks.abort_all();
    }

    /// Aborts all tasks, and waits until they have ended.
    ///
    /// # Cancel safety
    /// Dropped, the tasks are aborted all the same.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl<T> JoinSet<T> {
    /// How many tasks are in the set, those included that have ended and were not joined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
