//! The context: an immutable list of the open frames of a task, innermost first. Entering a block makes a new head; nothing
//! is pushed or popped, so that joined futures and panics cannot leave it wrong.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use smallvec::SmallVec;

use super::Session;
use crate::transaction::control::Settings;

/// An element of a context: a frame, as far as the list needs to know it.
pub(crate) trait Listed: Sized {
    type Session: Session;

    /// The context around the frame.
    fn outer(&self) -> &ContextOf<Self>;

    fn session(&self) -> &Self::Session;
}

/// The frames that are open around the current code, of all databases.
#[derive(Debug)]
pub(crate) struct ContextOf<F> {
    head: Option<Arc<F>>,
    /// The frames that a fresh scope hides. No query uses them; they only tell that the task holds connections (rule 61).
    hidden: Option<Arc<F>>,
    /// Facts about the code around; nearly always none.
    notes: Option<Arc<Note<F>>>,
}

/// A fact about the code that runs in a context, besides its frames.
#[derive(Debug)]
struct Note<F> {
    kind: NoteKind<F>,
    outer: Option<Arc<Self>>,
}

#[derive(Debug)]
enum NoteKind<F> {
    /// It is the body of a `transaction` that joined the one in which this frame was the innermost.
    Joined(Arc<F>),
    /// It runs in a task that was spawned for a caller.
    Spawned(Caller),
    /// It runs in the sandbox of this frame's database, whose transaction this frame is.
    Sandbox(Arc<F>),
    /// It is a hook behind a block that has ended: whether a caller is gone is nothing to it.
    Behind,
    /// Its transactions carry these settings, unless they have their own: all that hold here, those set further out too.
    Settings(Settings),
    /// The transaction of a database is suspended: this frame and those around it are not visible there.
    Suspended { database: usize, from: Arc<F> },
}

/// The caller of a spawned transaction, who may be gone.
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

impl<F> Clone for ContextOf<F> {
    fn clone(&self) -> Self {
        let Self { head, hidden, notes } = self;
        Self { head: head.clone(), hidden: hidden.clone(), notes: notes.clone() }
    }
}

impl<F> Default for ContextOf<F> {
    fn default() -> Self {
        Self { head: None, hidden: None, notes: None }
    }
}

impl<F: Listed> ContextOf<F> {
    /// This context with one more frame, which was made on top of it.
    pub(super) fn with(&self, frame: Arc<F>) -> Self {
        Self { head: Some(frame), hidden: self.hidden.clone(), notes: self.notes.clone() }
    }

    fn noting(&self, kind: NoteKind<F>) -> Self {
        let note = Note { kind, outer: self.notes.clone() };
        Self { head: self.head.clone(), hidden: self.hidden.clone(), notes: Some(Arc::new(note)) }
    }

    /// The context of a task that was spawned for a caller.
    pub(super) fn spawned_for(caller: &Caller) -> Self {
        Self::default().noting(NoteKind::Spawned(caller.clone()))
    }

    /// This context, for the body of a `transaction` that has joined the one that `frame` is the innermost block of.
    pub(super) fn joining(&self, frame: &Arc<F>) -> Self {
        self.noting(NoteKind::Joined(Arc::clone(frame)))
    }

    /// The context of hooks that run behind a block which was opened in this one.
    pub(super) fn behind(&self) -> Self {
        self.noting(NoteKind::Behind)
    }

    /// A context in which nothing is open, inside the sandbox whose transaction `frame` is.
    pub(crate) fn in_sandbox(&self, frame: &Arc<F>) -> Self {
        self.fresh().noting(NoteKind::Sandbox(Arc::clone(frame)))
    }

    /// The transaction of the sandbox of a database that the code here runs in.
    pub(crate) fn sandbox(&self, database: usize) -> Option<&Arc<F>> {
        self.notes().find_map(|note| match note {
            NoteKind::Sandbox(frame) if frame.session().database() == database => Some(frame),
            _ => None,
        })
    }

    /// The innermost frame of a database, also if it is suspended or hidden by a scope.
    pub(crate) fn innermost_at_all(&self, database: usize) -> Option<&Arc<F>> {
        let (mut head, mut hidden) = (self.head.as_ref(), self.hidden.as_ref());
        loop {
            if let Some(found) = frames(head).find(|frame| frame.session().database() == database) {
                return Some(found);
            }
            // A hidden part of an outer scope hangs at the outermost frame that was opened in it.
            hidden = frames(head).last().and_then(|outermost| outermost.outer().hidden.as_ref()).or(hidden);
            head = Some(hidden.take()?);
        }
    }

    /// A context in which nothing is open, for a task of its own. Settings are inherited, and so is a sandbox.
    pub(crate) fn without_blocks(&self) -> Self {
        Self { head: None, hidden: None, notes: self.notes.clone() }
    }

