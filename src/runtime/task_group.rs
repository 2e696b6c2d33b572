//! [`TaskGroup`]: tasks that take part in the blocks of a context, and what becomes of these if they are given up half-way
//! (rule 5).

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use super::{
    Context, Session,
    tasks::{Running, Tasks},
};
use crate::error::{Error, ErrorKind};

/// A task that takes part in blocks: to be dropped when the task has ended.
#[derive(Debug)]
pub(crate) struct TaskGuard {
    _running: SmallVec<[Running; 4]>,
}

/// Tasks that take part in the blocks of a context. Dropped before all of them have ended, it aborts these blocks: nobody
/// knows how far the tasks have come.
pub(crate) struct TaskGroup<S: Session> {
    context: Context<S>,
    own: Arc<Tasks>,
}

impl<S: Session> TaskGroup<S> {
    /// A group without tasks.
    pub(crate) fn new(context: Context<S>) -> Self {
        Self { context, own: Arc::default() }
    }

    /// The context of the tasks.
    pub(crate) fn context(&self) -> &Context<S> {
        &self.context
    }

    /// One more task.
    pub(crate) fn begin(&self) -> TaskGuard {
        // All around, as the end of one block does not wait for a block that is rolled back inside it.
        let blocks = self.context.open().map(|frame| frame.attached.get_or_new().tasks.begin());
        TaskGuard { _running: blocks.chain([self.own.begin()]).collect() }
    }

    /// The tasks that run now are given up on purpose: how far they have come is the caller's affair.
    pub(crate) fn give_up(&mut self) {
        self.own = Arc::default();
    }
}

impl<S: Session> Drop for TaskGroup<S> {
    fn drop(&mut self) {
        if !self.own.are_running() {
            return;
        }
        for frame in self.context.innermost_of_each() {
            let text = "tasks that take part in the block had not ended when their set was dropped";
            frame.abort(Error::new(ErrorKind::Cancelled, text));
        }
    }
}

impl<S: Session> fmt::Debug for TaskGroup<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("own", &self.own).finish_non_exhaustive()
    }
}
