//! The context: the value that a task carries, an immutable list of open frames, innermost first. Entering a block makes
//! a new head; nothing is pushed or popped, so that joined futures and panics cannot leave it wrong.

use std::sync::Arc;

use super::{Frame, Session};

/// The frames that are open around the current code, of all databases.
#[derive(Debug)]
pub(crate) struct Context<S: Session> {
    head: Option<Arc<Frame<S>>>,
    /// What a fresh scope hides. No query looks at it; it only tells that the task already holds connections (rule 61).
    hidden: Option<Arc<Frame<S>>>,
}

impl<S: Session> Clone for Context<S> {
    fn clone(&self) -> Self {
        let Self { head, hidden } = self;
        Self { head: head.clone(), hidden: hidden.clone() }
    }
}

impl<S: Session> Default for Context<S> {
    fn default() -> Self {
        Self { head: None, hidden: None }
    }
}

impl<S: Session> Context<S> {
    /// This context with one more frame, which was made on top of it.
    pub(super) fn with(&self, frame: Arc<Frame<S>>) -> Self {
        Self { head: Some(frame), hidden: self.hidden.clone() }
    }

    /// The innermost frame of all databases.
    pub(super) fn head(&self) -> Option<&Arc<Frame<S>>> {
        self.head.as_ref()
    }

    /// A context in which nothing is open, inside this one.
    pub(crate) fn fresh(&self) -> Self {
        Self { head: None, hidden: self.head.clone().or_else(|| self.hidden.clone()) }
    }

    /// The innermost open frame of a database.
    pub(crate) fn innermost(&self, database: usize) -> Option<&Arc<Frame<S>>> {
        frames(self.head.as_ref()).find(|frame| frame.trunk().session().database() == database)
    }

    /// The innermost open frame of any of some databases.
    pub(crate) fn innermost_of(&self, databases: &[usize]) -> Option<&Arc<Frame<S>>> {
        frames(self.head.as_ref()).find(|frame| databases.contains(&frame.trunk().session().database()))
    }

    /// The distinct sessions of a database that the current task has open, hidden ones included.
    pub(crate) fn count_sessions(&self, database: usize, holds: impl Fn(&S) -> bool) -> usize {
        let mut seen: Vec<*const S> = Vec::new();
        let mut head = self.head.as_ref();
        let mut hidden = self.hidden.as_ref();
        loop {
            for frame in frames(head) {
                let session: *const S = frame.trunk().session();
                if frame.trunk().session().database() == database
                    && !seen.contains(&session)
                    && holds(frame.trunk().session())
                {
                    seen.push(session);
                }
                // A hidden part of an outer scope hangs at the outermost frame that was opened in it.
                hidden = frame.outer().hidden.as_ref().or(hidden);
            }
            match hidden.take() {
                Some(next) => head = Some(next),
                None => return seen.len(),
            }
        }
    }
}

/// A frame and those around it, of all databases.
fn frames<S: Session>(head: Option<&Arc<Frame<S>>>) -> impl Iterator<Item = &Arc<Frame<S>>> {
    std::iter::successors(head, |frame| frame.outer().head.as_ref())
}