    /// This context, for code whose transactions carry `settings` besides those that hold already (rule 55).
    pub(crate) fn setting(&self, settings: &Settings) -> Self {
        let all = match self.settings() {
            Some(around) => settings.clone().or(around),
            None => settings.clone(),
        };
        self.noting(NoteKind::Settings(all))
    }

    /// The settings that transactions carry here, if any were given.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.notes().find_map(|note| match note {
            NoteKind::Settings(settings) => Some(settings),
            _ => None,
        })
    }

    /// This context, for a body in which the transaction that is open on a database is suspended.
    pub(crate) fn suspending(&self, database: usize) -> Self {
        match &self.head {
            Some(head) => self.noting(NoteKind::Suspended { database, from: Arc::clone(head) }),
            None => self.clone(),
        }
    }

    fn notes(&self) -> impl Iterator<Item = &NoteKind<F>> {
        std::iter::successors(self.notes.as_deref(), |note| note.outer.as_deref()).map(|note| &note.kind)
    }

    /// Whether a `transaction` was joined in `frame`, and no block was opened in it since.
    pub(crate) fn has_joined(&self, frame: &Arc<F>) -> bool {
        self.notes().any(|note| matches!(note, NoteKind::Joined(joined) if Arc::ptr_eq(joined, frame)))
    }

    /// Whether the code here was spawned for a caller who is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        let mut notes = self.notes().take_while(|note| !matches!(note, NoteKind::Behind));
        notes.any(|note| matches!(note, NoteKind::Spawned(caller) if caller.is_gone()))
    }

    /// The innermost frame of all databases.
    pub(super) fn head(&self) -> Option<&Arc<F>> {
        self.head.as_ref()
    }

    /// Whether nothing is open here.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// A context in which nothing is open, inside this one. Settings of its transactions are inherited: a tenant must not be
    /// lost by accident.
    pub(crate) fn fresh(&self) -> Self {
        let hidden = self.head.clone().or_else(|| self.hidden.clone());
        Self { head: None, hidden, notes: self.notes.clone() }
    }

    /// The innermost open frame of a database.
    #[inline]
    pub(crate) fn innermost(&self, database: usize) -> Option<&Arc<F>> {
        self.innermost_where(|of| of == database)
    }

    /// The innermost open frame of any of some databases.
    pub(crate) fn innermost_of(&self, databases: &[usize]) -> Option<&Arc<F>> {
        self.innermost_where(|of| databases.contains(&of))
    }

    #[inline]
    fn innermost_where(&self, is_wanted: impl Fn(usize) -> bool) -> Option<&Arc<F>> {
        // Nearly always nothing is noted, and so nothing is suspended.
        if self.notes.is_some() {
            return self.visible().find(|frame| is_wanted(frame.session().database()));
        }
        frames(self.head.as_ref()).find(|frame| is_wanted(frame.session().database()))
    }

    /// All open frames, innermost first, suspended ones included.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<F>> {
        frames(self.head.as_ref())
    }

    /// The open frames, innermost first, without those of suspended transactions.
    fn visible(&self) -> impl Iterator<Item = &Arc<F>> {
        let mut suspended: SmallVec<[usize; 2]> = SmallVec::new();
        frames(self.head.as_ref()).filter(move |frame| {
            for note in self.notes() {
                if let NoteKind::Suspended { database, from } = note
                    && Arc::ptr_eq(from, frame)
                {
                    suspended.push(*database);
                }
            }
            !suspended.contains(&frame.session().database())
        })
    }

    /// The innermost open frame of each database.
    pub(super) fn innermost_of_each(&self) -> Vec<&Arc<F>> {
        let mut found: Vec<&Arc<F>> = Vec::new();
        for frame in self.visible() {
            let database = frame.session().database();
            if found.iter().all(|inner| inner.session().database() != database) {
                found.push(frame);
            }
        }
        found
    }

    /// How many distinct sessions of a database are open here, hidden and suspended ones included, of which `holds` is true.
    pub(crate) fn count_sessions(&self, database: usize, holds: impl Fn(&F::Session) -> bool) -> usize {
        let mut seen: Vec<*const F::Session> = Vec::new();
        let mut head = self.head.as_ref();
        let mut hidden = self.hidden.as_ref();
        loop {
            for frame in frames(head) {
                let session: *const F::Session = frame.session();
                let is_counted = frame.session().database() == database && !seen.contains(&session);
                if is_counted && holds(frame.session()) {
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
fn frames<F: Listed>(head: Option<&Arc<F>>) -> impl Iterator<Item = &Arc<F>> {
    std::iter::successors(head, |frame| frame.outer().head.as_ref())
}
