//! The context: the value that a task carries, an immutable list of open frames, innermost first. Entering a block makes
//! a new head; nothing is pushed or popped, so that joined futures and panics cannot leave it wrong.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Frame, Session};

/// The frames that are open around the current code, of all databases.
#[derive(Debug)]
pub(crate) struct Context<S: Session> {
    head: Option<Arc<Frame<S>>>,
    /// What a fresh scope hides. No query looks at it; it only tells that the task already holds connections (rule 61).
    hidden: Option<Arc<Frame<S>>>,
    /// What else is known of the code around; nearly always nothing.
    notes: Option<Arc<Note<S>>>,
}

/// Something that is known of the code that runs in a context, besides its frames.
#[derive(Debug)]
struct Note<S: Session> {
    kind: NoteKind<S>,
    outer: Option<Arc<Self>>,
}

#[derive(Debug)]
enum NoteKind<S: Session> {
    /// It is the body of a `transaction` that joined the one in which this frame was the innermost.
    Joined(Arc<Frame<S>>),
    /// It runs in a task that was spawned for a caller, who may be gone.
    Spawned(Caller),
}

/// Whether the caller of a spawned transaction is still there.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Caller {
    /// The caller is gone: no COMMIT is sent from here on.
    pub(super) fn leave(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl<S: Session> Clone for Context<S> {
    fn clone(&self) -> Self {
        let Self { head, hidden, notes } = self;
        Self { head: head.clone(), hidden: hidden.clone(), notes: notes.clone() }
    }
}

impl<S: Session> Default for Context<S> {
    fn default() -> Self {
        Self { head: None, hidden: None, notes: None }
    }
}

impl<S: Session> Context<S> {
    /// This context with one more frame, which was made on top of it.
    pub(super) fn with(&self, frame: Arc<Frame<S>>) -> Self {
        Self { head: Some(frame), hidden: self.hidden.clone(), notes: self.notes.clone() }
    }

    fn noting(&self, kind: NoteKind<S>) -> Self {
        let note = Note { kind, outer: self.notes.clone() };
        Self { head: self.head.clone(), hidden: self.hidden.clone(), notes: Some(Arc::new(note)) }
    }

    /// The context of a task that was spawned for a caller.
    pub(super) fn spawned_for(caller: &Caller) -> Self {
        Self::default().noting(NoteKind::Spawned(caller.clone()))
    }

    /// This context, for the body of a `transaction` that has joined the one that `frame` is the innermost block of.
    pub(super) fn joining(&self, frame: &Arc<Frame<S>>) -> Self {
        self.noting(NoteKind::Joined(Arc::clone(frame)))
    }

    fn notes(&self) -> impl Iterator<Item = &NoteKind<S>> {
        std::iter::successors(self.notes.as_deref(), |note| note.outer.as_deref()).map(|note| &note.kind)
    }

    /// Whether a `transaction` was joined in `frame`, and no block was opened in it since.
    pub(crate) fn has_joined(&self, frame: &Arc<Frame<S>>) -> bool {
        self.notes().any(|note| matches!(note, NoteKind::Joined(joined) if Arc::ptr_eq(joined, frame)))
    }

    /// Whether the code that runs here was spawned for a caller who is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.notes().any(|note| matches!(note, NoteKind::Spawned(caller) if caller.is_gone()))
    }

    /// The innermost frame of all databases.
    pub(super) fn head(&self) -> Option<&Arc<Frame<S>>> {
        self.head.as_ref()
    }

    /// A context in which nothing is open, inside this one.
    pub(crate) fn fresh(&self) -> Self {
        let hidden = self.head.clone().or_else(|| self.hidden.clone());
        Self { head: None, hidden, notes: self.notes.clone() }
    }

    /// The innermost open frame of a database.
    pub(crate) fn innermost(&self, database: usize) -> Option<&Arc<Frame<S>>> {
        frames(self.head.as_ref()).find(|frame| frame.session_state().session().database() == database)
    }

    /// The innermost open frame of any of some databases.
    pub(crate) fn innermost_of(&self, databases: &[usize]) -> Option<&Arc<Frame<S>>> {
        frames(self.head.as_ref()).find(|frame| databases.contains(&frame.session_state().session().database()))
    }

    /// The distinct sessions of a database that the current task has open, hidden ones included.
    pub(crate) fn count_sessions(&self, database: usize, holds: impl Fn(&S) -> bool) -> usize {
        let mut seen: Vec<*const S> = Vec::new();
        let mut head = self.head.as_ref();
        let mut hidden = self.hidden.as_ref();
        loop {
            for frame in frames(head) {
                let session: *const S = frame.session_state().session();
                if frame.session_state().session().database() == database
                    && !seen.contains(&session)
                    && holds(frame.session_state().session())
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
